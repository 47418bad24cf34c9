#!/usr/bin/env python3
"""Judges Teachable Machine's exports with no option given: labels, the range of pixels and the first class, against LiteRT.

    check_teachable_machine.py --tool build/dev/visionpress

The networks are made in its layout by Keras: a convolution, the mean of each channel, two matrices, the second without a bias. Their answer
depends on the range: a picture that is darker than the middle grey is class 0, a brighter one class 1.
"""
import json
import os
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from judge import Judge

SIZE = 224


def make_network(names):
    keras = tf.keras
    features = keras.Sequential([keras.layers.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(4, 3, strides=4, use_bias=False), keras.layers.GlobalAveragePooling2D()])
    head = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(100, name=names[0]), keras.layers.Dense(2, use_bias=False, activation="softmax", name=names[1])])
    features.layers[0].set_weights([np.full((3, 3, 3, 4), 1 / 27, np.float32)])
    head.layers[0].set_weights([np.eye(4, 100, dtype=np.float32), np.zeros(100, np.float32)])
    last = np.zeros((100, 2), np.float32)
    last[:4, 0], last[:4, 1] = -2, 2
    head.layers[1].set_weights([last])
    return keras.Sequential([keras.layers.Input((SIZE, SIZE, 3), name="sequential_1_input"), features, head])


def write_float(judge, names):
    converter = tf.lite.TFLiteConverter.from_keras_model(make_network(names))
    path = judge.path(f"{names[0]}.tflite")
    with open(path, "wb") as file:
        file.write(converter.convert())
    return path


def make_pictures(judge):
    """Dark and bright ones, wider than high, so that the cut to the centre counts: their sides are of the other kind."""
    paths = []
    for number, (middle, side) in enumerate([(60, 255), (100, 255), (150, 0), (220, 0)]):
        pixels = np.full((240, 480, 3), side, np.uint8)
        pixels[:, 120:360] = middle
        paths.append(judge.path(f"picture-{number}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths


def run_litert(model, picture):
    image = Image.open(picture).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.BILINEAR), np.float32)
    interpreter = Interpreter(model)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None] / 127.5 - 1)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def check(judge, given, model, pictures):
    for picture in pictures:
        right = run_litert(model, picture)
        found = json.loads(judge.run("predict", given, picture, "--json", "--quiet"))
        best = found["images"][0]["predictions"][0] if "images" in found else found[0]["predictions"][0]
        name = best.get("tag", best.get("label"))
        assert name == ["Cat", "Dog"][int(np.argmax(right))], f"{picture}: {name}, LiteRT {right}"
        score = best.get("probability", best.get("score"))
        assert abs(score - right.max()) < 1e-3, f"{picture}: {score}, LiteRT {right.max()}"


def write_zip(judge, name, entries):
    path = judge.path(name)
    with zipfile.ZipFile(path, "w") as archive:
        for entry, source in entries.items():
            archive.write(source, entry)
    return path


def main():
    judge = Judge(__doc__)
    pictures = make_pictures(judge)
    labels = judge.path("labels.txt")
    with open(labels, "w") as file:
        file.write("0 Cat\n1 Dog\n")
    plain, named = write_float(judge, ("matrix_a", "matrix_b")), write_float(judge, ("dense_Dense1", "dense_Dense2"))
    judge.case("zip", check, judge, write_zip(judge, "converted_tflite.zip", {"model_unquant.tflite": plain, "labels.txt": labels}), plain, pictures)
    judge.case("zip, renamed", check, judge, write_zip(judge, "pets.zip", {"model_unquant.tflite": plain, "labels.txt": labels}), plain, pictures)
    judge.case("layers alone", check, judge, write_zip(judge, "other.zip", {"pets.tflite": named, "labels.txt": labels}), named, pictures)
    folder = judge.path("folder")
    os.mkdir(folder)
    for name, source in {"model_unquant.tflite": plain, "labels.txt": labels}.items():
        with open(source, "rb") as file, open(os.path.join(folder, name), "wb") as copy:
            copy.write(file.read())
    judge.case("file beside its labels", check, judge, os.path.join(folder, "model_unquant.tflite"), plain, pictures)
    judge.close()


if __name__ == "__main__":
    main()
