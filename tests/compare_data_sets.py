#!/usr/bin/env python3
"""Compares two COCO files by the names of images and categories: the same images, tags and number of boxes, and how far their edges are apart.

    compare_data_sets.py EXPECTED.json FOUND.json

exits: 0 the same; 1 not, and says why
"""
import json
import os
import sys


def read(path):
    """File name (without folders) -> (width, height, sorted boxes as (tag, left, top, right, bottom)), and the tags."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    tags = {category["id"]: category["name"] for category in data["categories"]}
    images = {image["id"]: (os.path.basename(image["file_name"]), image["width"], image["height"], []) for image in data["images"]}
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        images[annotation["image_id"]][3].append((tags[annotation["category_id"]], x, y, x + width, y + height))
    return {name: (width, height, boxes) for name, width, height, boxes in images.values()}, set(tags.values())


def main(expected_path, found_path):
    expected, expected_tags = read(expected_path)
    found, found_tags = read(found_path)
    if expected_tags != found_tags:
        sys.exit(f"tags: {sorted(found_tags)}, expected {sorted(expected_tags)}")
    missing = sorted(set(expected) - set(found))
    with_boxes = [name for name in missing if expected[name][2]]
    if with_boxes or set(found) - set(expected):
        sys.exit(f"images: {sorted(found)}, expected {sorted(expected)}")
    pixels = shares = 0.0
    count = 0
    for name, (width, height, boxes) in found.items():
        if (width, height) != expected[name][:2] or len(boxes) != len(expected[name][2]):
            sys.exit(f"{name}: {width}x{height}, {len(boxes)} boxes; expected {expected[name]}")
        for ours, theirs in zip(boxes, expected[name][2]):
            if ours[0] != theirs[0]:
                sys.exit(f"{name}: {ours}, expected {theirs}")
            count += 1
            for at, (a, b) in enumerate(zip(ours[1:], theirs[1:])):
                pixels = max(pixels, abs(a - b))
                shares = max(shares, abs(a - b) / (width, height)[at % 2])
    bound = "equal" if pixels == 0 else "within 1e-6 of the side" if shares < 1e-6 else "within half a pixel" if pixels <= 0.5 else f"{pixels} pixels apart"
    without = f", {len(missing)} images without boxes missing" if missing else ""
    print(f"{len(found)} images, {len(found_tags)} tags, {count} boxes: {bound}{without}")


main(*sys.argv[1:])
