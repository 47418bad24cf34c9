#!/usr/bin/env python3
"""Judges the TFLite files that `visionpress compress` writes, with LiteRT's own interpreter and schema.

    check_tflite.py --tool build/release/visionpress [--shared DIR]

Each file is loaded and run by LiteRT; every decoded weight lies within half a step of the original's; raw outputs are those
that `visionpress predict` gets, to 1e-3 in float arithmetic, bit for bit in hybrid networks. Every TFLite file of models/ and cases/ is
compressed and run.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from judge import DEMO, Judge, demo_image, judge_noise
from tflite_files import SAME, Op, TfliteFile, options_of

FLOAT_TOLERANCE = 1e-3
FLIPPED_CODE = 0.07  # one code of an activation off by one, where a small first layer stays float
SMALLEST = 1024  # elements of a weight that 8 bits applies to
SMALLEST_HALF = 128
OUTPUT_CHANNEL = {schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3}  # axis of the scales; 0 for the others
KERNEL_OPS = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED}
# Versions from which a runtime knows int8 kernels with float activations, one scale for all or one a channel.
# source: tensorflow/lite/tools/versioning/op_version.cc
HYBRID_VERSION = {schema.BuiltinOperator.CONV_2D: (2, 5), schema.BuiltinOperator.DEPTHWISE_CONV_2D: (4, 6),
                  schema.BuiltinOperator.FULLY_CONNECTED: (3, 9)}
DTYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16, schema.TensorType.INT8: np.int8}

# name, options of compress, storage of large kernels
VARIANTS = [
    ("fp16", ["-w", "fp16"], "float16"),
    ("linear-8 hybrid", ["-w", "linear-8"], "hybrid"),
    ("linear-8-tensor hybrid", ["-w", "linear-8-tensor"], "hybrid"),
    ("linear-8 weight-only", ["-w", "linear-8", "--tflite-int8", "weight-only"], "weight-only"),
    ("linear-8-tensor weight-only", ["-w", "linear-8-tensor", "--tflite-int8", "weight-only"], "weight-only"),
    ("linear-8 hybrid, every kernel", ["-w", "linear-8", "--min-elements", "0"], "hybrid"),
    ("linear-8-tensor hybrid, every kernel", ["-w", "linear-8-tensor", "--min-elements", "0"], "hybrid"),
    # Bytes of few levels, the same for every kernel.
    ("linear-6 hybrid, every kernel", ["-w", "linear-6", "--no-default-keep", "--min-elements", "0"], "hybrid"),
    ("linear-4 hybrid, every kernel", ["-w", "linear-4", "--no-default-keep", "--min-elements", "0"], "hybrid"),
    ("linear-1 hybrid", ["-w", "linear-1", "--no-default-keep"], "hybrid"),
    ("linear-2 weight-only", ["-w", "linear-2", "--no-default-keep", "--tflite-int8", "weight-only"], "weight-only"),
    # Two codes per byte.
    ("linear-4 packed, every kernel", ["-w", "linear-4", "--no-default-keep", "--min-elements", "0", "--tflite-storage", "packed"], "hybrid"),
    ("linear-3 packed", ["-w", "linear-3", "--no-default-keep", "--tflite-storage", "packed"], "hybrid"),
    ("linear-4 packed weight-only", ["-w", "linear-4", "--no-default-keep", "--tflite-storage", "packed", "--tflite-int8", "weight-only"], "weight-only"),
]


class File:
    """A TFLite file's first subgraph, its DEQUANTIZE operators looked through."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.model = schema.ModelT.InitFromPackedBuf(data, 0)
        self.graph = self.model.subgraphs[0]
        self.decoded_from = {}
        self.operators = []
        for operator in self.graph.operators:
            if self.code(operator) == schema.BuiltinOperator.DEQUANTIZE and self.payload(operator.inputs[0]) is not None:
                self.decoded_from[operator.outputs[0]] = operator.inputs[0]
            else:
                self.operators.append(operator)

    def code(self, operator):
        entry = self.model.operatorCodes[operator.opcodeIndex]
        return max(entry.builtinCode, entry.deprecatedBuiltinCode)

    def version(self, operator):
        return self.model.operatorCodes[operator.opcodeIndex].version

    def payload(self, index):
        data = self.model.buffers[self.graph.tensors[index].buffer].data
        return None if data is None or len(data) == 0 else np.asarray(data, np.uint8)

    def stored(self, index):
        """returns: (tensor, values as stored) of a constant, behind DEQUANTIZE or not; None for a variable or another type."""
        index = self.decoded_from.get(index, index)
        tensor, data = self.graph.tensors[index], self.payload(index) if index >= 0 else None
        if data is None or tensor.type not in (*DTYPES, schema.TensorType.INT4):
            return None
        shape = [] if tensor.shape is None else list(tensor.shape)
        if tensor.type == schema.TensorType.INT4:
            codes = np.stack([data & 15, data >> 4], axis=1).reshape(-1)[:int(np.prod(shape))].astype(np.int8)
            return tensor, np.where(codes > 7, codes - 16, codes).astype(np.int8).reshape(shape)
        return tensor, np.frombuffer(data.tobytes(), DTYPES[tensor.type]).reshape(shape)


