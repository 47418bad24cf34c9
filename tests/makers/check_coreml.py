#!/usr/bin/env python3
"""Judges the Core ML files that `visionpress compress` writes, with coremltools.

    check_coreml.py --tool build/release/visionpress [--shared DIR]

coremltools opens each file and decodes the same weights as we do, each within half a step of the original's; the rules of
Core ML's own validator hold, which no tool checks off macOS; what is not a weight is untouched.
source of the rules: coremltools mlmodel/src/Validation/NeuralNetworkValidator.cpp, QuantizationValidationUtils.hpp
"""
import json
import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.disable(logging.WARNING)  # coremltools warns of the parts that exist on macOS only

import coremltools
import numpy as np
from coremltools.models import MLModel
from coremltools.models.neural_network import quantization_utils

from check_coreml_layers import convolve, same_amounts
from judge import DEMO, Judge, demo_image, judge_noise

SMALLEST = 1024  # elements of a weight that 8 bits applies to
PAYLOADS = ("floatValue", "float16Value", "rawValue", "int8RawValue")
# Version of the specification from which a file may hold such weights.
NEEDS_VERSION = {"floatValue": 1, "float16Value": 2, "rawValue": 3}
MAY_QUANTIZE = {"convolution", "innerProduct", "embedding", "embeddingND", "batchnorm", "scale", "bias", "loadConstant", "loadConstantND",
                "simpleRecurrent", "gru", "uniDirectionalLSTM", "biDirectionalLSTM", "batchedMatmul"}
VARIANTS = [("fp16", ["-w", "fp16"]), ("linear-8", ["-w", "linear-8"]), ("linear-8-tensor", ["-w", "linear-8-tensor"]),
            ("linear-8, every weight", ["-w", "linear-8", "--min-elements", "0", "--quantize-biases"])]
# Few bits, the same for every kernel.
VARIANTS += [(name, ["-w", name, "--no-default-keep"]) for name in ("linear-7", "linear-4", "linear-3", "linear-1", "palette-8", "palette-5", "palette-1")]


def network(spec):
    return getattr(spec, spec.WhichOneof("Type"))


def find_weights(message, path=""):
    """Yields (path, WeightParams) of every weight inside a message, in field order."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        repeated = not hasattr(value, "ListFields")
        for index, part in enumerate(value if repeated else [value]):
            name = f"{path}.{field.name}" + (f"[{index}]" if repeated else "")
            if field.message_type.name == "WeightParams":
                yield name, part
            else:
                yield from find_weights(part, name)


def payload_of(weight):
    present = [name for name in PAYLOADS if len(getattr(weight, name))]
    assert len(present) == 1, f"payloads {present}, one is allowed"
    return present[0]


def decode(weight, count):
    """returns: (values in float64, step of each value or None), both flat."""
    kind = payload_of(weight)
    if kind == "floatValue":
        return np.asarray(weight.floatValue, np.float32).astype(np.float64), None
    if kind == "float16Value":
        return np.frombuffer(weight.float16Value, np.float16).astype(np.float64), None
    bits = weight.quantization.numberOfBits
    assert 1 <= bits <= 8, f"{bits} bits"
    assert len(weight.rawValue) == -(-bits * count // 8), f"{len(weight.rawValue)} bytes for {count} codes of {bits} bits"
    stream = np.unpackbits(np.frombuffer(weight.rawValue, np.uint8))[:count * bits].reshape(count, bits)
    codes = stream.astype(int) @ (1 << np.arange(bits)[::-1])
    if weight.quantization.WhichOneof("QuantizationType") == "lookupTableQuantization":
        return np.asarray(weight.quantization.lookupTableQuantization.floatValue, np.float64)[codes], None
    linear = weight.quantization.linearQuantization
    scale, bias = np.asarray(linear.scale, np.float64), np.asarray(linear.bias, np.float64)
    each = count // len(scale)
    step = np.repeat(scale, each)
    return codes * step + (np.repeat(bias, each) if len(bias) else 0.0), step


def kernel_count(layer, path):
    """returns: scales that are allowed beside one; 1 for biases and other vectors."""
    kind = layer.WhichOneof("layer")
    if not path.endswith("weights"):
        return 1
    params = getattr(layer, kind)
    return getattr(params, "outputChannels", getattr(params, "weightMatrixSecondDimension", 1))


def check_rules(spec):
    """What Core ML's validator asks of weights."""
    highest = 1
    for layer in network(spec).layers:
        kind = layer.WhichOneof("layer")
        kinds = {}
        for path, weight in find_weights(layer):
            name = f"layer \"{layer.name}\" {path}"
            payload = payload_of(weight)
            assert payload in NEEDS_VERSION, f"{name} has {payload}"
            highest = max(highest, NEEDS_VERSION[payload])
            kinds[path] = payload
            if payload != "rawValue":
                assert not weight.HasField("quantization"), f"{name} is {payload} and quantized"
                continue
            assert kind in MAY_QUANTIZE, f"{name} is quantized, which a {kind} layer cannot be"
            assert not weight.isUpdatable, f"{name} is updatable and quantized"
            linear = weight.quantization.linearQuantization
            if weight.quantization.WhichOneof("QuantizationType") == "linearQuantization":
                allowed = {1, kernel_count(layer, path)}
                assert len(linear.scale) in allowed, f"{name} has {len(linear.scale)} scales, allowed are {sorted(allowed)}"
                assert len(linear.bias) in (0, len(linear.scale)), f"{name} has {len(linear.bias)} biases, {len(linear.scale)} scales"
                assert np.isfinite(linear.scale).all() and np.isfinite(linear.bias).all(), f"{name} has scales that are not finite"
            else:
                entries = len(weight.quantization.lookupTableQuantization.floatValue)
                assert entries == 1 << weight.quantization.numberOfBits, f"{name} has a table of {entries}"
        floats = {payload for payload in kinds.values() if payload != "rawValue"}
        assert len(floats) <= 1 or kind not in MAY_QUANTIZE, f"layer \"{layer.name}\" mixes float and half weights: {kinds}"
    assert spec.specificationVersion >= highest, f"specification {spec.specificationVersion}, the weights need {highest}"


