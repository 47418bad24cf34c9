#!/usr/bin/env python3
"""Judges files whose codes pictures chose (`compress --calibrate`, `fit`), with coremltools and LiteRT.

    check_few_bits.py --tool build/release/visionpress [--shared DIR]

Core ML: coremltools opens each file and decodes the same weights as we do; with its decoded weights in their place our runner gives the
same outputs. TFLite: LiteRT gives our outputs, to the last bit where every layer is hybrid.
"""
import os

import numpy as np

from check_coreml import check_maker_decodes, check_opens, check_rules, decode, element_count, find_weights, network, payload_of
from check_tflite import FLIPPED_CODE, check_outputs
from judge import DEMO, Judge, demo_image

FORMS = ("linear-4", "linear-2", "palette-3")
DECODED_TOLERANCE = 1e-5  # of the largest output; float32 sums, and a code times its scale rounds once more


def decode_all(judge, spec, path):
    """Writes the file with coremltools' decoded floats in place of codes."""
    import coremltools

    for layer in network(spec).layers:
        for name, weight in find_weights(layer):
            if payload_of(weight) != "rawValue":
                continue
            parameters = getattr(layer, layer.WhichOneof("layer"))
            count = parameters.outputChannels * (parameters.kernelChannels * int(np.prod(list(parameters.kernelSize) or [3, 3]))
                                                 if layer.WhichOneof("layer") == "convolution" else parameters.inputChannels)
            assert name.endswith("weights"), f"layer \"{layer.name}\" {name} has codes"
            values, _ = decode(weight, count)
            weight.Clear()
            weight.floatValue.extend(values.astype(np.float32))
            assert element_count(weight) == count
    coremltools.utils.save_spec(spec, path)
    return path


def check_same_run(judge, written, image):
    floats = decode_all(judge, check_opens(written), judge.path("decoded.mlmodel"))
    ours, decoded = (np.load(judge.raw(path, image)[1]) for path in (written, floats))
    assert np.ptp(ours) > 0 and np.isfinite(ours).all(), "the output is constant or not finite"
    worst = float(np.max(np.abs(ours - decoded)) / np.max(np.abs(decoded)))
    assert worst <= DECODED_TOLERANCE, f"outputs differ by {worst:.3g} of the largest, {DECODED_TOLERANCE} are allowed"


def judge_coreml(judge, label, written, image):
    spec = judge.case(f"{label}: coremltools opens it", check_opens, written)
    if spec is None:
        return
    judge.case(f"{label}: Core ML's rules", check_rules, spec)
    judge.case(f"{label}: coremltools decodes the same weights", check_maker_decodes, spec)
    judge.case(f"{label}: runs as with coremltools' weights", check_same_run, judge, written, image)


def judge_tflite(judge, label, written, image, exact):
    for builtin in (False, True):
        judge.case(f"{label}: {'builtin' if builtin else 'default'} kernels", check_outputs, judge, written, image, builtin, 0 if exact else FLIPPED_CODE)


def fit(judge, model, *options):
    out = judge.path(f"fit-{len(os.listdir(judge.folder))}{os.path.splitext(model)[1]}")
    judge.run("fit", model, "-o", out, "--candidates", "3", *options)
    return out


def judge_model(judge, label, model, pictures, image, fit_options):
    is_coreml = model.endswith(".mlmodel")
    for form in FORMS:
        if not judge.wants(f"{label} {form}") or (form.startswith("palette") and not is_coreml):
            continue
        options = [] if is_coreml else ["--min-elements", "0"]
        written = judge.case(f"{label} {form}: compress", judge.compress, model, "-w", form, "--calibrate", pictures, "--calibration-images", "8", *options)
        if written is None:
            continue
        if is_coreml:
            judge_coreml(judge, f"{label} {form}", written, image)
        else:
            judge_tflite(judge, f"{label} {form}", written, image, True)
        os.remove(written)
    if fit_options and judge.wants(f"{label} fit"):
        written = judge.case(f"{label} fit", fit, judge, model, "--calibration-images", "8", *fit_options)
        if written and is_coreml:
            judge_coreml(judge, f"{label} fit", written, image)
        elif written:
            judge_tflite(judge, f"{label} fit", written, image, False)


def main():
    judge = Judge(__doc__)
    data = ["--data", os.path.join(DEMO, "annotations.json")]
    for kind, limit in (("mlmodel", ["--max-size", "60kB"]), ("tflite", ["--max-download", "100kB"])):
        judge_model(judge, f"demo {kind}", os.path.join(DEMO, "model", f"model.{kind}"), os.path.join(DEMO, "images"), demo_image(3), limit + data)
    if judge.shared:
        pets = os.path.join(judge.shared, "data", "pets", "images")
        photo = os.path.join(pets, sorted(os.listdir(pets))[1])
        models = os.path.join(judge.shared, "models")
        for name in ("custom-vision/fruit.mlmodel", "custom-vision/fruit.tflite", "custom-vision/currency.mlmodel"):
            judge_model(judge, name, os.path.join(models, name), pets, photo, None)
    judge.close()


if __name__ == "__main__":
    main()