def scales_along(tensor, rank):
    scales = np.asarray(tensor.quantization.scale, np.float32)
    if len(scales) == 1:
        return scales.reshape([1] * rank)
    shape = [1] * rank
    shape[tensor.quantization.quantizedDimension] = len(scales)
    return scales.reshape(shape)


def check_few_levels(name, codes, original, step, bits, axis):
    """Codes are symmetric around 0, 2^bits - 1 of them (of 1 bit -1 and +1), each a neighbour of its value, and
    the errors of an output channel cancel better than those of the nearest codes would."""
    most = max(2 ** (bits - 1) - 1, 1)
    assert np.abs(codes.astype(int)).max() <= most, f"{name} holds codes beyond {most}"
    inside = np.clip(original / step, -most, most)
    apart = 2 if bits == 1 else 1  # neighbouring levels
    worst = float(np.max(np.abs(codes - inside)))
    assert worst <= apart + 1e-4, f"{name} is {worst:.4f} steps off"
    nearest = np.where(inside < 0, -1, 1) if bits == 1 else np.round(inside)
    others = tuple(i for i in range(codes.ndim) if i != axis)
    ours, theirs = (float(np.sum(np.sum(which - original / step, axis=others) ** 2)) for which in (codes, nearest))
    assert ours <= theirs * (1 + 1e-4), f"{name}: errors of a channel add up to {ours:.3f}, those of nearest codes to {theirs:.3f} (squares)"


def check_codes(name, tensor, codes, original, axis, per_tensor, bits=8):
    parameters = tensor.quantization
    assert parameters is not None and parameters.scale is not None, f"{name} is int8 without scales"
    scales = np.asarray(parameters.scale, np.float32)
    assert np.all(np.isfinite(scales)) and np.all(scales > 0), f"{name} has a scale that is not positive"
    assert len(scales) == 1 or len(scales) == codes.shape[axis], f"{name} has {len(scales)} scales for {codes.shape[axis]} channels"
    assert len(scales) == 1 or parameters.quantizedDimension == axis, f"{name}: scales lie along {parameters.quantizedDimension}, not {axis}"
    assert not per_tensor or len(scales) == 1, f"{name} has {len(scales)} scales, the scheme says one"
    zeros = np.asarray(parameters.zeroPoint if parameters.zeroPoint is not None else [0])
    assert len(zeros) in (1, len(scales)) and not zeros.any(), f"{name} has a zero point that is not 0"
    assert codes.min() >= -127, f"{name} holds the code -128"
    step = scales_along(tensor, codes.ndim).astype(np.float64)
    if bits < 8:
        check_few_levels(name, codes, original, step, bits, axis)
        return
    worst = float(np.max(np.abs(codes * step - original) / step))
    assert worst <= 0.5 + 1e-4, f"{name} is {worst:.4f} steps off"
    largest = np.abs(codes.astype(int)).max(axis=None if len(scales) == 1 else tuple(i for i in range(codes.ndim) if i != axis))
    assert np.all((largest == 127) | (np.asarray(largest) == 0)), f"{name} does not use the range: largest codes {np.unique(largest)}"