def element_count(weight):
    kind = payload_of(weight)
    if kind == "floatValue":
        return len(weight.floatValue)
    if kind == "float16Value":
        return len(weight.float16Value) // 2
    return None


def check_levels(name, weight, values, original, bits):
    """Every value is the nearest entry of the table, or one of the two levels beside it. With levels, the errors of a channel cancel to half a
    step or better than those of the nearest ones would, and no channel's levels are worse than such from its least to its largest value."""
    if weight.quantization.WhichOneof("QuantizationType") == "lookupTableQuantization":
        table = np.sort(np.asarray(weight.quantization.lookupTableQuantization.floatValue, np.float64))
        nearest = np.min(np.abs(original[:, None] - table), axis=1)
        slack = 2.0 ** -10 * np.abs(original) + 1e-7  # values are rounded to 11 bits before the nearest is chosen
        assert np.all(np.abs(values - original) <= nearest + slack), f"{name}: a value has not the nearest entry of the table"
        return
    linear = weight.quantization.linearQuantization
    channels = len(linear.scale)
    scale, bias = np.asarray(linear.scale, np.float64)[:, None], np.asarray(linear.bias, np.float64)[:, None]
    given, found = original.reshape(channels, -1), values.reshape(channels, -1)
    most = 2 ** bits - 1
    inside = np.clip(given, bias, bias + most * scale)
    slack = 1e-6 * np.abs(original).max()  # scale and offset are float32
    assert np.all(np.abs(found - inside) <= scale + slack), f"{name}: a value has no level beside it"
    nearest = bias + np.round((inside - bias) / np.where(scale > 0, scale, 1.0)) * scale
    ours, theirs = (float(np.sum(np.sum(which - given, axis=1) ** 2)) for which in (found, nearest))
    # Two levels with an offset fit the mean of a channel: there, nearest values cancel by themselves.
    assert bits == 1 or ours <= theirs * (1 + 1e-4) + float(np.sum((scale / 2 + slack) ** 2)), f"{name}: errors of a channel add up to {ours:.3g}, those of nearest levels to {theirs:.3g}"
    least, span = given.min(1, keepdims=True), np.ptp(given, axis=1, keepdims=True)
    step = np.where(span > 0, span / most, 1.0)
    plain = np.sum((np.round((given - least) / step) * step + least - given) ** 2, axis=1)
    noise = np.sum((nearest - given) ** 2, axis=1)
    assert np.all(noise <= plain * (1 + 1e-5) + slack ** 2), f"{name}: a channel is worse than with levels from end to end"


