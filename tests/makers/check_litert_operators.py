#!/usr/bin/env python3
"""Judges single operators of hybrid TFLite networks against LiteRT, bit for bit, with both of its kernel sets.

    check_litert_operators.py --tool build/dev/src/run/run_probe       (VP_SEED=N in the environment: other operators)

Hybrid kernels get random sizes, strides, channels, batches and activations. Float operators are run beside a hybrid layer, as in a
compressed network, where an ulp can flip a code. Square roots are exact on AVX-512 alone, whose estimate LiteRT starts from.
"""
import os
import subprocess

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from judge import Judge
from tflite_files import SAME, VALID, Op, TfliteFile, Type, options_of, output_size

NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
SEED = int(os.environ.get("VP_SEED", "20"))


def add_hybrid_layer(file):
    """What makes the file a hybrid network: a matrix that nothing reads."""
    x, y = file.constant(np.ones((1, 4), np.float32)), file.tensor([1, 4])
    kernel = file.constant(np.full((4, 4), 3, np.int8), scales=[0.1])
    file.operator(Op.FULLY_CONNECTED, [x, kernel, file.constant(np.zeros(4, np.float32))], [y], options_of("FullyConnected"), version=3)


def run_litert(path, x, builtin):
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if builtin else OpResolverType.AUTO
    interpreter = Interpreter(path, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()


def run_probe(judge, path, x, builtin, threads):
    given, got = judge.path("input.bin"), judge.path("output.bin")
    x.tofile(given)
    arithmetic = "builtin" if builtin else "runtime"
    done = subprocess.run([judge.tool, path, given, got, arithmetic, str(threads)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run_probe exits {done.returncode}: {done.stderr.strip()}"
    return np.fromfile(got, np.float32)


def check_bits(judge, path, x, kernel_sets=(False, True)):
    """NaN counts as equal to NaN, whatever its bits."""
    for builtin in kernel_sets:
        theirs, ours = run_litert(path, x, builtin), run_probe(judge, path, x, builtin, 1 + SEED % 2)
        assert ours.shape == theirs.shape, f"{ours.size} values, LiteRT has {theirs.size}"
        differ = np.flatnonzero((ours.view(np.int32) != theirs.view(np.int32)) & ~(np.isnan(ours) & np.isnan(theirs)))
        name = "builtin" if builtin else "default"
        assert not differ.size, (f"{name} kernels: {differ.size} of {ours.size} values differ, "
                                 f"the first is {ours[differ[0]]!r}, LiteRT's {theirs[differ[0]]!r}")


def judge_operator(judge, name, file, x, inputs, outputs, kernel_sets=(False, True)):
    if not judge.wants(name):
        return
    path = file.write(judge.path("operator.tflite"), inputs, outputs)
    judge.case(name, check_bits, judge, path, x, kernel_sets)


def values(rng, shape, scale=4.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def int8_kernel(rng, shape):
    return rng.integers(-127, 128, shape).astype(np.int8)


def scales_of(rng, count):
    return rng.uniform(1e-3, 2e-2, count).astype(np.float32)


def judge_convolutions(judge, rng):
    """Hybrid CONV_2D and DEPTHWISE_CONV_2D of 1 to 17 channels; some dilated, with one scale or several batches."""
    for number in range(48):
        depthwise = number % 2 == 1
        batch, height, width = rng.integers(1, 4), rng.integers(3, 12), rng.integers(3, 12)
        kernel, stride, padding = rng.integers(1, 4, 2), rng.integers(1, 3, 2), [SAME, VALID][rng.integers(2)]
        dilation = rng.integers(1, 3) if stride.max() == 1 and padding == SAME else 1
        channels, activation = int(rng.integers(1, 18)), int(rng.choice([NONE, RELU, RELU6]))
        multiplier = int(rng.integers(1, 4)) if depthwise and number % 4 == 3 else 1
        out = channels * multiplier if depthwise else int(rng.integers(1, 18))
        file = TfliteFile()
        x = file.tensor([batch, height, width, channels])
        shape = [1, *kernel, out] if depthwise else [out, *kernel, channels]
        scales = scales_of(rng, 1 if not depthwise and number % 6 == 0 else out)
        weights = file.constant(int8_kernel(rng, shape), scales=scales, axis=3 if depthwise else 0)
        bias = file.constant(values(rng, out, 1.0))
        y = file.tensor([batch, output_size(height, kernel[0], stride[0], dilation, padding), output_size(width, kernel[1], stride[1], dilation, padding), out])
        fields = {"padding": padding, "strideH": stride[0], "strideW": stride[1], "dilationHFactor": dilation, "dilationWFactor": dilation,
                  "fusedActivationFunction": activation}
        if depthwise:
            options, code, version = options_of("DepthwiseConv2D", depthMultiplier=multiplier, **fields), Op.DEPTHWISE_CONV_2D, 6
        else:
            options, code, version = options_of("Conv2D", **fields), Op.CONV_2D, 2 if len(scales) == 1 else 5
        file.operator(code, [x, weights, bias], [y], options, version=version)
        name = f"hybrid {'depthwise' if depthwise else 'conv'} {number}: {batch}x{height}x{width}x{channels} to {out}, kernel {kernel}, stride {stride}, dilation {dilation}"
        judge_operator(judge, name, file, values(rng, (batch, height, width, channels)), [x], [y])


def judge_grouped_convolutions(judge, rng):
    """The builtin kernel of groups multiplies by its two scales in another order than the one without."""
    for number in range(12):
        groups, inner, outer = int(rng.integers(2, 5)), int(rng.integers(1, 6)), int(rng.integers(1, 6))
        channels, out, kernel, padding = groups * inner, groups * outer, rng.integers(1, 4, 2), [SAME, VALID][number % 2]
        file = TfliteFile()
        x = file.tensor([1, 8, 9, channels])
        weights = file.constant(int8_kernel(rng, [out, *kernel, inner]), scales=scales_of(rng, out))
        y = file.tensor([1, output_size(8, kernel[0], 1, 1, padding), output_size(9, kernel[1], 1, 1, padding), out])
        fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "fusedActivationFunction": int(rng.choice([NONE, RELU]))}
        bias = file.constant(values(rng, out, 1.0))
        file.operator(Op.CONV_2D, [x, weights, bias], [y], options_of("Conv2D", padding=padding, **fields), version=6)
        name = f"hybrid conv in {groups} groups {number}: {channels} to {out}, kernel {kernel}"
        judge_operator(judge, name, file, values(rng, (1, 8, 9, channels)), [x], [y])


def judge_matrices(judge, rng):
    for number in range(16):
        rows, inner, columns = int(rng.integers(1, 6)), int(rng.integers(1, 40)), int(rng.integers(1, 18))
        asymmetric = bool(number % 2)
        file = TfliteFile()
        x, y = file.tensor([rows, inner]), file.tensor([rows, columns])
        scales = scales_of(rng, 1 if number % 4 == 0 else columns)
        weights, bias = file.constant(int8_kernel(rng, [columns, inner]), scales=scales), file.constant(values(rng, columns, 1.0))
        options = options_of("FullyConnected", asymmetricQuantizeInputs=asymmetric, fusedActivationFunction=int(rng.choice([NONE, RELU, RELU6])))
        file.operator(Op.FULLY_CONNECTED, [x, weights, bias], [y], options, version=3 if len(scales) == 1 else 12)
        judge_operator(judge, f"hybrid matrix {number}: {rows}x{inner} to {columns}", file, values(rng, (rows, inner)), [x], [y])


def packed_kernel(file, rng, shape):
    """returns: the id of a constant of 4-bit codes, two per byte, with a scale for each of shape[0] channels."""
    codes = rng.integers(-7, 8, shape).astype(np.int8).ravel()
    codes = np.append(codes, np.zeros(len(codes) % 2, np.int8))
    packed = ((codes[0::2] & 15) | ((codes[1::2] & 15) << 4)).astype(np.uint8)
    return file.constant(packed, scales=scales_of(rng, shape[0]), tensor_type=Type.INT4, shape=list(shape))


def judge_four_bits(judge, rng):
    """XNNPACK leaves 4-bit convolutions to the builtin kernels, which have one of their own for matrices of 32 inputs and more."""
    for number in range(4):
        channels, out = 2 * int(rng.integers(1, 6)), int(rng.integers(2, 12))
        file = TfliteFile()
        x, y = file.tensor([1, 7, 8, channels]), file.tensor([1, 7, 8, out])
        weights = packed_kernel(file, rng, (out, 3, 3, channels))
        options = options_of("Conv2D", padding=SAME, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
        file.operator(Op.CONV_2D, [x, weights, file.constant(values(rng, out, 1.0))], [y], options, version=7)
        judge_operator(judge, f"4-bit conv {number}", file, values(rng, (1, 7, 8, channels)), [x], [y])
    for number, (rows, inner, columns) in enumerate([(1, 64, 10), (1, 32, 4), (1, 34, 5), (3, 100, 33), (5, 1280, 17), (1, 63, 10), (2, 30, 8), (1, 64, 3)]):
        file = TfliteFile()
        x, y = file.tensor([rows, inner]), file.tensor([rows, columns])
        weights, bias = packed_kernel(file, rng, (columns, inner)), file.constant(values(rng, columns, 1.0))
        options = options_of("FullyConnected", asymmetricQuantizeInputs=number == 3, fusedActivationFunction=[NONE, RELU][number % 2])
        file.operator(Op.FULLY_CONNECTED, [x, weights, bias], [y], options, version=12)
        judge_operator(judge, f"4-bit matrix {number}: {rows}x{inner} to {columns}", file, values(rng, (rows, inner)), [x], [y])


def judge_float_kernels(judge, rng):
    """Small float kernels beside hybrid layers. Left out with builtin kernels: output channels beyond a multiple of eight."""
    for number in range(16):
        depthwise = number % 2 == 1
        channels, kernel, stride = int(rng.integers(1, 18)), int(rng.choice([1, 2, 3, 5] if depthwise else [1, 2, 3])), int(rng.integers(1, 3))
        out = channels if depthwise else int(rng.choice([8, 16, 24, 5]))
        file = TfliteFile()
        add_hybrid_layer(file)
        x, y = file.tensor([1, 9, 8, channels]), file.tensor([1, output_size(9, kernel, stride, 1, SAME), output_size(8, kernel, stride, 1, SAME), out])
        weights = file.constant(values(rng, [1, kernel, kernel, out] if depthwise else [out, kernel, kernel, channels], 1.0))
        fields = {"padding": SAME, "strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1, "fusedActivationFunction": RELU6}
        options = options_of("DepthwiseConv2D", depthMultiplier=1, **fields) if depthwise else options_of("Conv2D", **fields)
        file.operator(Op.DEPTHWISE_CONV_2D if depthwise else Op.CONV_2D, [x, weights, file.constant(values(rng, out, 1.0))], [y], options)
        exact = depthwise or out % 8 == 0
        name = f"float {'depthwise' if depthwise else 'conv'} {number}: {channels} to {out}, kernel {kernel}, stride {stride}"
        judge_operator(judge, name, file, values(rng, (1, 9, 8, channels)), [x], [y], (False, True) if exact else (False,))
    for number, (rows, inner, columns) in enumerate([(1, 16, 40), (1, 33, 7), (1, 100, 10), (1, 256, 3), (1, 200, 2), (6, 20, 16)]):
        file = TfliteFile()
        add_hybrid_layer(file)
        x, y = file.tensor([rows, inner]), file.tensor([rows, columns])
        weights, bias = file.constant(values(rng, (columns, inner), 1.0)), file.constant(values(rng, columns, 1.0))
        file.operator(Op.FULLY_CONNECTED, [x, weights, bias], [y], options_of("FullyConnected"))
        judge_operator(judge, f"float matrix {number}: {rows}x{inner} to {columns}", file, values(rng, (rows, inner)), [x], [y])


def judge_one(judge, name, code, x, shape, options=None, constants=(), version=1, kernel_sets=(False, True)):
    file = TfliteFile()
    add_hybrid_layer(file)
    source, result = file.tensor(list(x.shape)), file.tensor(list(shape))
    file.operator(code, [source, *(file.constant(constant) for constant in constants)], [result], options, version)
    judge_operator(judge, name, file, x, [source], [result], kernel_sets)


def has_avx512():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return "avx512f" in info.read()


def judge_functions(judge, rng):
    shape = (1, 7, 9, 37)
    for name in ("LOGISTIC", "TANH", "HARD_SWISH", "ELU", "RELU", "RELU6", "RELU_N1_TO_1"):
        judge_one(judge, name, getattr(Op, name), values(rng, shape), shape)
    has_estimate = has_avx512()
    for name in ("SQRT", "RSQRT"):
        judge_one(judge, name, getattr(Op, name), np.abs(values(rng, shape)) + np.float32(1e-3), shape, kernel_sets=(False, True) if has_estimate else (True,))
    for rows, count, beta in [(5, 1001, 1.0), (7, 3, 1.0), (1, 2, 1.0), (3, 17, 1.0), (4, 100, 0.5), (1, 64, 1.0)]:
        judge_one(judge, f"SOFTMAX {rows}x{count} beta {beta}", Op.SOFTMAX, values(rng, (rows, count)), (rows, count), options_of("Softmax", beta=beta))
    for axes, shape in [((1, 2), (1, 7, 7, 300)), ((1, 2), (2, 10, 9, 33)), ((3,), (1, 5, 5, 77)), ((1,), (1, 9, 5, 20)), ((1, 2, 3), (2, 6, 7, 20)), ((0,), (9, 50))]:
        for name in ("MEAN", "SUM"):
            result = [1 if a in axes else size for a, size in enumerate(shape)]
            judge_one(judge, f"{name} {axes} of {shape}", getattr(Op, name), values(rng, shape), result, options_of("Reducer", keepDims=True), (np.array(axes, np.int32),))


def judge_windows(judge, rng):
    for kernel, stride, padding, shape in [((2, 2), (2, 2), VALID, (1, 8, 8, 20)), ((3, 3), (1, 1), SAME, (1, 9, 8, 20)), ((7, 7), (1, 1), VALID, (1, 7, 7, 104)),
                                           ((4, 5), (2, 3), SAME, (2, 15, 16, 9))]:
        result = [shape[0], output_size(shape[1], kernel[0], stride[0], 1, padding), output_size(shape[2], kernel[1], stride[1], 1, padding), shape[3]]
        options = options_of("Pool2D", padding=padding, strideH=stride[0], strideW=stride[1], filterHeight=kernel[0], filterWidth=kernel[1])
        judge_one(judge, f"AVERAGE_POOL_2D {kernel} of {shape}", Op.AVERAGE_POOL_2D, values(rng, shape), result, options)
    for (height, width), (rows, columns) in [((7, 9), (14, 18)), ((7, 9), (13, 20)), ((20, 30), (7, 11))]:
        for align, centers in ((False, False), (True, False), (False, True)):
            judge_one(judge, f"RESIZE_BILINEAR {height}x{width} to {rows}x{columns}, {align} {centers}", Op.RESIZE_BILINEAR, values(rng, (1, height, width, 17)),
                      (1, rows, columns, 17), options_of("ResizeBilinear", alignCorners=align, halfPixelCenters=centers), (np.array([rows, columns], np.int32),), 3)


def judge_moves(judge, rng):
    """Sums of several tensors, uneven parts, and blocks of an image as images of a batch. Zeros of either sign are among the values."""
    for count in (2, 3, 5):
        others = [values(rng, (2, 3, 5)) * rng.integers(-1, 2, (2, 3, 5)).astype(np.float32) for _ in range(count)]
        judge_one(judge, f"ADD_N of {count}", Op.ADD_N, others[0], (2, 3, 5), options_of("AddN"), others[1:])
    for axis, sizes in [(1, [1, 4, 2]), (-1, [5, -1]), (0, [-1, 1])]:
        shape = (3, 7, 6)
        whole = [shape[axis] + sum(sizes) * -1 - 1 if size == -1 else size for size in sizes]
        for part in range(len(sizes)):
            file = TfliteFile()
            x = file.tensor(list(shape))
            operands = [x, file.constant(np.array(sizes, np.int32)), file.constant(np.array(axis, np.int32))]
            parts = []
            for size in whole:
                result = list(shape)
                result[axis] = size
                parts.append(file.tensor(result))
            file.operator(Op.SPLIT_V, operands, parts, options_of("SplitV", numSplits=len(sizes)))
            judge_operator(judge, f"SPLIT_V of axis {axis} into {sizes}, part {part}", file, values(rng, shape), [x], [parts[part]])
    for number in range(16):
        count = 1 + number % 2  # axes of a block
        batch, block = int(rng.integers(1, 3)), rng.integers(1, 4, count)
        sides, before = rng.integers(1, 8, count), rng.integers(0, 3, count)
        pads = np.stack([before, -(sides + before) % block + block * rng.integers(0, 2, count)], 1)
        channels, small = int(rng.integers(1, 6)), (sides + pads.sum(1)) // block
        image, images = (batch, *sides, channels), (batch * int(block.prod()), *small, channels)
        constants = (block.astype(np.int32), pads.astype(np.int32))
        version = 1 if count == 2 else 3
        judge_one(judge, f"SPACE_TO_BATCH_ND of {image} by {block}", Op.SPACE_TO_BATCH_ND, values(rng, image), images, options_of("SpaceToBatchND"), constants, version)
        judge_one(judge, f"BATCH_TO_SPACE_ND of {images} by {block}", Op.BATCH_TO_SPACE_ND, values(rng, images), image, options_of("BatchToSpaceND"), constants, version)


def judge_nan(judge):
    """NaN passes each clamp as in LiteRT; so do zeros of either sign."""
    x = np.tile(np.array([np.nan, 0.0, -0.0, 7.0, -7.0, 0.5, 2.0, -0.5], np.float32), 6).reshape(1, 3, 4, 4)
    for name in ("RELU", "RELU6", "RELU_N1_TO_1"):
        judge_one(judge, f"NaN {name}", getattr(Op, name), x, x.shape)
    factor = np.array([1.5, 0.5, 2.0, 1.0], np.float32)
    for name in ("Add", "Mul", "Sub"):
        for activation in (NONE, RELU, RELU_N1_TO_1, RELU6):
            judge_one(judge, f"NaN {name} with activation {activation}", getattr(Op, name.upper()), x, x.shape, options_of(name, fusedActivationFunction=activation), (factor,))
    finite = np.nan_to_num(x)
    for out in (4, 40):  # our own kernel and oneDNN's, in a network without hybrid layers too
        bias = np.tile(np.array([np.nan, -1.0, 3.0, 1.0], np.float32), out // 4)
        for activation in (NONE, RELU, RELU_N1_TO_1, RELU6):
            kernel = np.full((out, 3, 3, 4), 0.25, np.float32)
            options = options_of("Conv2D", padding=SAME, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=activation)
            file = TfliteFile()
            source, result = file.tensor([1, 3, 4, 4]), file.tensor([1, 3, 4, out])
            file.operator(Op.CONV_2D, [source, file.constant(kernel), file.constant(bias)], [result], options)
            judge_operator(judge, f"NaN Conv2D to {out} with activation {activation}", file, finite, [source], [result])


def judge_activations(judge, rng):
    """What LiteRT reads and does not apply: TANH and SIGN_BIT."""
    x = values(rng, (1, 4, 6, 8))
    for activation in (4, 5):
        for name in ("Add", "Mul", "Sub", "Div"):
            factor = rng.uniform(0.5, 2.0, 8).astype(np.float32)
            judge_one(judge, f"{name} with activation {activation}", getattr(Op, name.upper()), x, x.shape, options_of(name, fusedActivationFunction=activation), (factor,))
        options = options_of("Pool2D", padding=SAME, strideH=1, strideW=1, filterHeight=2, filterWidth=2, fusedActivationFunction=activation)
        judge_one(judge, f"MAX_POOL_2D with activation {activation}", Op.MAX_POOL_2D, x, x.shape, options)


def judge_extremes_of_nan(judge, rng):
    """Which operand or element a maximum with NaN is. Long rows are left out with default kernels, whose answer depends on the vector width."""
    x = np.array([[np.nan, 1, np.nan, 0], [0.5, np.nan, -2, 5], [1, 2, 3, np.nan]], np.float32)
    other = np.array([[1, np.nan, np.nan, 3], [0, 0, np.nan, 2], [4, 1, np.nan, 0]], np.float32)
    for name in ("MAXIMUM", "MINIMUM"):
        for label, constant in (("a tensor", other), ("one value", np.float32([0.25])), ("a NaN", np.float32([np.nan])), ("a line", other[0])):
            judge_one(judge, f"{name} of NaN with {label}", getattr(Op, name), x, x.shape, options_of("MaximumMinimum"), (constant,))
    for name in ("REDUCE_MAX", "REDUCE_MIN"):
        for axis in (0, 1):
            result = [1 if a == axis else size for a, size in enumerate(x.shape)]
            judge_one(judge, f"{name} of NaN along {axis}", getattr(Op, name), x, result, options_of("Reducer", keepDims=True), (np.array([axis], np.int32),))
        long = np.tile(x, (1, 9))
        judge_one(judge, f"{name} of NaN in long rows", getattr(Op, name), long, (3, 1), options_of("Reducer", keepDims=True), (np.array([1], np.int32),), kernel_sets=(True,))


def judge_quotients(judge, rng):
    """FLOOR_DIV divides in double: a rounded quotient would be a whole number too many."""
    x = (rng.integers(-200, 200, (20, 100)) / 10).astype(np.float32)
    divisor = (rng.integers(1, 40, (20, 100)) / 10).astype(np.float32)
    for name, options in (("FLOOR_DIV", "FloorDiv"), ("FLOOR_MOD", "FloorMod")):
        judge_one(judge, name, getattr(Op, name), x, x.shape, options_of(options), (divisor,), 2)


def check_near(judge, path, x):
    """LiteRT sums in float32, in another order: a few ulps of the largest value."""
    for builtin in (False, True):
        theirs, ours = run_litert(path, x, builtin), run_probe(judge, path, x, builtin, 1 + SEED % 2)
        assert ours.shape == theirs.shape, f"{ours.size} values, LiteRT has {theirs.size}"
        worst = float(np.max(np.abs(ours - theirs))) / float(np.max(np.abs(theirs)))
        assert worst <= 1e-5, f"differs by {worst:.2e} of the largest value"


def judge_local_response(judge, rng):
    for channels, radius, beta in [(1, 0, 0.5), (7, 1, 0.75), (96, 5, 0.75), (20, 2, 1.0), (33, 40, 0.3)]:
        shape = (2, 5, 6, channels)
        file = TfliteFile()
        x, y = file.tensor(list(shape)), file.tensor(list(shape))
        file.operator(Op.LOCAL_RESPONSE_NORMALIZATION, [x], [y], options_of("LocalResponseNormalization", radius=radius, bias=1.5, alpha=0.02, beta=beta))
        name = f"LOCAL_RESPONSE_NORMALIZATION of {channels} channels, radius {radius}, beta {beta}"
        if judge.wants(name):
            judge.case(name, check_near, judge, file.write(judge.path("operator.tflite"), [x], [y]), values(rng, shape))


def judge_transposed_convolutions(judge, rng):
    """XNNPACK takes those with a bias whose kernel covers the stride; the builtin kernel adds floats in an order of its own."""
    for number in range(16):
        batch, height, width = int(rng.integers(1, 3)), int(rng.integers(1, 8)), int(rng.integers(1, 8))
        kernel, stride, padding = rng.integers(1, 5, 2), rng.integers(1, 4, 2), [SAME, VALID][number % 2]
        channels, out = int(rng.integers(1, 18)), int(rng.integers(1, 18))
        size = [height, width] * stride if padding == SAME else ([height, width] - np.ones(2, int)) * stride + np.maximum(kernel, stride)
        file = TfliteFile()
        x, y = file.tensor([batch, height, width, channels]), file.tensor([batch, *map(int, size), out])
        scales = scales_of(rng, 1 if number % 4 == 0 else out)
        weights = file.constant(int8_kernel(rng, [out, *kernel, channels]), scales=scales)
        inputs = [file.constant(np.array([batch, *size, out], np.int32)), weights, x]
        if number % 3:
            inputs.append(file.constant(values(rng, out, 1.0)))
        options = options_of("TransposeConv", padding=padding, strideH=int(stride[0]), strideW=int(stride[1]))
        file.operator(Op.TRANSPOSE_CONV, inputs, [y], options, version=3)
        name = f"hybrid transposed conv {number}: {batch}x{height}x{width}x{channels} to {out}, kernel {kernel}, stride {stride}"
        given = values(rng, (batch, height, width, channels))
        if number % 3 and (kernel >= stride).all():
            judge_operator(judge, name + ", default kernels", file, given, [x], [y], (False,))
        if judge.wants(name):
            judge.case(name, check_near, judge, file.write(judge.path("operator.tflite"), [x], [y]), given)


def judge_composed(judge, rng):
    """Operators that are run as several simple ones."""
    for code, options, shape, scale in [("L2_NORMALIZATION", "L2Norm", (1, 128), 4.0), ("L2_NORMALIZATION", "L2Norm", (2, 3, 5, 7), 1e-8),
                                        ("LOG_SOFTMAX", "LogSoftmax", (3, 10), 20.0), ("LOG_SOFTMAX", "LogSoftmax", (1, 4, 5, 6), 1.0),
                                        ("GELU", "Gelu", (1, 6, 5, 8), 3.0), ("GELU", "approximate", (1, 6, 5, 8), 3.0)]:
        file = TfliteFile()
        x, y = file.tensor(list(shape)), file.tensor(list(shape))
        table = options_of("Gelu", approximate=True) if options == "approximate" else options_of(options)
        file.operator(getattr(Op, code), [x], [y], table)
        name = f"{code} ({options}) of {shape}"
        if judge.wants(name):
            judge.case(name, check_near, judge, file.write(judge.path("operator.tflite"), [x], [y]), values(rng, shape, scale))


def judge_broadcasts(judge, rng):
    for shape, target in [((3, 1), (3, 4)), ((5,), (2, 3, 5)), ((1, 4, 1, 3), (2, 4, 6, 3)), ((1,), (7,)), ((2, 3), (2, 3))]:
        judge_one(judge, f"BROADCAST_TO {shape} to {target}", Op.BROADCAST_TO, values(rng, shape), target, options_of("BroadcastTo"),
                  (np.array(target, np.int32),), 2)


def judge_open_ranks(judge, rng):
    """Results without a shape: LiteRT infers it from the operands, through several operators."""
    file = TfliteFile()
    add_hybrid_layer(file)
    x, a, b, c, y = file.tensor([2, 3, 4, 5]), file.tensor(None), file.tensor(None), file.tensor(None), file.tensor([2, 5])
    file.operator(Op.ABS, [x], [a])
    file.operator(Op.TRANSPOSE, [a, file.constant(np.array([0, 3, 1, 2], np.int32))], [b], options_of("Transpose"))
    file.operator(Op.PACK, [b, b], [c], options_of("Pack", axis=1, valuesCount=2))
    file.operator(Op.REDUCE_MAX, [c, file.constant(np.array([1, 3, 4], np.int32))], [y], options_of("Reducer", keepDims=False))
    judge_operator(judge, "results without a shape", file, values(rng, (2, 3, 4, 5)), [x], [y])


def judge_infinities(judge):
    """A row without a number and a row with infinity have no softmax, in either kernel set; minus infinity has a share of 0."""
    inf, nan = np.inf, np.nan
    for name, row in [("a number", (1, 2, -inf)), ("minus infinity alone", (-inf,) * 3), ("infinity", (inf, 1, 2)), ("NaN", (nan, 1, 2))]:
        for width in (1, 7):
            x = np.tile(np.array([row], np.float32), (2, width))
            judge_one(judge, f"SOFTMAX of {name}, {x.shape[1]} wide", Op.SOFTMAX, x, x.shape, options_of("Softmax", beta=1.0))
    x = np.array([[0.0, -0.0, -1, nan, inf, 4, 0.25, 1e10]], np.float32)
    for name in ("RSQRT", "SQRT"):
        judge_one(judge, f"{name} of zeros and infinity", getattr(Op, name), x, x.shape, None, (), 1, (False, True) if has_avx512() else (True,))


def check_nan_is_seen(judge, path, x):
    """LiteRT's kernels lose it; the builtin ones skip it."""
    assert run_litert(path, x, True) == np.nanmax(x), "the builtin kernels do not skip NaN"
    for builtin in (False, True):
        assert np.isnan(run_probe(judge, path, x, builtin, 1)).all(), "NaN is lost"


def check_ends_both(judge, path, x, why):
    """Both end the run."""
    for builtin in (False, True):
        try:
            theirs = run_litert(path, x, builtin)
        except RuntimeError:
            pass
        else:
            raise AssertionError(f"LiteRT gives {theirs}")
        try:
            ours = run_probe(judge, path, x, builtin, 1)
        except AssertionError as error:
            assert why in str(error), error
        else:
            raise AssertionError(f"the run gives {ours}")


def judge_ends(judge):
    file = TfliteFile()
    x, y = file.tensor([1, 4]), file.tensor([1, 4])
    file.operator(Op.FLOOR_DIV, [file.constant(np.ones((1, 4), np.float32)), x], [y], options_of("FloorDiv"), 2)
    path = file.write(judge.path("floor_div.tflite"), [x], [y])
    judge.case("FLOOR_DIV by zero", check_ends_both, judge, path, np.array([[1, 2, 0, 3]], np.float32), "it divides by zero")
    for at in range(4):
        file = TfliteFile()
        x, y = file.tensor([1, 2, 2, 1]), file.tensor([1, 1, 1, 1])
        file.operator(Op.MAX_POOL_2D, [x], [y], options_of("Pool2D", padding=VALID, strideH=2, strideW=2, filterHeight=2, filterWidth=2))
        path, given = file.write(judge.path("pool.tflite"), [x], [y]), np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
        given.flat[at] = np.nan
        judge.case(f"MAX_POOL_2D of NaN at {at}", check_nan_is_seen, judge, path, given)


def main():
    judge = Judge(__doc__)
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED} (VP_SEED)", flush=True)
    judge_convolutions(judge, rng)
    judge_grouped_convolutions(judge, rng)
    judge_transposed_convolutions(judge, rng)
    judge_matrices(judge, rng)
    judge_four_bits(judge, rng)
    judge_float_kernels(judge, rng)
    judge_functions(judge, rng)
    judge_windows(judge, rng)
    judge_nan(judge)
    judge_moves(judge, rng)
    judge_activations(judge, rng)
    judge_extremes_of_nan(judge, rng)
    judge_quotients(judge, rng)
    judge_local_response(judge, rng)
    judge_composed(judge, rng)
    judge_broadcasts(judge, rng)
    judge_open_ranks(judge, rng)
    judge_infinities(judge)
    judge_ends(judge)
    judge.close()


if __name__ == "__main__":
    main()
