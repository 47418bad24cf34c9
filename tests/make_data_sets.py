#!/usr/bin/env python3
"""Writes data sets and predictions as other tools write them, for tests/cli/data_sets.test.

    make_data_sets.py          from annotations.json and seen.json here (demo's, and what a network saw on them)
    make_data_sets.py turned   images/turned.jpg, which EXIF turns, and upright.json
    make_data_sets.py unturned   unturned.json: what turned.json found, in the picture before it is turned
"""
import json
import sys


def load(name):
    with open(name, encoding="utf-8") as file:
        return json.load(file)


def write(name, value):
    with open(name, "w", encoding="utf-8") as file:
        json.dump(value, file)


def write_forms():
    data, seen = load("annotations.json"), load("seen.json")
    sizes = {image["id"]: (image["width"], image["height"]) for image in data["images"]}
    names = {image["id"]: image["file_name"] for image in data["images"]}

    def write_boxes(name, change):
        write(name, [dict(row, bbox=change(*row["bbox"], *sizes[row["image_id"]])) for row in seen])

    def write_ids(name, **changes):
        write(name, [dict(row, **{key: change(row[key]) for key, change in changes.items()}) for row in seen])

    write_boxes("cut.json", lambda x, y, w, h, W, H: [max(x, 0), max(y, 0), min(x + w, W) - max(x, 0), min(y + h, H) - max(y, 0)])
    write_boxes("shares.json", lambda x, y, w, h, W, H: [x / W, y / H, w / W, h / H])
    write_boxes("corners.json", lambda x, y, w, h, W, H: [x, y, x + w, y + h])
    write_ids("zero.json", category_id=lambda id: id - 1)
    write_ids("other.json", image_id=lambda id: id + 1000)
    write_ids("stems.json", image_id=lambda id: names[id][:-len(".jpg")])
    write_ids("text_rows.json", image_id=lambda id: f"img_{id:02}")
    write("strong.json", [row for row in seen if row["score"] > 0.3])

    write("swapped.json", dict(data, images=[dict(i, width=i["height"], height=i["width"]) for i in data["images"]]))
    write("windows.json", dict(data, images=[dict(i, file_name="C:\\pets\\" + i["file_name"]) for i in data["images"]]))
    write("texts.json", dict(data, images=[dict(i, id=f"img_{i['id']:02}") for i in data["images"]],
                             annotations=[dict(a, image_id=f"img_{a['image_id']:02}") for a in data["annotations"]]))
    odd = load("annotations.json")
    odd["annotations"][1]["id"] = odd["annotations"][0]["id"]
    odd["annotations"] += [{"id": 900, "image_id": 77, "category_id": 1, "bbox": [1, 1, 5, 5]},
                           {"id": 901, "image_id": 1, "category_id": 1, "bbox": [900, 1, 5, 5]},
                           {"id": 902, "image_id": 1.0, "category_id": 2.0, "bbox": [3, 3, 0, 5]}]
    write("odd.json", odd)


def write_turned():
    with open("images/scene-01.jpg", "rb") as file:
        jpeg = file.read()
    # APP1 of 34 bytes: TIFF, little end first, one entry: 0x0112, SHORT, one of them, 6 (a quarter turn clockwise).
    exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    with open("images/turned.jpg", "wb") as file:
        file.write(jpeg[:2] + exif + jpeg[2:])
    write("upright.json", {"images": [{"id": 1, "file_name": "turned.jpg", "width": 500, "height": 400}], "annotations": [],
                           "categories": [{"id": 1, "name": "boat"}, {"id": 2, "name": "house"}]})


def write_unturned():
    data = load("upright.json")
    data["images"][0].update(width=400, height=500)
    data["annotations"] = [dict(row, id=i + 1, bbox=[row["bbox"][1], 500 - row["bbox"][0] - row["bbox"][2], row["bbox"][3], row["bbox"][2]])
                           for i, row in enumerate(load("turned.json"))]
    write("unturned.json", data)


{"turned": write_turned, "unturned": write_unturned}[sys.argv[1]]() if len(sys.argv) > 1 else write_forms()