def check_weights(before, after, scheme, everything):
    """Every weight of the original against the written one; then that nothing else changed."""
    changed = 0
    for old_layer, new_layer in zip(network(before).layers, network(after).layers):
        for (path, old), (new_path, new) in zip(find_weights(old_layer), find_weights(new_layer)):
            name = f"layer \"{old_layer.name}\" {path}"
            assert path == new_path, f"{name} became {new_path}"
            if payload_of(old) != "floatValue" or old_layer.WhichOneof("layer") == "custom":  # whose code alone knows what it can read
                assert old.SerializeToString(deterministic=True) == new.SerializeToString(deterministic=True), f"{name} was to stay as it is"
                continue
            count = element_count(old)
            original, _ = decode(old, count)
            kind = payload_of(new)
            values, step = decode(new, count)
            assert len(values) == count, f"{name} has {len(values)} values, had {count}"
            changed += kind != "floatValue"
            if scheme == "fp16":
                assert kind == "float16Value", f"{name} is no float16"
                halves = np.clip(original.astype(np.float32), -65504, 65504).astype(np.float16)
                assert np.array_equal(values, halves.astype(np.float64)), f"{name} differs from the nearest halves"
            elif kind == "rawValue" and not scheme.startswith("linear-8"):
                family, bits = scheme.split("-")
                assert new.quantization.numberOfBits == int(bits), f"{name} has {new.quantization.numberOfBits} bits"
                form = {"linear": "linearQuantization", "palette": "lookupTableQuantization"}[family]
                assert new.quantization.WhichOneof("QuantizationType") == form, f"{name} is no {family}"
                check_levels(name, new, values, original, int(bits))
            elif kind == "rawValue":
                assert new.quantization.numberOfBits == 8, f"{name} has {new.quantization.numberOfBits} bits"
                assert everything or count >= SMALLEST, f"{name} has {count} elements and was to stay float"
                assert "tensor" not in scheme or len(new.quantization.linearQuantization.scale) == 1, f"{name} has more than one scale"
                slack = 1e-6 * np.abs(original).max()  # scale and offset are float32
                worst = np.max(np.abs(values - original) - slack - step / 2)
                assert worst <= 0, f"{name} is off by more than half a step"
            else:
                is_kernel = path.endswith("weights") and old_layer.WhichOneof("layer") in ("convolution", "innerProduct")
                assert count < SMALLEST or not is_kernel, f"{name} has {count} elements and stayed float"
                assert np.array_equal(values, original), f"{name} was to stay as it is"
    assert changed > 0, "no weight was changed"
    for spec in (before, after):
        for layer in network(spec).layers:
            for _, weight in find_weights(layer):
                weight.Clear()
        spec.specificationVersion = 1
    assert before.SerializeToString(deterministic=True) == after.SerializeToString(deterministic=True), "something beside the weights changed"


def check_maker_decodes(spec):
    """coremltools' own decoder against ours, on every linear or lookup weight of convolutions and inner products."""
    seen = 0
    for layer in network(spec).layers:
        kind = layer.WhichOneof("layer")
        if kind not in ("convolution", "innerProduct"):
            continue
        parameters = getattr(layer, kind)
        weight = parameters.weights
        if payload_of(weight) != "rawValue":
            continue
        channels = parameters.outputChannels
        count = len(weight.rawValue) * 8 // weight.quantization.numberOfBits
        if kind == "convolution":
            size = list(parameters.kernelSize) or [3, 3]
            shape = [channels, parameters.kernelChannels, *size]
            if parameters.isDeconvolution:
                continue  # channels on the second axis
        else:
            shape = [channels, parameters.inputChannels]
        ours, _ = decode(weight, int(np.prod(shape)))
        assert 0 <= count - np.prod(shape) < 8, f"layer \"{layer.name}\": {count} codes for shape {shape}"
        copy = type(weight)()
        copy.CopyFrom(weight)
        linear = copy.quantization.linearQuantization
        if copy.quantization.WhichOneof("QuantizationType") == "linearQuantization":
            for part in (linear.scale, linear.bias):  # its decoder wants both written out, one a channel
                each = list(part) or [0.0]
                part[:] = each * (channels // len(each))
        quantization_utils._dequantize_wp(copy, shape)  # pylint: disable=protected-access
        theirs = np.asarray(copy.floatValue, np.float64)
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-6 * np.abs(theirs).max()), f"layer \"{layer.name}\": coremltools decodes other weights"
        seen += 1
    assert seen > 0, "no quantized kernel"


def check_opens(path):
    MLModel(path, skip_model_load=True)
    return coremltools.utils.load_spec(path)


