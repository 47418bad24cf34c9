#!/usr/bin/env python3
"""Judges the eval layer with the makers' own tools: Pillow (decoding, EXIF, resizing) and pycocotools (average precision).

    check_eval.py --tool BUILD/src/eval/eval_probe [--shared DIR]

Resizing and lossless decoding must be equal in every pixel, JPEG to one grey level (two releases of libjpeg-turbo may meet),
average precision to 1e-9 on random cases with ties, crowds and empty images, and on odd files: boxes beyond and outside of their
frame, negative and empty ones, ids as floats and texts, ids that are there twice, annotations of images that are not listed.
"""
import contextlib
import io
import json
import os
import random
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from judge import Judge

FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SIZES = [(1, 1), (2, 3), (7, 5), (32, 24), (37, 53), (64, 64), (416, 416), (227, 227)]
ORIENTATION = 0x0112


def read_raw(judge, *arguments):
    """Runs a probe command that writes raw RGB to its last argument."""
    width, height = map(int, judge.run(*arguments).split())
    return np.fromfile(arguments[-1], np.uint8).reshape(height, width, 3)


def decode(judge, path):
    return read_raw(judge, "decode", path, judge.path("decoded.raw"))


def expected(path):
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def difference(ours, theirs):
    assert ours.shape == theirs.shape, f"{ours.shape[1]}x{ours.shape[0]} against {theirs.shape[1]}x{theirs.shape[0]}"
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


def check_equal(judge, path, tolerance=0):
    worst = difference(decode(judge, path), expected(path))
    assert worst <= tolerance, f"{worst} grey levels from Pillow"
    size = tuple(map(int, judge.run("size", path).split()))
    assert size == ImageOps.exif_transpose(Image.open(path)).size, f"size {size}"
    return worst