def check_float_constant(name, kept, original, is_half):
    tensor, values = kept
    if is_half:
        assert tensor.type == schema.TensorType.FLOAT16, f"{name} is no float16"
        halves = np.clip(original, -65504, 65504).astype(np.float16)
        assert np.array_equal(values, halves), f"{name} differs from the nearest halves"
    else:
        assert tensor.type == schema.TensorType.FLOAT32, f"{name} is no float32"
        assert values.tobytes() == original.tobytes(), f"{name} was to stay as it is"


def check_weights(before_path, after_path, kind, options):
    """Every float constant of the original against what the written file has in its place."""
    before, after = File(before_path), File(after_path)
    per_tensor, smallest = "linear-8-tensor" in options, 0 if "--min-elements" in options else SMALLEST
    bits = 8 if kind == "float16" else int(options[1].split("-")[1])
    assert len(before.operators) == len(after.operators), f"{len(before.operators)} operators became {len(after.operators)}"
    changed = 0
    for number, (old, new) in enumerate(zip(before.operators, after.operators)):
        code = before.code(old)
        assert after.code(new) == code, f"operator {number} is another one"
        for slot, (old_index, new_index) in enumerate(zip(old.inputs, new.inputs)):
            original = before.stored(old_index) if old_index >= 0 else None
            if original is None or original[0].type != schema.TensorType.FLOAT32:
                continue
            name = f"operator {number} input {slot} \"{original[0].name.decode()}\""
            written = after.stored(new_index)
            assert written is not None, f"{name} is gone"
            assert written[1].shape == original[1].shape, f"{name} has shape {written[1].shape}, had {original[1].shape}"
            is_kernel = code in KERNEL_OPS and slot == 1
            if kind == "float16" or not is_kernel or original[1].size < smallest:
                # Halves of few elements would take more room than they save.
                is_half = kind == "float16" and original[1].size >= SMALLEST_HALF
                check_float_constant(name, written, original[1], is_half)
                changed += is_half
                continue
            # Depthwise kernels beside float activations have no other type than int8.
            is_packed = "packed" in options and not (kind == "hybrid" and code == schema.BuiltinOperator.DEPTHWISE_CONV_2D)
            expected = schema.TensorType.INT4 if is_packed else schema.TensorType.INT8
            assert written[0].type == expected, f"{name} has type {written[0].type}, expected {expected}"
            check_codes(name, *written, original[1], OUTPUT_CHANNEL.get(code, 0), per_tensor, bits)
            behind = new_index in after.decoded_from
            assert behind == (kind == "weight-only"), f"{name} is {'behind' if behind else 'not behind'} a DEQUANTIZE"
            if kind == "hybrid":
                need = HYBRID_VERSION[code][len(written[0].quantization.scale) > 1]
                assert after.version(new) >= need, f"{name}: operator version {after.version(new)}, int8 needs {need}"
            changed += 1
    assert changed > 0, "no weight was changed"