def check_identical_exports():
    """The demo's two files hold the same weights."""
    from check_tflite import File

    spec = check_opens(os.path.join(DEMO, "model", "model.mlmodel"))
    lite = File(os.path.join(DEMO, "model", "model.tflite"))
    kernels = [lite.stored(operator.inputs[1])[1] for operator in lite.operators if len(operator.inputs) == 3]
    biases = [lite.stored(operator.inputs[2])[1] for operator in lite.operators if len(operator.inputs) == 3]
    layers = [layer.convolution for layer in network(spec).layers if layer.WhichOneof("layer") == "convolution"]
    assert len(layers) == len(kernels) == 9, f"{len(layers)} and {len(kernels)} convolutions"
    for number, (layer, kernel, bias) in enumerate(zip(layers, kernels, biases)):
        ours = np.asarray(layer.weights.floatValue, np.float32).reshape(kernel.transpose(0, 3, 1, 2).shape)
        assert np.array_equal(ours, kernel.transpose(0, 3, 1, 2)), f"convolution {number} differs"
        assert np.array_equal(np.asarray(layer.bias.floatValue, np.float32), bias), f"bias {number} differs"


def check_twin(judge, model, image):
    """Our run of the Core ML file against LiteRT's of the TFLite file with the same weights, on one input."""
    from check_tflite import FLOAT_TOLERANCE, run_litert

    given, ours = judge.raw(model, image)
    theirs = run_litert(os.path.splitext(model)[0] + ".tflite", np.load(given).transpose(0, 2, 3, 1).copy(), builtin=False)
    worst = float(np.max(np.abs(np.load(ours).reshape(theirs.transpose(0, 3, 1, 2).shape) - theirs.transpose(0, 3, 1, 2))))
    assert worst <= FLOAT_TOLERANCE, f"outputs differ by {worst:.3g}, allowed are {FLOAT_TOLERANCE}"


def judge_model(judge, label, model, images=()):
    """images: given for a detector that has a TFLite file of the same weights beside it; its outputs are judged too."""
    for image in images if judge.wants(f"{label} as exported") else ():
        judge.case(f"{label} as exported: runs as LiteRT runs its twin, {os.path.basename(image)}", check_twin, judge, model, image)
    for name, options in VARIANTS:
        if not judge.wants(f"{label} {name}"):
            continue
        written = judge.case(f"{label} {name}: compress", judge.compress, model, *options)
        spec = written and judge.case(f"{label} {name}: coremltools opens it", check_opens, written)
        if spec is None:
            continue
        judge.case(f"{label} {name}: Core ML's rules", check_rules, spec)
        if name != "fp16":
            judge.case(f"{label} {name}: coremltools decodes the same weights", check_maker_decodes, spec)
        judge.case(f"{label} {name}: weights", check_weights, check_opens(model), spec, name, "every" in name)
        os.remove(written)