def smooth(width, height, seed):
    """A picture with both edges and gradients."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([(x * 5 + y) % 256, (y * 7) % 256, (x * y) % 256], -1)
    return Image.fromarray(np.clip(base + rng.integers(-20, 20, base.shape), 0, 255).astype(np.uint8))


def save(judge, image, name, **options):
    path = judge.path(name)
    image.save(path, **options)
    return path


def judge_resizing(judge, pictures):
    for path in pictures:
        source = Image.open(path).convert("RGB")
        name = os.path.basename(path)
        for filter_name, resampling in FILTERS.items():
            def check(filter_name=filter_name, resampling=resampling):
                for width, height in SIZES:
                    ours = read_raw(judge, "resize", path, filter_name, str(width), str(height), judge.path("resized.raw"))
                    worst = difference(ours, np.asarray(Image.fromarray(decode(judge, path)).resize((width, height), resampling)))
                    assert worst == 0, f"{source.size} to {width}x{height}: {worst} grey levels from Pillow"
            judge.case(f"resize {filter_name} {name}", check)


def judge_random_resizing(judge, count):
    """Sizes from 1 up, enlarged and shrunk, each side by itself, so that both orders of the two passes are met."""
    rng = random.Random(11)
    for seed in range(count):
        def side():
            return rng.choice([1, 2, 3, rng.randint(4, 40), rng.randint(4, 300)])
        source, target = (side(), side()), (side(), side())

        def check(seed=seed, source=source, target=target):
            picture = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (source[1], source[0], 3), np.uint8))
            path = save(judge, picture, "random.png")
            for name, resampling in FILTERS.items():
                ours = read_raw(judge, "resize", path, name, *map(str, target), judge.path("resized.raw"))
                worst = difference(ours, np.asarray(picture.resize(target, resampling)))
                assert worst == 0, f"{name}: {worst} grey levels from Pillow"
        judge.case(f"resize {source[0]}x{source[1]} to {target[0]}x{target[1]}", check)


def judge_plain_resizing(judge):
    def check():
        path = save(judge, smooth(61, 47, 3), "plain.png")
        source = expected(path).astype(float)
        for width, height in [(256, 256), (30, 20), (61, 47), (1, 1)]:
            def axis(size, to):
                at = np.clip((np.arange(to) + 0.5) * size / to - 0.5, 0, size - 1)
                low = np.floor(at).astype(int)
                return low, np.minimum(low + 1, size - 1), at - low
            x0, x1, fx = axis(61, width)
            y0, y1, fy = axis(47, height)
            rows = source[:, x0] * (1 - fx)[None, :, None] + source[:, x1] * fx[None, :, None]
            exact = rows[y0] * (1 - fy)[:, None, None] + rows[y1] * fy[:, None, None]
            ours = read_raw(judge, "resize", path, "plain", str(width), str(height), judge.path("resized.raw"))
            assert np.abs(ours - exact).max() <= 0.5 + 1e-9, f"{width}x{height}: more than the rounding"
    judge.case("resize plain bilinear", check)


def judge_formats(judge):
    picture = smooth(53, 37, 1)
    for mode in ["RGB", "RGBA", "L", "LA", "P", "1"]:
        image = picture.convert(mode)
        if mode == "RGBA":
            image.putalpha(picture.convert("L"))
        judge.case(f"png {mode}", check_equal, judge, save(judge, image, f"{mode}.png"))
    judge.case("png 4-bit palette", check_equal, judge, save(judge, picture.quantize(16), "p4.png", bits=4))
    judge.case("png palette with transparency", check_equal, judge, save(judge, picture.quantize(16), "pt.png", transparency=3))
    for mode in ["RGB", "L", "P"]:
        judge.case(f"bmp {mode}", check_equal, judge, save(judge, picture.convert(mode), f"{mode}.bmp"))
    rgba = picture.convert("RGBA")
    judge.case("bmp 32 bits", check_equal, judge, save(judge, rgba, "rgba.bmp"))
    judge.case("webp lossless", check_equal, judge, save(judge, picture, "lossless.webp", lossless=True))
    rgba.putalpha(picture.convert("L"))
    judge.case("webp alpha", check_equal, judge, save(judge, rgba, "alpha.webp", lossless=True, exact=True))
    judge.case("webp lossy", check_equal, judge, save(judge, picture, "lossy.webp", quality=80), 1)
    judge.case("webp lossy alpha", check_equal, judge, save(judge, rgba, "lossy-alpha.webp", quality=80, exact=True), 1)
    for subsampling in [0, 1, 2]:
        path = save(judge, picture, f"s{subsampling}.jpg", quality=85, subsampling=subsampling)
        judge.case(f"jpeg subsampling {subsampling}", check_equal, judge, path, 1)
    judge.case("jpeg progressive", check_equal, judge, save(judge, picture, "progressive.jpg", progressive=True), 1)
    judge.case("jpeg grey", check_equal, judge, save(judge, picture.convert("L"), "grey.jpg"), 1)
    judge.case("jpeg cmyk", check_equal, judge, save(judge, picture.convert("CMYK"), "cmyk.jpg", quality=95), 1)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(width, height, depth, color, rng, chunks=b""):
    """Random samples; for 16-bit grey, small ones too."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    rows = []
    for _ in range(height):
        row = rng.integers(0, 256, (width * channels * depth + 7) // 8, np.uint8)
        if color == 0 and depth == 16:
            row[::2] *= rng.integers(0, 2, len(row) // 2, np.uint8)
        rows.append(b"\0" + row.tobytes())
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + chunks + png_chunk(b"IDAT", zlib.compress(b"".join(rows))) +
            png_chunk(b"IEND", b""))


def judge_png_kinds(judge):
    """Every colour type and depth, with and without transparency, gamma, and a palette that is too short."""
    rng = np.random.default_rng(3)
    depths = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}
    transparent = {0: struct.pack(">H", 1), 2: struct.pack(">HHH", 1, 2, 3), 3: b"\0\x80"}
    for color in depths:
        for depth in depths[color]:
            palette = png_chunk(b"PLTE", rng.integers(0, 256, 3 << depth, np.uint8).tobytes()) if color == 3 else b""
            kinds = {"": palette, "gamma": png_chunk(b"gAMA", struct.pack(">I", 100000)) + palette}
            if color in transparent:
                kinds["transparency"] = palette + png_chunk(b"tRNS", transparent[color])
            if color == 3 and depth > 1:
                kinds["short palette"] = png_chunk(b"PLTE", rng.integers(0, 256, 9, np.uint8).tobytes())
            for name, chunks in kinds.items():
                path = judge.path(f"kind{color}_{depth}_{name.replace(' ', '_')}.png")
                with open(path, "wb") as file:
                    file.write(make_png(19, 7, depth, color, rng, chunks))
                judge.case(f"png colour type {color}, {depth} bits {name}", check_equal, judge, path)


