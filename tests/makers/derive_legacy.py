#!/usr/bin/env python3
"""Counts the original project's integers again from the predictions that an experiment stored, and
compares them with the table. Independent of the tool: it reads the annotations and the predictions,
and nothing of the tool's figures but what it compares with.

usage: derive_legacy.py RESULTS ANNOTATIONS      (COCO or VoTT v1 JSON, boxes of any size)
Needs Python's own library alone. exits: 0 all equal, 1 not, each difference on a line.

The count, per tag, over its true boxes g: k(g) is the number of confident predictions of the tag in
g's image that overlap g by LESS than the threshold; TP counts the g with k > 0, TPFP is the sum of k,
TPFN the number of g. An image stands in as many of the original's per-tag lists as it has tags, and
is counted once for each.
"""
import json
import os
import sys


def read_coco(data):
    names = {c["id"]: c["name"] for c in data["categories"]}
    images = {i["id"]: [] for i in data["images"]}
    for a in data["annotations"]:
        images[a["image_id"]].append((names[a["category_id"]], a["bbox"]))
    return names, images, True


def read_vott(data):
    tags = [t for t in data["inputTags"].split(",") if t]
    names = {i + 1: t for i, t in enumerate(tags)}
    images = {}
    for i, file in enumerate(sorted(data["frames"])):
        boxes = []
        for frame in data["frames"][file]:
            width, height = frame["width"], frame["height"]
            left, right = max(frame["x1"], 0), min(frame["x2"], width)
            top, bottom = max(frame["y1"], 0), min(frame["y2"], height)
            boxes += [(tag, [left, top, right - left, bottom - top]) for tag in frame["tags"]]
        images[i + 1] = boxes
    return names, images, False


def overlap(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def count(names, images, listed, predictions, probability, threshold):
    sums = {name: [0, 0, 0] for name in names.values()}
    for image, boxes in images.items():
        times = len({tag for tag, _ in boxes}) if listed else 1
        for tag, box in boxes:
            k = sum(
                names.get(p["category_id"]) == tag
                and p["score"] > probability
                and overlap(p["bbox"], box) < threshold
                for p in predictions.get(image, [])
            )
            sums[tag][0] += times * (k > 0)
            sums[tag][1] += times * k
            sums[tag][2] += times
    return sums


def main():
    results, annotations = sys.argv[1:]
    with open(annotations, encoding="utf-8") as file:
        data = json.load(file)
    names, images, listed = read_coco(data) if "annotations" in data else read_vott(data)
    with open(os.path.join(results, "table.json"), encoding="utf-8") as file:
        table = json.load(file)
    metric = table["legacy"]["metric"]
    images = dict(sorted(images.items())[: table["legacy"]["images"]])  # --max-images: by ascending id
    wrong = 0
    for column, model in zip(table["columns"], table["legacy"]["models"]):
        stored = os.path.join(results, "columns", os.path.basename(column["predictions"]))
        predictions = {}
        with open(stored, encoding="utf-8") as file:
            for p in json.load(file):
                predictions.setdefault(p["image_id"], []).append(p)
        sums = count(names, images, listed, predictions, metric["probability"], metric["iou"])
        for tag in model["tags"]:
            ours = sums[tag["tag"]]
            theirs = [tag["true_positives"], tag["predicted"], tag["truth"]]
            line = f"{column['title']}, {tag['tag']}: {ours[0]}/{ours[1]} of {ours[2]}"
            if ours != theirs:
                wrong += 1
                line += f", the table has {theirs[0]}/{theirs[1]} of {theirs[2]}"
            print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