def run_layers(spec, x):
    """NumPy's result of a network of a few kinds of layer. x: [1,C,H,W]"""
    blobs = {spec.description.input[0].name: x.astype(np.float64)}
    for layer in network(spec).layers:
        kind = layer.WhichOneof("layer")
        params, inputs = getattr(layer, kind), [blobs[name] for name in layer.input]
        if kind == "convolution":
            kernel, stride, dilation = (list(field) or default for field, default in ((params.kernelSize, [3, 3]), (params.stride, [1, 1]), (params.dilationFactor, [1, 1])))
            w = np.reshape(params.weights.floatValue, (params.outputChannels, params.kernelChannels, *kernel))
            pads = [same_amounts(inputs[0].shape[2 + a], (kernel[a] - 1) * dilation[a] + 1, stride[a], "BOTTOM_RIGHT_HEAVY") for a in range(2)]
            assert params.WhichOneof("ConvolutionPaddingType") == "same" and not params.isDeconvolution
            y = convolve(inputs[0], w, stride, dilation, pads, max(1, params.nGroups)) + np.reshape(params.bias.floatValue, (-1, 1, 1))
        elif kind == "pooling":
            y = np.sqrt((inputs[0].reshape(*inputs[0].shape[:2], inputs[0].shape[2] // 2, 2, inputs[0].shape[3] // 2, 2)**2).sum((3, 5)))
        elif kind == "activation":
            assert params.WhichOneof("NonlinearityType") == "ReLU"
            y = np.maximum(inputs[0], 0)
        elif kind == "multiply":
            y = inputs[0] * params.alpha
        elif kind == "loadConstantND":
            y = np.reshape(params.data.floatValue, list(params.shape))
        elif kind == "transpose":
            y = inputs[0].transpose(list(params.axes))
        elif kind == "reduceMean":
            y = inputs[0].mean(tuple(params.axes), keepdims=params.keepDims)
        elif kind == "batchedMatmul":
            w = np.reshape(params.weights.floatValue, (params.weightMatrixSecondDimension, params.weightMatrixFirstDimension))
            y = inputs[0] @ w.T + (np.asarray(params.bias.floatValue) if params.hasBias else 0)
        else:
            y = {"multiplyBroadcastable": np.multiply, "addBroadcastable": np.add, "maxBroadcastable": np.maximum, "minBroadcastable": np.minimum}[kind](*inputs)
        blobs[layer.output[0]] = y
    return blobs[spec.description.output[0].name]


CASE_TOLERANCE = 1e-5  # of the largest value; float32 sums


def check_case(judge, model, picture, expected):
    """Our run of a public report's file against NumPy, and against the right values that lie beside it."""
    given, ours = (np.load(path) for path in judge.raw(model, picture))
    right = run_layers(check_opens(model), given)
    rights = [right] + ([np.load(expected)] if os.path.exists(expected) else [])
    for right in rights:
        rel = np.abs(ours.reshape(right.shape) - right).max() / np.abs(right).max()
        assert rel <= CASE_TOLERANCE, f"differs by {rel:.3g} of the largest value, {CASE_TOLERANCE} are allowed"


def check_kept_promise(judge, model, scheme, weights):
    """`inspect` names as many weights of a scheme as `compress` then changes; coremltools opens the file."""
    promised = judge.run("inspect", model, "--json")
    fits = [fit for fit in json.loads(promised)["schemes"] if fit["name"] == scheme]
    written = check_opens(judge.compress(model, "-w", scheme))
    check_rules(written)
    changed = sum(payload_of(w) == "rawValue" for layer in network(written).layers for _, w in find_weights(layer))
    assert changed == fits[0]["weights"] == weights, f"{changed} weights changed, inspect says {fits[0]['weights']}, {weights} are right"


def check_sizes(judge, model, picture):
    assert "16..x16..64" in judge.run("inspect", model), "inspect does not tell which sizes it takes"
    given, ours = (np.load(path) for path in judge.raw(model, picture, "--input-size", "40x48"))
    assert given.shape == (1, 3, 48, 40), f"the network was given {given.shape}"
    right = run_layers(check_opens(model), given)
    assert np.abs(ours.reshape(right.shape) - right).max() <= CASE_TOLERANCE * np.abs(right).max(), "the values are wrong"


def judge_cases(judge):
    cases = os.path.join(judge.shared, "cases")
    picture = os.path.join(cases, "photo.png")
    for name in ("maxbroadcastable", "broadcast-c11", "broadcast-c", "l2pool", "reducemean-matmul"):
        model = os.path.join(cases, f"coreml-{name}.mlmodel")
        judge.case(f"case {name}", check_case, judge, model, picture, os.path.join(cases, "expected", f"coreml-{name}.npy"))
    judge.case("case deconv-groups", check_kept_promise, judge, os.path.join(cases, "coreml-deconv-groups.mlmodel"), "linear-8", 1)
    judge.case("case cropresize", check_kept_promise, judge, os.path.join(cases, "coreml-cropresize.mlmodel"), "linear-8", 0)
    judge.case("case size-range", check_sizes, judge, os.path.join(cases, "coreml-size-range.mlmodel"), picture)


def main():
    judge = Judge(__doc__)
    if judge.wants("demo"):
        judge.case("demo: both exports hold the same weights", check_identical_exports)
    judge_model(judge, "demo", os.path.join(DEMO, "model", "model.mlmodel"), [demo_image(1), demo_image(2)])
    if judge.shared:
        models = os.path.join(judge.shared, "models")
        pets = os.path.join(judge.shared, "data", "pets", "images")
        photos = [os.path.join(pets, name) for name in sorted(os.listdir(pets))[::16]]
        reference = os.path.join(models, "reference-detector", "model.mlmodel")
        judge_model(judge, "reference detector", reference, photos[:3])
        judge_noise(judge, "reference detector", reference, photos)
        for label, *parts in (("fruit", "custom-vision", "fruit.mlmodel"),
                              ("currency", "custom-vision", "currency.mlmodel"), ("style", "other", "starry_night.mlmodel"),
                              ("style with custom layers", "coreml", "style_custom_layers.mlmodel")):
            judge_model(judge, label, os.path.join(models, *parts))
        if judge.wants("case"):
            judge_cases(judge)
    judge.close()


if __name__ == "__main__":
    main()