def run_litert(path, given, builtin):
    """returns: the first output. builtin: LiteRT's kernels alone, else its default (XNNPACK where it takes the operator)."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if builtin else OpResolverType.AUTO
    interpreter = Interpreter(path, experimental_op_resolver_type=resolver, num_threads=1)
    source = interpreter.get_input_details()[0]
    if list(source["shape"]) != list(given.shape):
        interpreter.resize_tensor_input(source["index"], given.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], given.astype(source["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def check_outputs(judge, path, image, builtin, tolerance):
    given, ours = judge.raw(path, image, "--arithmetic", "builtin" if builtin else "runtime")
    ours = np.load(ours)
    theirs = run_litert(path, np.load(given), builtin)
    assert ours.shape == theirs.shape, f"output shape {ours.shape}, LiteRT's {theirs.shape}"
    worst = float(np.max(np.abs(ours - theirs)))
    assert np.isfinite(theirs).all() and np.ptp(theirs) > 0, "LiteRT's output is constant or not finite"
    if tolerance == 0:
        assert ours.tobytes() == theirs.tobytes(), f"not the same bytes: {np.mean(ours != theirs):.2%} differ, by {worst:.3g} at most"
    assert worst <= tolerance, f"outputs differ by {worst:.3g}, allowed are {tolerance}"


def judge_model(judge, label, model, images, exact):
    """exact: every operator with a kernel is a plain convolution, so hybrid arithmetic is matched bit for bit."""
    for builtin in (False, True) if judge.wants(f"{label} as exported") else ():
        for image in images:
            judge.case(f"{label} as exported, {'builtin' if builtin else 'default'} kernels, {os.path.basename(image)}",
                       check_outputs, judge, model, image, builtin, FLOAT_TOLERANCE)
    for name, options, kind in VARIANTS:
        if not judge.wants(f"{label} {name}"):
            continue
        written = judge.case(f"{label} {name}: compress", judge.compress, model, *options)
        if written is None:
            continue
        judge.case(f"{label} {name}: weights", check_weights, model, written, kind, options)
        tolerance = FLOAT_TOLERANCE if kind != "hybrid" else 0 if exact and "--min-elements" in options else FLIPPED_CODE
        for builtin in (False, True):
            for image in images:
                judge.case(f"{label} {name}: {'builtin' if builtin else 'default'} kernels, {os.path.basename(image)}",
                           check_outputs, judge, written, image, builtin, tolerance)
        os.remove(written)


# Networks with depthwise kernels: hybrid files give LiteRT's bits. Beside their hybrid kernels, plain `linear-8` leaves small float ones.
DEPTHWISE_NETWORKS = ["mobilenet_v1_0.25_224_metadata", "efficientnet_lite0", "vww_96_float"]


def judge_depthwise_networks(judge, folder, images):
    for name in DEPTHWISE_NETWORKS:
        variants = (("every kernel", "linear-8", ["--min-elements", "0"]), ("plain", "linear-8", []),
                    ("packed", "linear-4", ["--min-elements", "0", "--tflite-storage", "packed"]))
        for label, scheme, options in variants:
            if not judge.wants(f"{name} bits {label}"):
                continue
            written = judge.case(f"{name} bits {label}: compress", judge.compress, os.path.join(folder, f"{name}.tflite"), "-w", scheme, *options)
            for builtin in (False, True) if written else ():
                for image in images:
                    judge.case(f"{name} bits {label}: {'builtin' if builtin else 'default'} kernels, {os.path.basename(image)}",
                               check_outputs, judge, written, image, builtin, 0)


def given_for(details):
    """An input of each type that a file may ask for; sizes that are open become 32."""
    shape = [32 if signature < 0 and size <= 1 and axis > 0 else size for axis, (size, signature) in enumerate(zip(details["shape"], details["shape_signature"]))]
    rng = np.random.default_rng(7)
    if np.issubdtype(details["dtype"], np.floating):
        return rng.uniform(0, 1, shape).astype(details["dtype"])
    return rng.integers(0, 100, shape).astype(details["dtype"])


def run_all_inputs(path):
    """returns: every output of LiteRT's default kernels."""
    interpreter = Interpreter(path, num_threads=1)
    given = [given_for(details) for details in interpreter.get_input_details()]
    for details, values in zip(interpreter.get_input_details(), given):
        interpreter.resize_tensor_input(details["index"], values.shape)
    interpreter.allocate_tensors()
    for details, values in zip(interpreter.get_input_details(), given):
        interpreter.set_tensor(details["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


def check_still_runs(judge, path, options):
    before = run_all_inputs(path)
    written = judge.compress(path, *options)
    after = run_all_inputs(written)
    sizes = os.path.getsize(path), os.path.getsize(written)
    os.remove(written)
    assert [a.shape for a in before] == [a.shape for a in after], "its outputs have other shapes"
    # 1 KiB for what a rewrite may lay out otherwise where nothing was compressed.
    assert sizes[1] <= sizes[0] + 1024, f"{sizes[0]} bytes became {sizes[1]}"


def judge_every_file(judge, folders):
    for folder in folders:
        for parent, _, names in sorted(os.walk(folder)):
            for name in sorted(n for n in names if n.endswith(".tflite")):
                for options in (["-w", "fp16"], ["-w", "linear-8", "--min-elements", "0"], ["-w", "linear-8", "--tflite-int8", "weight-only"]):
                    label = f"{name} {' '.join(options)}: LiteRT runs it"
                    if judge.wants(label):
                        judge.case(label, check_still_runs, judge, os.path.join(parent, name), options)


def check_expected(judge, path, photo, expected, options):
    ours, right = np.load(judge.raw(path, photo, *options)[1]), np.load(expected)
    assert ours.shape == right.shape, f"shape {ours.shape}, expected {right.shape}"
    worst = float(np.max(np.abs(ours - right)) / np.max(np.abs(right)))
    assert worst <= 1e-5, f"off by {worst:.3g} of the largest value"


def judge_cases(judge, cases):
    photo = os.path.join(cases, "photo.png")
    for name, expected, options in (("dynamic-size", "dynamic-size-40x56", ["--input-size", "40x56"]), ("int4-conv-dynamic", "int4-conv-dynamic", [])):
        judge.case(f"{name}: what was expected", check_expected, judge, os.path.join(cases, f"{name}.tflite"), photo,
                   os.path.join(cases, "expected", f"{expected}.npy"), options)
    judge.case("int4-conv-dynamic: bits", check_outputs, judge, os.path.join(cases, "int4-conv-dynamic.tflite"), photo, False, 0)
    for name in ("nchw-input", "keras-dense-4d", "uint8-cast", "lrn", "buffers-outside"):
        judge.case(name, check_outputs, judge, os.path.join(cases, f"{name}.tflite"), photo, False, FLOAT_TOLERANCE)
    judge.case("hybrid-transpose-conv: bits", check_outputs, judge, os.path.join(cases, "hybrid-transpose-conv.tflite"), photo, False, 0)
    judge.case("call-once: inspect", judge.run, "inspect", os.path.join(cases, "call-once.tflite"))


def shared_buffer_file(path, readers):
    """Convolutions that all read one kernel: the file has its bytes once."""
    rng = np.random.default_rng(5)
    file = TfliteFile()
    x = source = file.tensor([1, 4, 4, 32])
    kernels = [file.constant(rng.standard_normal((32, 3, 3, 32)).astype(np.float32)) for _ in range(readers)]
    for kernel in kernels:
        file.graph.tensors[kernel].buffer = file.graph.tensors[kernels[0]].buffer
    del file.model.buffers[2:]
    for kernel in kernels:
        bias, y = file.constant(np.zeros(32, np.float32)), file.tensor([1, 4, 4, 32])
        file.operator(Op.CONV_2D, [x, kernel, bias], [y], options_of("Conv2D", padding=SAME, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1))
        x = y
    return file.write(path, [source], [x])


def judge_shared_buffers(judge):
    path = shared_buffer_file(judge.path("shared.tflite"), 12)
    for options in (["-w", "fp16"], ["-w", "linear-8"], ["-w", "linear-8", "--tflite-int8", "weight-only"]):
        judge.case(f"one kernel for twelve readers {' '.join(options)}", check_still_runs, judge, path, options)


def check_more_inputs(judge, photo):
    """A network of four inputs, three of which --set gives: a number, an array, and the axes of a mean."""
    file = TfliteFile()
    x, gain = file.tensor([1, 32, 32, 3], name="image"), file.tensor([], name="gain")
    offset, axes = file.tensor([1, 1, 1, 3], name="offset"), file.tensor([2], np.int32, name="axes")
    scaled, moved, mean = file.tensor([1, 32, 32, 3]), file.tensor([1, 32, 32, 3]), file.tensor([1, 3])
    file.operator(Op.MUL, [x, gain], [scaled], options_of("Mul"))
    file.operator(Op.ADD, [scaled, offset], [moved], options_of("Add"))
    file.operator(Op.MEAN, [moved, axes], [mean], options_of("Reducer"))
    path = file.write(judge.path("inputs.tflite"), [x, gain, offset, axes], [mean])
    arrays = {"offset": np.array([[[[1, 2, 3]]]], np.float32), "axes": np.array([1, 2], np.int32)}
    settings = ["--set", "gain=0.5"]
    for name, values in arrays.items():
        np.save(judge.path(f"{name}.npy"), values)
        settings += ["--set", f"{name}={judge.path(name)}.npy"]
    given, ours = (np.load(name) for name in judge.raw(path, photo, *settings))
    right = (given * 0.5 + arrays["offset"]).mean((1, 2))
    assert np.abs(ours - right).max() <= 1e-4 * np.abs(right).max(), f"{ours}, expected {right}"


def sparse_kernel(file, rng, shape, half):
    """A matrix that is mostly 0: of each row, the columns and values that are not. returns: the id of the dense one."""
    dense = rng.standard_normal(shape).astype(np.float16 if half else np.float32) * (rng.random(shape) < 0.3)
    dense = dense.astype(np.float16 if half else np.float32)
    stored = file.constant(dense[dense != 0], shape=list(shape))
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.dimMetadata = [0, 1], [schema.DimensionMetadataT(), schema.DimensionMetadataT()]
    sparsity.dimMetadata[0].denseSize = shape[0]
    sparsity.dimMetadata[1].format = schema.DimensionType.SPARSE_CSR
    for name, values in (("Segments", np.r_[0, np.cumsum((dense != 0).sum(1))]), ("Indices", np.nonzero(dense)[1])):
        vector = schema.Int32VectorT()
        vector.values = values.tolist()
        setattr(sparsity.dimMetadata[1], f"array{name}", vector)
        setattr(sparsity.dimMetadata[1], f"array{name}Type", schema.SparseIndexVector.Int32Vector)
    file.graph.tensors[stored].sparsity = sparsity
    unpacked = file.tensor(list(shape), dense.dtype)
    file.operator(Op.DENSIFY, [stored], [unpacked], options_of("Densify"))
    if not half:
        return unpacked
    result = file.tensor(list(shape))
    file.operator(Op.DEQUANTIZE, [unpacked], [result], options_of("Dequantize"), version=3)
    return result


def check_sparse(judge, photo, half):
    rng, file = np.random.default_rng(8), TfliteFile()
    image, flat, y = file.tensor([1, 8, 8, 3]), file.tensor([1, 192]), file.tensor([1, 10])
    file.operator(Op.RESHAPE, [image, file.constant(np.array([1, 192], np.int32))], [flat], options_of("Reshape"))
    kernel = sparse_kernel(file, rng, (10, 192), half)
    file.operator(Op.FULLY_CONNECTED, [flat, kernel, file.constant(np.ones(10, np.float32))], [y], options_of("FullyConnected"))
    path = file.write(judge.path("sparse.tflite"), [image], [y])
    check_outputs(judge, path, photo, True, 1e-2)  # sums of 192 pixels of up to 255


def main():
    judge = Judge(__doc__)
    judge_shared_buffers(judge)
    for half in (False, True):
        judge.case(f"sparse kernel of float{16 if half else 32}", check_sparse, judge, demo_image(1), half)
    judge.case("inputs given by --set", check_more_inputs, judge, demo_image(1))
    judge_model(judge, "demo", os.path.join(DEMO, "model", "model.tflite"), [demo_image(1), demo_image(2), demo_image(3)], True)
    if judge.shared:
        pets = os.path.join(judge.shared, "data", "pets", "images")
        photos = [os.path.join(pets, name) for name in sorted(os.listdir(pets))[::16]]
        models = os.path.join(judge.shared, "models")
        reference = os.path.join(models, "reference-detector", "model.tflite")
        judge_model(judge, "reference detector", reference, photos[:3], True)
        judge_noise(judge, "reference detector", reference, photos)
        judge_depthwise_networks(judge, os.path.join(models, "classifiers"), photos[:2])
        judge_every_file(judge, [models, os.path.join(judge.shared, "cases")])
        judge_cases(judge, os.path.join(judge.shared, "cases"))
        judge_model(judge, "fruit", os.path.join(models, "custom-vision", "fruit.tflite"), photos[:1], False)
    judge.close()


if __name__ == "__main__":
    main()
