#!/usr/bin/env python3
"""Draws the demo's scenes: boats and houses of simple shapes among clutter, with their boxes.

    draw_scenes.py --seed 2 --count 32 --out .        # images/*.jpg and annotations.json (COCO)

A scene depends on its seed and index only, so a set can be drawn again, in part or in whole.
"""
import argparse
import json
import math
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

TAGS = ["boat", "house"]
SIZES = [(640, 480), (480, 360), (600, 450), (512, 384), (480, 480), (400, 500)]
OVERSAMPLE = 2  # shapes are drawn larger and reduced, which smooths their edges

# Parts of an object: (paint name, polygon). Coordinates are free; an object's box is that of all its points.


def house_parts(rng):
    w, h = 1.0, rng.uniform(0.6, 1.0)
    roof = rng.uniform(0.4, 0.75)
    eave = rng.uniform(0.02, 0.14)
    parts = []
    if rng.random() < 0.6:
        x = rng.uniform(0.62, 0.78)
        top = -roof * rng.uniform(0.75, 1.0)
        parts.append(("trim", [(x, top), (x + 0.13, top), (x + 0.13, 0), (x, 0)]))
    parts.append(("wall", [(0, 0), (w, 0), (w, h), (0, h)]))
    ridge = rng.uniform(0.0, 0.2)
    parts.append(("roof", [(-eave, 0), (0.5 - ridge, -roof), (0.5 + ridge, -roof), (w + eave, 0)]))
    door = rng.uniform(0.12, 0.2)
    x = rng.choice([0.12, 0.5 - door / 2, 0.88 - door])
    parts.append(("trim", [(x, h), (x, h * 0.45), (x + door, h * 0.45), (x + door, h)]))
    for left in (0.1, 0.41, 0.72):
        if abs(left - x) > 0.19 and rng.random() < 0.9:
            y, s = h * 0.25, 0.17
            parts.append(("glass", [(left, y), (left + s, y), (left + s, y + s), (left, y + s)]))
    return parts


def boat_parts(rng):
    depth = rng.uniform(0.18, 0.3)
    rake = rng.uniform(0.12, 0.25)
    height = rng.uniform(0.75, 1.2)
    mast = rng.uniform(0.42, 0.56)
    parts = [("mast", [(mast - 0.015, -height), (mast + 0.015, -height), (mast + 0.015, 0), (mast - 0.015, 0)])]
    low = -rng.uniform(0.05, 0.12)
    main = [(mast + 0.03, -height * 0.98), (rng.uniform(0.88, 1.0), low), (mast + 0.03, low)]
    jib = [(mast - 0.03, -height * rng.uniform(0.75, 0.95)), (mast - 0.03, low), (rng.uniform(0.02, 0.15), low)]
    parts.append(("sail", main))
    if rng.random() < 0.85:
        parts.append(("jib", jib))
    parts.append(("hull", [(0, 0), (1, 0), (1 - rake, depth), (rake * 0.8, depth)]))
    if rng.random() < 0.6:
        parts.append(("stripe", [(0.02, 0.02), (0.98, 0.02), (0.95, 0.06), (0.05, 0.06)]))
    return parts


def colour(rng, low=0, high=255):
    return tuple(int(v) for v in rng.integers(low, high + 1, 3))


def paints(rng, tag):
    if tag == "house":
        return {"wall": colour(rng, 90), "roof": colour(rng, 20, 200), "trim": colour(rng, 10, 160),
                "glass": (int(rng.integers(150, 220)), int(rng.integers(190, 240)), int(rng.integers(210, 256)))}
    sail = int(rng.integers(200, 256))
    sails = (sail, sail, int(sail * rng.uniform(0.85, 1.0))) if rng.random() < 0.6 else colour(rng, 80)
    return {"hull": colour(rng, 10, 220), "sail": sails, "jib": sails if rng.random() < 0.6 else colour(rng, 80),
            "mast": colour(rng, 20, 120), "stripe": colour(rng, 120)}


def place(parts, rng, size, angle, mirror):
    """Scales the parts to `size` pixels of width, mirrors and turns them; the first point of their box becomes (0, 0)."""
    points = np.array([p for _, polygon in parts for p in polygon], float)
    points *= size / (points[:, 0].max() - points[:, 0].min())
    if mirror:
        points[:, 0] *= -1
    c, s = math.cos(angle), math.sin(angle)
    points = points @ np.array([[c, s], [-s, c]])
    points -= points.min(0)
    placed, at = [], 0
    for name, polygon in parts:
        placed.append((name, points[at:at + len(polygon)]))
        at += len(polygon)
    return placed, points.max(0)


