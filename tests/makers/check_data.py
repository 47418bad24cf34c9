#!/usr/bin/env python3
"""Judges the forms of data sets with others' readers and writers: pycocotools, pascal-voc-writer, and globox (COCO, YOLO, Pascal VOC, LabelMe).

    check_data.py --tool BUILD/visionpress

Each written set must have the demo's images, tags and boxes in the other's eyes, and a set that the other wrote must have them in ours: within 1e-5 of the
side, VOC within a pixel (its whole numbers; globox takes corners as edges, which are a pixel apart from VOC's own).
"""
import json
import os
import shutil

import pascal_voc_writer
from globox import AnnotationSet
from pycocotools.coco import COCO

from judge import DEMO, Judge

SHARE = 1e-5
PIXEL = 1.0 + 1e-9


def read_coco(path):
    """File name -> (width, height, boxes as (tag, left, top, right, bottom))."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    tags = {category["id"]: category["name"] for category in data["categories"]}
    images = {image["id"]: (image["file_name"], image["width"], image["height"], []) for image in data["images"]}
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        images[annotation["image_id"]][3].append((tags[annotation["category_id"]], x, y, x + width, y + height))
    return {name: (width, height, boxes) for name, width, height, boxes in images.values()}


def read_globox(annotations, names=None):
    def boxes(annotation):
        return [(names[box.label] if names else box.label, box.xmin, box.ymin, box.xmax, box.ymax) for box in annotation.boxes]
    return {annotation.image_id: (*annotation.image_size, boxes(annotation)) for annotation in annotations}


def compare(expected, found, pixels=0.0):
    """Edges may be `pixels` apart, or 1e-5 of the side."""
    assert set(found) == set(expected), f"images {sorted(found)}"
    for name, (width, height, boxes) in expected.items():
        assert found[name][:2] == (width, height), f"{name}: {found[name][:2]}"
        ours, theirs = sorted(boxes), sorted(found[name][2])
        assert len(ours) == len(theirs), f"{name}: {len(theirs)} boxes, expected {len(ours)}"
        for a, b in zip(ours, theirs):
            assert a[0] == b[0], f"{name}: {b}, expected {a}"
            for at in range(4):
                allowed = max(pixels, (width, height)[at % 2] * SHARE)
                assert abs(a[at + 1] - b[at + 1]) <= allowed, f"{name}: {b}, expected {a}"


def judge_written(judge, source, expected):
    """What we wrote, read by the others."""
    def write(form):
        folder = judge.path(f"written-{form}")
        judge.run("data", "convert", source, "--to", form, "-o", folder, "-q")
        return folder

    def coco():
        file = os.path.join(write("coco"), "annotations.json")
        theirs = COCO(file)
        assert len(theirs.getAnnIds()) == sum(len(boxes) for _, _, boxes in expected.values())
        compare(expected, read_globox(AnnotationSet.from_coco(file)))

    def yolo():
        folder = write("yolo")
        names = {str(at): name for at, name in enumerate(sorted({box[0] for _, _, boxes in expected.values() for box in boxes}))}
        compare(expected, read_globox(AnnotationSet.from_yolo_v5(f"{folder}/labels/train", image_folder=f"{folder}/images/train"), names))

    def voc():
        compare(expected, read_globox(AnnotationSet.from_pascal_voc(os.path.join(write("voc"), "Annotations"))), 2 * PIXEL)

    def labelme():
        compare(expected, read_globox(AnnotationSet.from_labelme(write("labelme"))))

    for check in (coco, yolo, voc, labelme):
        judge.case(f"written {check.__name__}", check)


def judge_read(judge, source, expected):
    """What the others wrote, read by us."""
    theirs = AnnotationSet.from_coco(source)

    def convert(data):
        out = judge.path(f"read-{len(os.listdir(judge.folder))}")
        judge.run("data", "convert", data, "--to", "coco", "-o", out, "-q")
        return read_coco(os.path.join(out, "annotations.json"))

    def with_images(folder, inner):
        shutil.copytree(os.path.join(DEMO, "images"), judge.path(os.path.join(folder, inner)), dirs_exist_ok=True)
        return judge.path(folder)

    def yolo():
        folder = with_images("their-yolo", "images")
        names = sorted({box[0] for _, _, boxes in expected.values() for box in boxes})
        theirs.save_yolo_v5(os.path.join(folder, "labels"), label_to_id={name: at for at, name in enumerate(names)})
        with open(os.path.join(folder, "data.yaml"), "w", encoding="utf-8") as file:
            file.write("path: .\ntrain: images\nval: images\nnames:\n" + "".join(f"  {at}: {name}\n" for at, name in enumerate(names)))
        compare(expected, convert(os.path.join(folder, "data.yaml")))

    def voc():
        folder = with_images("their-voc", "JPEGImages")
        os.makedirs(os.path.join(folder, "Annotations"))
        whole = {}
        for name, (width, height, boxes) in expected.items():
            writer = pascal_voc_writer.Writer(os.path.join(folder, "JPEGImages", name), width, height)
            rounded = [(tag, *(round(edge) for edge in edges)) for tag, *edges in boxes]
            for tag, left, top, right, bottom in rounded:
                writer.addObject(tag, left + 1, top + 1, right, bottom)
            writer.save(os.path.join(folder, "Annotations", os.path.splitext(name)[0] + ".xml"))
            whole[name] = (width, height, rounded)
        found = convert(folder)
        compare(whole, found)
        compare(expected, found, PIXEL)

    def globox_voc():
        folder = with_images("their-flat-voc", "")
        theirs.save_pascal_voc(folder)
        compare(expected, convert(folder), 2 * PIXEL)

    def labelme():
        folder = with_images("their-labelme", "")
        theirs.save_labelme(folder)
        compare(expected, convert(folder))

    for check in (yolo, voc, globox_voc, labelme):
        judge.case(f"read {check.__name__}", check)


def main():
    judge = Judge(__doc__)
    source = os.path.join(DEMO, "annotations.json")
    expected = read_coco(source)
    judge_written(judge, source, expected)
    judge_read(judge, source, expected)
    judge.close()


main()