def make_bmp(width, height, bits, pixels, *, palette=b"", compression=0, masks=(), colors=0, core=False):
    if core:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, colors, 0)
    head += b"".join(struct.pack("<I", mask) for mask in masks) + palette
    return struct.pack("<2sIII", b"BM", 14 + len(head) + len(pixels), 0, 14 + len(head)) + head + pixels


def encode_rle(indices, nibbles):
    """Rows of palette indices as runs, copied stretches, ends of rows, and a row that is skipped."""
    out = b""
    for y, row in enumerate(indices):
        step = 6 if nibbles else 5  # Pillow 12.3.0 loses the last of an odd number of copied nibbles
        for x in range(0, len(row), step):
            part = row[x:x + step].tolist()
            if len(part) == step and (x // step + y) % 2:
                stored = bytes(a << 4 | b for a, b in zip(part[::2], part[1::2])) if nibbles else bytes(part)
                out += bytes([0, len(part)]) + stored + b"\0" * (len(stored) % 2)
            else:
                for index in part:
                    out += bytes([1, index << 4 if nibbles else index])
        out += b"\0\0"
    return out + b"\0\1"


def judge_bmp_kinds(judge):
    rng = np.random.default_rng(4)
    width, height = 19, 7

    def rows(bits):
        stride = (width * bits + 31) // 32 * 4
        return rng.integers(0, 256, stride * height, np.uint8).tobytes()

    def colors(count, size=4):
        return b"".join(rng.integers(0, 256, 3, np.uint8).tobytes() + b"\0" * (size - 3) for _ in range(count))
    files = {f"{bits} bits": make_bmp(width, height, bits, rows(bits), palette=colors(1 << bits)) for bits in [1, 4, 8]}
    files |= {f"{bits} bits": make_bmp(width, height, bits, rows(bits)) for bits in [16, 24, 32]}
    files |= {f"{bits} bits top-down": make_bmp(width, -height, bits, rows(bits)) for bits in [16, 24, 32]}
    files["OS/2 8 bits"] = make_bmp(width, height, 8, rows(8), palette=colors(256, 3), core=True)
    files["OS/2 24 bits"] = make_bmp(width, height, 24, rows(24), core=True)
    files["8 bits, short palette"] = make_bmp(width, height, 8, rows(8), palette=colors(5), colors=5)
    for bits, masks in [(16, (0xf800, 0x7e0, 0x1f)), (16, (0x7c00, 0x3e0, 0x1f)), (32, (0xff0000, 0xff00, 0xff)),
                        (32, (0xff000000, 0xff0000, 0xff00)), (32, (0xff000000, 0xff00, 0xff)), (32, (0, 0, 0))]:
        files[f"{bits} bits, masks {masks[0]:x} {masks[1]:x}"] = make_bmp(width, height, bits, rows(bits), compression=3,
                                                                         masks=masks)
    indices = rng.integers(0, 16, (height, width), np.uint8)
    for bits, compression in [(8, 1), (4, 2)]:
        files[f"RLE{bits}"] = make_bmp(width, height, bits, encode_rle(indices, bits == 4), palette=colors(1 << bits),
                                       compression=compression)
    for name, data in files.items():
        path = judge.path("kind.bmp")

        def check(path=path, data=data):
            with open(path, "wb") as file:
                file.write(data)
            return check_equal(judge, path)
        judge.case(f"bmp {name}", check)


def judge_jpeg_colors(judge):
    """Adobe's marker says what four (and three) components are: its last byte is the transform."""
    picture = smooth(53, 37, 1)
    path = save(judge, picture.convert("CMYK"), "transform.jpg", quality=95)
    with open(path, "rb") as file:
        data = file.read()
    at = data.index(b"Adobe") + 11
    for transform, name in [(0, "CMYK"), (2, "YCCK")]:
        def check(transform=transform):
            with open(path, "wb") as file:
                file.write(data[:at] + bytes([transform]) + data[at + 1:])
            return check_equal(judge, path, 1)
        judge.case(f"jpeg {name} by Adobe's transform {transform}", check)
    judge.case("jpeg RGB", check_equal, judge, save(judge, picture, "rgb.jpg", quality=95, keep_rgb=True), 1)


def judge_xmp(judge):
    """Where EXIF says nothing, XMP's orientation counts."""
    picture = smooth(21, 13, 2)
    for form in ['tiff:Orientation="6"', "<tiff:Orientation>8</tiff:Orientation>"]:
        xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {form}/></x:xmpmeta>'.encode()
        for name, options in [("jpg", {"quality": 95}), ("webp", {"lossless": True})]:
            path = save(judge, picture, f"xmp.{name}", xmp=xmp, **options)
            judge.case(f"xmp {form} {name}", check_equal, judge, path, 1 if name == "jpg" else 0)


def judge_orientations(judge):
    picture = smooth(21, 13, 2)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        for name, options in [("jpg", {"quality": 95}), ("png", {}), ("webp", {"lossless": True})]:
            path = save(judge, picture, f"turned{orientation}.{name}", exif=exif, **options)
            judge.case(f"exif {orientation} {name}", check_equal, judge, path, 1 if name == "jpg" else 0)


def random_case(seed):
    """A data set and predictions with few distinct scores and coordinates, so that ties abound."""
    rng = random.Random(seed)
    categories = [{"id": 3 * k + 2, "name": f"tag{k}"} for k in range(rng.randint(1, 4))]
    images = [{"id": i * 7 + 1, "file_name": f"{i}.jpg", "width": 100, "height": 100} for i in range(rng.randint(1, 30))]
    rng.shuffle(images)
    step = rng.choice([1, 5, 10])

    def box():
        x, y = (rng.randrange(0, 60, step) for _ in range(2))
        return [x, y, rng.randrange(step, 41, step), rng.randrange(step, 41, step)]
    annotations, predictions = [], []
    for image in images:
        for _ in range(rng.choice([0, 0, 1, 2, 5])):
            b = box()
            annotations.append({"id": len(annotations) + 1, "image_id": image["id"], "category_id": rng.choice(categories)["id"],
                                "bbox": b, "area": b[2] * b[3] * rng.choice([1, 0.5]), "iscrowd": int(rng.random() < 0.15)})
    levels = rng.choice([3, 20, 1000])
    for image in images:
        truths = [a for a in annotations if a["image_id"] == image["id"]]
        for _ in range(rng.choice([0, 1, 4, 150 if seed % 10 == 0 else 8])):
            b, category = box(), rng.choice(categories)["id"]
            if truths and rng.random() < 0.7:
                truth = rng.choice(truths)
                b = [v + rng.choice([0, 0, step, -step]) for v in truth["bbox"]]
                b[2], b[3] = max(b[2], 1), max(b[3], 1)
                category = truth["category_id"]
            predictions.append({"image_id": image["id"], "category_id": category, "bbox": b, "score": rng.randint(1, levels) / levels})
    rng.shuffle(predictions)
    return {"images": images, "annotations": annotations, "categories": categories}, predictions


def odd_case(seed):
    """A file as tools write them, with predictions; and the same for pycocotools, without what it refuses or misreads.
    returns: data, predictions, plain data, plain predictions."""
    rng = random.Random(1000 + seed)
    texts = rng.random() < 0.3
    floats = rng.random() < 0.3

    def image_id(i):
        return f"img_{i:03d}" if texts else i * 3

    def written(number):
        return float(number) if floats and not isinstance(number, str) else number
    categories = [{"id": k, "name": f"tag{k}"} for k in rng.sample(range(0, 40), rng.randint(1, 4))]
    images = [{"id": image_id(i), "file_name": f"{i}.jpg"} for i in range(1, rng.randint(2, 25))]
    for image in images:
        width, height = rng.choice([(100, 80), (80, 100), (64, 64)])  # whatever: pycocotools never looks at it
        if rng.random() < 0.8:
            image.update(width=written(width), height=written(height))
    rng.shuffle(images)

    def box():
        return [rng.randrange(-30, 100, 5), rng.randrange(-30, 100, 5), rng.choice([0, -5, 5, 10, 20, 40, 60]) if rng.random() < 0.1
                else rng.randrange(5, 61, 5), rng.randrange(5, 61, 5)]
    annotations, plain = [], []
    for image in images:
        for _ in range(rng.choice([0, 1, 2, 5])):
            b = box()
            one = {"id": rng.randint(0, 30), "image_id": image["id"], "category_id": rng.choice(categories)["id"], "bbox": b}
            clean = dict(one, id=len(plain) + 1, area=b[2] * b[3], iscrowd=0)
            if rng.random() < 0.5:
                one["area"] = clean["area"] = rng.choice([b[2] * b[3], 7.5, 1e11, -1])
            if rng.random() < 0.5:
                one["iscrowd"] = rng.choice([0, 1, True, False, 1.0])
                clean["iscrowd"] = int(one["iscrowd"])
            if rng.random() < 0.2:
                one["ignore"] = clean["ignore"] = 1
            if rng.random() < 0.1:
                del one["id"]
            one["category_id"] = written(one["category_id"])
            annotations.append(one)
            plain.append(clean)
    annotations += [{"id": 900, "image_id": "nowhere", "category_id": categories[0]["id"], "bbox": [1, 1, 5, 5]},
                    {"id": 901, "image_id": images[0]["id"], "category_id": 77, "bbox": [1, 1, 5, 5]},
                    {"id": 902, "image_id": images[0]["id"], "category_id": categories[0]["id"], "bbox": None}][:rng.randint(0, 3)]
    predictions, plain_predictions = [], []
    for image in images:
        truths = [a for a in plain if a["image_id"] == image["id"]]
        for _ in range(rng.choice([0, 1, 4, 120 if seed % 10 == 0 else 8])):
            b, category = box(), rng.choice(categories)["id"]
            if truths and rng.random() < 0.8:
                truth = rng.choice(truths)
                b = [v + rng.choice([0, 0, 5, -5]) for v in truth["bbox"]]
                category = truth["category_id"]
            score = rng.choice([0, 0.001, 0.004, rng.randint(1, 20) / 20])
            plain_predictions.append({"image_id": image["id"], "category_id": category, "bbox": b, "score": score})
            predictions.append(dict(plain_predictions[-1], image_id=written(image["id"]), category_id=written(category)))
    if predictions and rng.random() < 0.3:
        predictions.append({"image_id": "elsewhere", "category_id": categories[0]["id"], "bbox": [1, 1, 5, 5], "score": 0.5})
    odd_images = [dict(image, id=written(image["id"])) for image in images]
    if rng.random() < 0.2:
        odd_images.append(odd_images[0])
    return ({"images": odd_images, "annotations": annotations, "categories": categories}, predictions,
            {"images": images, "annotations": plain, "categories": categories}, plain_predictions)


def coco_scores(data_path, predictions_path):
    """returns: [(ap, ap50)] of the categories by ascending id, and their mean, -1 where there is no truth."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(data_path)
        evaluation = COCOeval(truth, truth.loadRes(predictions_path), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [overlap, recall, category], area all, 100 detections

    def mean(values):
        return float(np.mean(values[values > -1])) if (values > -1).any() else -1.0
    tags = [(mean(precision[:, :, k]), mean(precision[0, :, k])) for k in range(precision.shape[2])]
    return tags, (mean(precision), mean(precision[0]))


def check_average_precision(judge, data_path, predictions_path, plain=None):
    """plain: data and predictions as pycocotools takes them, where it refuses or misreads the others."""
    tags, mean = coco_scores(*(plain or (data_path, predictions_path)))
    lines = [line.rsplit(" ", 5) for line in judge.run("score", data_path, predictions_path).splitlines()]
    worst = max(abs(float(ours) - theirs) for ours, theirs in zip(lines[0][-2:], mean))
    assert len(lines) == 1 + len(tags), f"{len(lines) - 1} tags, expected {len(tags)}"
    for line, tag in zip(lines[1:], tags):
        worst = max(worst, *(abs(float(line[1 + i]) - tag[i]) for i in range(2)))
    assert worst <= 1e-9, f"{worst} from pycocotools"
    return worst


def write_json(judge, name, value):
    path = judge.path(name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)
    return path


def judge_odd_files(judge, count):
    worst = []
    for seed in range(count):
        data, predictions, plain, plain_predictions = odd_case(seed)
        if not plain_predictions:
            continue
        paths = [write_json(judge, name, value) for name, value in
                 [("odd.json", data), ("odd-predictions.json", predictions), ("plain.json", plain),
                  ("plain-predictions.json", plain_predictions)]]
        worst.append(judge.case(f"odd file, seed {seed}", check_average_precision, judge, paths[0], paths[1], paths[2:]))
    print("largest difference to pycocotools on odd files:", max((w for w in worst if w is not None), default="none"))


def judge_coco_cases(judge):
    """The cases that were told of; VoTT's says the same as base.json."""
    folder = os.path.join(judge.shared, "cases", "coco")
    for name, predictions in [("base", "pred"), ("swapped", "pred"), ("exceed", "exceed_pred"), ("exceed", "pred"), ("outside", "pred"),
                              ("orphan", "pred"), ("strid", "strid_pred"), ("dupann", "pred"), ("v_v2", "pred")]:
        paths = [os.path.join(folder, f"{file}.json") for file in (name, predictions)]
        plain = None
        if name == "dupann":  # ids that are there twice: pycocotools looks annotations up by them and loses one
            with open(paths[0], encoding="utf-8") as file:
                data = json.load(file)
            for i, annotation in enumerate(data["annotations"]):
                annotation["id"] = i + 1
            plain = write_json(judge, "renumbered.json", data), paths[1]
        if name == "v_v2":
            plain = os.path.join(folder, "base.json"), paths[1]
        judge.case(f"case {name} {predictions}", check_average_precision, judge, *paths, plain)


def judge_average_precision(judge, count):
    worst = []
    for seed in range(count):
        data, predictions = random_case(seed)
        if not predictions:
            continue
        paths = judge.path("case.json"), judge.path("case-predictions.json")
        for path, value in zip(paths, (data, predictions)):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(value, file)
        worst.append(judge.case(f"average precision, seed {seed}", check_average_precision, judge, *paths))
    print("largest difference to pycocotools:", max((w for w in worst if w is not None), default="none"))


def main():
    judge = Judge(__doc__)
    pictures = [save(judge, smooth(*size, 5), f"source{size[0]}x{size[1]}.png") for size in [(64, 48), (97, 31), (1, 9), (500, 375)]]
    if judge.shared:
        folder = os.path.join(judge.shared, "data", "pets", "images")
        photographs = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        pictures += photographs[:5]
        worst = [judge.case(f"photograph {os.path.basename(path)}", check_equal, judge, path, 1) for path in photographs]
        print("largest difference of a photograph to Pillow:", max((w for w in worst if w is not None), default="none"), "grey levels")
    judge_resizing(judge, pictures)
    judge_random_resizing(judge, 100)
    judge_plain_resizing(judge)
    judge_formats(judge)
    judge_png_kinds(judge)
    judge_bmp_kinds(judge)
    judge_jpeg_colors(judge)
    judge_xmp(judge)
    judge_orientations(judge)
    judge_average_precision(judge, 200)
    judge_odd_files(judge, 150)
    if judge.shared:
        judge_coco_cases(judge)
    judge.close()


if __name__ == "__main__":
    main()