def background(rng, w, h):
    """Sky over ground or water with a soft horizon, smooth blotches and grain."""
    y = np.linspace(0, 1, h)[:, None, None]
    sky = np.array(colour(rng, 120)) * (1 - y) + np.array(colour(rng, 150)) * y
    ground = np.array(colour(rng, 30, 200)) * (1 - y) + np.array(colour(rng, 20, 180)) * y
    horizon = rng.uniform(0.3, 0.75) + rng.uniform(0, 0.03) * np.sin(np.linspace(0, rng.uniform(3, 14), w))[None, :, None]
    mix = 1 / (1 + np.exp(-(y - horizon) * rng.uniform(20, 200)))
    image = sky * (1 - mix) + ground * mix
    blotches = rng.normal(0, rng.uniform(4, 22), (int(rng.integers(4, 14)), int(rng.integers(4, 14)), 3)).astype(np.float32)
    smooth = [np.asarray(Image.fromarray(blotches[:, :, i]).resize((w, h), Image.Resampling.BICUBIC)) for i in range(3)]
    image = image + np.stack(smooth, -1) + rng.normal(0, rng.uniform(1, 6), (h, w, 1))
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def clutter(draw, rng, w, h):
    """Things that are neither tag: trees, clouds, suns, plain polygons, bars."""
    for _ in range(int(rng.integers(3, 13))):
        x, y, s = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.03, 0.2) * w
        fill = colour(rng)
        kind = int(rng.integers(6))
        if kind == 0:  # tree
            draw.rectangle([x - s * 0.08, y, x + s * 0.08, y + s * 0.5], fill=colour(rng, 30, 110))
            green = (int(rng.integers(20, 110)), int(rng.integers(80, 190)), int(rng.integers(20, 100)))
            if rng.random() < 0.5:
                draw.ellipse([x - s * 0.35, y - s * 0.7, x + s * 0.35, y + s * 0.1], fill=green)
            else:
                draw.polygon([(x - s * 0.35, y + s * 0.1), (x, y - s * 0.8), (x + s * 0.35, y + s * 0.1)], fill=green)
        elif kind == 1:  # cloud
            white = (int(rng.integers(215, 256)),) * 3
            for dx, dy, r in ((-0.4, 0.05, 0.25), (0, -0.08, 0.35), (0.4, 0.05, 0.25)):
                draw.ellipse([x + (dx - r) * s, y + (dy - r * 0.7) * s, x + (dx + r) * s, y + (dy + r * 0.7) * s], fill=white)
        elif kind == 2:  # sun, ball
            draw.ellipse([x - s / 2, y - s / 2, x + s / 2, y + s / 2], fill=fill)
        elif kind == 3:  # triangle or other polygon
            sides, turn = int(rng.integers(3, 7)), rng.uniform(0, 6.3)
            draw.polygon([(x + s / 2 * math.cos(turn + 6.2832 * i / sides), y + s / 2 * math.sin(turn + 6.2832 * i / sides))
                          for i in range(sides)], fill=fill)
        elif kind == 4:  # box
            draw.rectangle([x - s / 2, y - s * 0.3, x + s / 2, y + s * 0.3], fill=fill)
        else:  # bar
            draw.line([(x, y), (x + rng.uniform(-2, 2) * s, y + rng.uniform(-2, 2) * s)], fill=fill, width=int(s * 0.08) + 2)


def overlap(a, b):
    """Share of the smaller box that the other covers."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def draw_scene(seed, index):
    """returns: an RGB image and its objects [(tag index, x1, y1, x2, y2)] in pixels, all inside the frame."""
    rng = np.random.default_rng([seed, index])
    w, h = SIZES[int(rng.integers(len(SIZES)))]
    k = OVERSAMPLE
    image = background(rng, w, h).resize((w * k, h * k), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    clutter(draw, rng, w * k, h * k)
    objects = []
    for _ in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.08, 0.34, 0.32, 0.18, 0.08]))):
        tag = int(rng.integers(2))
        parts = house_parts(rng) if tag == 1 else boat_parts(rng)
        fill = paints(rng, TAGS[tag])
        for _ in range(20):
            size = math.exp(rng.uniform(math.log(0.14), math.log(0.5))) * w
            placed, extent = place(parts, rng, size, rng.normal(0, 0.12), rng.random() < 0.5)
            if extent[0] >= w - 4 or extent[1] >= h - 4:
                continue
            x, y = rng.uniform(2, w - 2 - extent[0]), rng.uniform(2, h - 2 - extent[1])
            box = (x, y, x + extent[0], y + extent[1])
            if all(overlap(box, o[1:]) < 0.1 for o in objects):
                objects.append((tag, *box))
                for name, polygon in placed:
                    draw.polygon([(float(px + x) * k, float(py + y) * k) for px, py in polygon], fill=fill[name])
                break
    image = image.reduce(k)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0)))
    return image, [(t, *(round(float(v), 1) for v in box)) for t, *box in objects]


def write_set(seed, count, folder):
    """Writes `images/scene-NN.jpg` and `annotations.json`, which names the images relative to that folder."""
    os.makedirs(os.path.join(folder, "images"), exist_ok=True)
    coco = {"info": {"description": "Boats and houses drawn by draw_scenes.py", "seed": seed},
            "categories": [{"id": i + 1, "name": t} for i, t in enumerate(TAGS)], "images": [], "annotations": []}
    for index in range(count):
        image, objects = draw_scene(seed, index)
        name = f"scene-{index + 1:0{max(2, len(str(count)))}d}.jpg"
        image.save(os.path.join(folder, "images", name), quality=85)
        coco["images"].append({"id": index + 1, "file_name": name, "width": image.width, "height": image.height})
        for tag, x1, y1, x2, y2 in objects:
            w, h = round(x2 - x1, 1), round(y2 - y1, 1)
            coco["annotations"].append({"id": len(coco["annotations"]) + 1, "image_id": index + 1, "category_id": tag + 1,
                                        "bbox": [x1, y1, w, h], "area": round(w * h, 2), "iscrowd": 0})
    with open(os.path.join(folder, "annotations.json"), "w", encoding="utf-8") as out:
        head = {k: v for k, v in coco.items() if k not in ("images", "annotations")}
        rows = [f'"{k}": [\n' + ",\n".join("  " + json.dumps(r) for r in coco[k]) + "\n]" for k in ("images", "annotations")]
        out.write(json.dumps(head)[:-1] + ",\n" + ",\n".join(rows) + "}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=2, help="set to draw; train.py trains on 1 and tests on 3 (default 2)")
    parser.add_argument("--count", type=int, default=32, help="number of images (default 32)")
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)), help="folder (default: this one)")
    options = parser.parse_args()
    write_set(options.seed, options.count, options.out)


if __name__ == "__main__":
    main()
