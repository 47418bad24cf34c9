#!/usr/bin/env python3
"""Judges operators of fully integer TFLite networks against LiteRT, bit for bit, with both of its kernel sets.

    check_integer.py --tool build/dev/src/run/run_probe       (VP_SEED=N in the environment: other operators)

Every operator gets random sizes, scales and zero points, as uint8 and as int8. Outputs are compared as real values, which determine the codes.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from check_litert_operators import run_probe
from judge import Judge
from tflite_files import SAME, VALID, Op, TfliteFile, options_of, output_size, schema

NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
SEED = int(os.environ.get("VP_SEED", "20"))
BYTES = (np.uint8, np.int8)


class IntegerFile(TfliteFile):
    """Tensors with a scale and a zero point."""

    def codes(self, rng, shape, dtype, scale=None, zero=None):
        index = self.tensor([int(size) for size in shape], dtype)
        info = np.iinfo(dtype)
        scale = rng.uniform(0.01, 0.1) if scale is None else scale
        self.quantize(index, [scale], int(rng.integers(info.min, info.max + 1)) if zero is None else zero)
        return index

    def quantize(self, index, scales, zero=0, axis=0):
        quantization = schema.QuantizationParametersT()
        quantization.scale = np.asarray(scales, np.float32)
        quantization.zeroPoint = np.full(len(quantization.scale), zero, np.int64)
        quantization.quantizedDimension = axis
        self.graph.tensors[index].quantization = quantization

    def scale_of(self, index):
        return self.graph.tensors[index].quantization.scale[0]

    def zero_of(self, index):
        return int(self.graph.tensors[index].quantization.zeroPoint[0])

    def kernel(self, rng, shape, dtype, axis):
        """Per tensor with a zero point for uint8, per channel for int8. returns: its id and its scales."""
        if dtype == np.uint8:
            scales = rng.uniform(0.002, 0.02, 1).astype(np.float32)
            index = self.constant(rng.integers(0, 256, shape).astype(np.uint8), scales=scales)
            self.quantize(index, scales, int(rng.integers(100, 156)))
        else:
            scales = rng.uniform(0.002, 0.02, shape[axis]).astype(np.float32)
            index = self.constant(rng.integers(-127, 128, shape).astype(np.int8), scales=scales, axis=axis)
        return index, scales

    def bias(self, rng, x, scales, count):
        index = self.constant(rng.integers(-2000, 2000, count).astype(np.int32))
        self.quantize(index, self.scale_of(x) * scales)
        return index


def real_values(codes, scale, zero):
    return ((codes.astype(np.int32) - zero).astype(np.float32) * np.float32(scale)).astype(np.float32)


def run_litert(path, x, builtin):
    """returns: the real values of all outputs, one after another."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if builtin else OpResolverType.AUTO
    interpreter = Interpreter(path, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = []
    for detail in interpreter.get_output_details():
        values = interpreter.get_tensor(detail["index"]).ravel()
        is_code = values.dtype in (np.uint8, np.int8)
        found.append(real_values(values, *detail["quantization"]) if is_code else values.astype(np.float32))
    return np.concatenate(found)


def check_codes(judge, path, x, scale, zero, kernel_sets):
    given = x if x.dtype == np.float32 else real_values(x, scale, zero)
    for builtin in kernel_sets:
        theirs, ours = run_litert(path, x, builtin), run_probe(judge, path, given, builtin, 1 + SEED % 2)
        assert ours.shape == theirs.shape, f"{ours.size} values, LiteRT has {theirs.size}"
        differ = np.flatnonzero(ours != theirs)
        name = "builtin" if builtin else "default"
        assert not differ.size, (f"{name} kernels: {differ.size} of {ours.size} values differ, "
                                 f"the first is {ours[differ[0]]!r}, LiteRT's {theirs[differ[0]]!r}")


def random_codes(rng, shape, dtype):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, [int(size) for size in shape]).astype(dtype)


def judge_file(judge, name, file, given, inputs, outputs, kernel_sets=(True, False)):
    if not judge.wants(name):
        return
    path = file.write(judge.path("integer.tflite"), inputs, outputs)
    is_float = given.dtype == np.float32
    scale, zero = (1.0, 0) if is_float else (file.scale_of(inputs[0]), file.zero_of(inputs[0]))
    judge.case(name, check_codes, judge, path, given, scale, zero, kernel_sets)


def judge_convolutions(judge, rng):
    for number in range(60):
        depthwise, dtype = number % 2 == 1, BYTES[number // 2 % 2]
        batch, height, width = rng.integers(1, 3), rng.integers(3, 12), rng.integers(3, 12)
        kernel, stride, padding = rng.integers(1, 4, 2), rng.integers(1, 3, 2), [SAME, VALID][rng.integers(2)]
        dilation = int(rng.integers(1, 3)) if stride.max() == 1 and padding == SAME else 1
        channels, activation = int(rng.integers(1, 40)), int(rng.choice([NONE, RELU, RELU6, RELU_N1_TO_1]))
        multiplier = int(rng.integers(1, 4)) if depthwise and number % 4 == 3 else 1
        out = channels * multiplier if depthwise else int(rng.integers(1, 40))
        file = IntegerFile()
        x = file.codes(rng, [batch, height, width, channels], dtype)
        shape = [1, *kernel, out] if depthwise else [out, *kernel, channels]
        weights, scales = file.kernel(rng, shape, dtype, 3 if depthwise else 0)
        bias = file.bias(rng, x, scales, out)
        y = file.codes(rng, [batch, output_size(height, kernel[0], stride[0], dilation, padding),
                             output_size(width, kernel[1], stride[1], dilation, padding), out], dtype, scale=rng.uniform(0.05, 0.5))
        fields = {"padding": padding, "strideH": stride[0], "strideW": stride[1], "dilationHFactor": dilation, "dilationWFactor": dilation,
                  "fusedActivationFunction": activation}
        if depthwise:
            options, code, version = options_of("DepthwiseConv2D", depthMultiplier=multiplier, **fields), Op.DEPTHWISE_CONV_2D, 3
        else:
            options, code, version = options_of("Conv2D", **fields), Op.CONV_2D, 3
        file.operator(code, [x, weights, bias], [y], options, version=version)
        name = (f"{np.dtype(dtype).name} {'depthwise' if depthwise else 'conv'} {number}: {batch}x{height}x{width}x{channels} to {out}, kernel {kernel}, "
                f"stride {stride}, dilation {dilation}")
        judge_file(judge, name, file, random_codes(rng, [batch, height, width, channels], dtype), [x], [y])


def judge_matrices(judge, rng):
    for number in range(16):
        dtype = BYTES[number % 2]
        rows, inner, columns = int(rng.integers(1, 6)), int(rng.integers(1, 60)), int(rng.integers(1, 40))
        file = IntegerFile()
        x, y = file.codes(rng, [rows, inner], dtype), file.codes(rng, [rows, columns], dtype, scale=rng.uniform(0.05, 0.5))
        scales = rng.uniform(0.002, 0.02, 1).astype(np.float32)
        if dtype == np.uint8:
            weights, scales = file.kernel(rng, [columns, inner], dtype, 0)
        else:
            weights = file.constant(rng.integers(-127, 128, [columns, inner]).astype(np.int8), scales=scales)
        options = options_of("FullyConnected", fusedActivationFunction=int(rng.choice([NONE, RELU, RELU6])))
        file.operator(Op.FULLY_CONNECTED, [x, weights, file.bias(rng, x, scales, columns)], [y], options, version=4)
        judge_file(judge, f"{np.dtype(dtype).name} matrix {number}: {rows}x{inner} to {columns}", file, random_codes(rng, [rows, inner], dtype), [x], [y])


def judge_pools(judge, rng):
    for number in range(16):
        dtype, is_average = BYTES[number % 2], number // 2 % 2 == 0
        size, kernel, stride, padding = rng.integers(3, 10, 2), rng.integers(1, 4, 2), rng.integers(1, 3, 2), [SAME, VALID][rng.integers(2)]
        channels = int(rng.integers(1, 20))
        file = IntegerFile()
        x = file.codes(rng, [1, *size, channels], dtype)
        shape = [1, output_size(size[0], kernel[0], stride[0], 1, padding), output_size(size[1], kernel[1], stride[1], 1, padding), channels]
        y = file.codes(rng, shape, dtype, file.scale_of(x), file.zero_of(x))
        options = options_of("Pool2D", padding=padding, strideH=stride[0], strideW=stride[1], filterHeight=kernel[0], filterWidth=kernel[1],
                             fusedActivationFunction=int(rng.choice([NONE, RELU, RELU6])))
        file.operator(Op.AVERAGE_POOL_2D if is_average else Op.MAX_POOL_2D, [x], [y], options, version=2)
        name = f"{np.dtype(dtype).name} {'average' if is_average else 'max'} pool {number}: {size}, window {kernel}, stride {stride}"
        judge_file(judge, name, file, random_codes(rng, [1, *size, channels], dtype), [x], [y])


def judge_functions(judge, rng):
    """All 256 codes through each function of one value."""
    fixed = {"LOGISTIC": (1 / 256, 0), "TANH": (1 / 128, 128), "SOFTMAX": (1 / 256, 0)}
    for number, (code, options) in enumerate([(Op.LOGISTIC, None), (Op.TANH, None), (Op.RELU, None), (Op.RELU6, None), (Op.RELU_N1_TO_1, None),
                                              (Op.LEAKY_RELU, options_of("LeakyRelu", alpha=0.1)), (Op.SOFTMAX, options_of("Softmax", beta=1.0)),
                                              (Op.QUANTIZE, options_of("Quantize")), (Op.DEQUANTIZE, options_of("Dequantize"))] * 6):
        dtype, name = BYTES[number % 2], {value: key for key, value in vars(Op).items() if isinstance(value, int)}[code]
        info = np.iinfo(dtype)
        file = IntegerFile()
        x = file.codes(rng, [4, 64], dtype)
        if name == "DEQUANTIZE":
            y = file.tensor([4, 64], np.float32)
        elif name in fixed:
            y = file.codes(rng, [4, 64], dtype, fixed[name][0], fixed[name][1] + info.min)
        else:
            y = file.codes(rng, [4, 64], dtype)
        file.operator(code, [x], [y], options, version=1 if name == "RELU_N1_TO_1" else 2)
        given = np.arange(info.min, info.max + 1).reshape(4, 64).astype(dtype)
        judge_file(judge, f"{np.dtype(dtype).name} {name} {number}", file, given, [x], [y])


def judge_float_ends(judge, rng):
    for number in range(4):
        file, dtype = IntegerFile(), BYTES[number % 2]
        x, y = file.tensor([1, 100], np.float32), file.codes(rng, [1, 100], dtype)
        file.operator(Op.QUANTIZE, [x], [y], options_of("Quantize"))
        judge_file(judge, f"{np.dtype(dtype).name} QUANTIZE of floats {number}", file, (rng.standard_normal((1, 100)) * 5).astype(np.float32), [x], [y])


def judge_binaries(judge, rng):
    for number in range(36):
        dtype, (code, options) = BYTES[number % 2], [(Op.ADD, "Add"), (Op.SUB, "Sub"), (Op.MUL, "Mul")][number // 2 % 3]
        shape = [2, *rng.integers(1, 6, 2), int(rng.integers(1, 20))]
        other = [1, 1, 1, shape[3]] if number % 4 == 3 else shape
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        b = file.constant(random_codes(rng, other, dtype), scales=[rng.uniform(0.01, 0.1)])
        file.quantize(b, [file.scale_of(b)], int(rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)))
        y = file.codes(rng, shape, dtype, scale=rng.uniform(0.05, 0.5))
        file.operator(code, [x, b], [y], options_of(options, fusedActivationFunction=int(rng.choice([NONE, RELU, RELU6]))), version=2)
        judge_file(judge, f"{np.dtype(dtype).name} {options} {number}: {shape} and {other}", file, random_codes(rng, shape, dtype), [x], [y])


def judge_moves(judge, rng):
    for number in range(24):
        dtype, kind = BYTES[number % 2], number // 2 % 6
        file = IntegerFile()
        x = file.codes(rng, [1, 4, 6, 5], dtype)
        given = random_codes(rng, [1, 4, 6, 5], dtype)

        def same(shape):
            return file.codes(rng, shape, dtype, file.scale_of(x), file.zero_of(x))

        if kind == 0:
            y = same([1, 24, 5])
            file.operator(Op.RESHAPE, [x, file.constant(np.array([1, 24, 5], np.int32))], [y], options_of("Reshape", newShape=[1, 24, 5]))
        elif kind == 1:
            y = same([1, 6, 7, 5])
            file.operator(Op.PAD, [x, file.constant(np.array([[0, 0], [1, 1], [0, 1], [0, 0]], np.int32))], [y], options_of("Pad"))
        elif kind == 2:
            y = same([1, 6, 4, 5])
            file.operator(Op.TRANSPOSE, [x, file.constant(np.array([0, 2, 1, 3], np.int32))], [y], options_of("Transpose"))
        elif kind == 3:
            y = same([1, 8, 12, 5])
            file.operator(Op.RESIZE_NEAREST_NEIGHBOR, [x, file.constant(np.array([8, 12], np.int32))], [y], options_of("ResizeNearestNeighbor"))
        elif kind == 4:
            y = same([1, 2, 3, 5])
            file.operator(Op.STRIDED_SLICE, [x, *(file.constant(np.array(part, np.int32)) for part in ([0, 1, 0, 0], [1, 3, 6, 5], [1, 1, 2, 1]))], [y],
                          options_of("StridedSlice"))
        else:  # uint8 operands may have scales of their own
            pooled = same([1, 4, 6, 5])
            if dtype == np.uint8:
                pooled = file.codes(rng, [1, 4, 6, 5], dtype)
                file.operator(Op.QUANTIZE, [x], [pooled], options_of("Quantize"))
            else:
                file.operator(Op.RELU, [x], [pooled], None, version=2)
            y = same([1, 4, 6, 10])
            file.operator(Op.CONCATENATION, [x, pooled], [y], options_of("Concatenation", axis=3), version=2)
        name = ["RESHAPE", "PAD", "TRANSPOSE", "RESIZE_NEAREST_NEIGHBOR", "STRIDED_SLICE", "CONCATENATION"][kind]
        judge_file(judge, f"{np.dtype(dtype).name} {name} {number}", file, given, [x], [y])


def other_code(rng, file, shape, dtype, like=None):
    """A result with a scale of its own, near the operand's."""
    scale = file.scale_of(like) * rng.uniform(0.5, 2.0) if like is not None else rng.uniform(0.05, 0.5)
    return file.codes(rng, shape, dtype, scale)


def judge_unary(judge, rng, name, code, shape, options=None, y=None, version=2, dtypes=BYTES, zero=None, scale=None, kernel_sets=(True, False)):
    for dtype in dtypes:
        file = IntegerFile()
        x = file.codes(rng, shape, dtype, scale)
        info = np.iinfo(dtype)
        result = other_code(rng, file, shape, dtype, x) if y is None else file.codes(rng, shape, dtype, y[0], y[1] + info.min)
        file.operator(code, [x], [result], options, version=version)
        judge_file(judge, f"{np.dtype(dtype).name} {name} of {shape}", file, random_codes(rng, shape, dtype), [x], [result], kernel_sets)


def judge_rows(judge, rng):
    for _ in range(4):
        shape = [int(rng.integers(1, 6)), int(rng.integers(1, 6)), int(rng.integers(1, 90))]
        judge_unary(judge, rng, "LOG_SOFTMAX", Op.LOG_SOFTMAX, shape, y=(1 / 16, 255))
        judge_unary(judge, rng, "L2_NORMALIZATION", Op.L2_NORMALIZATION, shape, options_of("L2Norm"), y=(1 / 128, 128))
        judge_unary(judge, rng, "SOFTMAX", Op.SOFTMAX, shape, options_of("Softmax", beta=float(rng.uniform(0.5, 2))), y=(1 / 256, 0))
        judge_unary(judge, rng, "HARD_SWISH", Op.HARD_SWISH, shape, options_of("HardSwish"), version=1, scale=rng.uniform(0.005, 0.2))
        judge_unary(judge, rng, "ELU", Op.ELU, shape, dtypes=[np.int8], version=1)
        judge_unary(judge, rng, "QUANTIZE", Op.QUANTIZE, shape, options_of("Quantize"))
        judge_unary(judge, rng, "LEAKY_RELU", Op.LEAKY_RELU, shape, options_of("LeakyRelu", alpha=float(rng.uniform(-0.5, 1.5))))
        judge_unary(judge, rng, "RELU", Op.RELU, shape)


def judge_types(judge, rng):
    """Codes of one type to the other, and floats of any count."""
    for number in range(12):
        count, (from_type, to_type) = int(rng.integers(1, 70)), [(np.uint8, np.int8), (np.int8, np.uint8)][number % 2]
        file = IntegerFile()
        x, y = file.codes(rng, [1, count], from_type), file.codes(rng, [1, count], to_type)
        file.operator(Op.QUANTIZE, [x], [y], options_of("Quantize"))
        judge_file(judge, f"QUANTIZE between types {number}: {count}", file, random_codes(rng, [1, count], from_type), [x], [y])
        file = IntegerFile()
        x, y = file.codes(rng, [1, count], from_type), file.tensor([1, count])
        file.operator(Op.DEQUANTIZE, [x], [y], options_of("Dequantize"), version=2)
        judge_file(judge, f"{np.dtype(from_type).name} DEQUANTIZE {number}: {count}", file, random_codes(rng, [1, count], from_type), [x], [y])
        file = IntegerFile()
        x, y = file.tensor([1, count]), file.codes(rng, [1, count], from_type)
        file.operator(Op.QUANTIZE, [x], [y], options_of("Quantize"))
        given = (rng.standard_normal((1, count)) * 5).astype(np.float32)
        given[:, ::3] = (np.round(given[:, ::3] / file.scale_of(y)) + 0.5) * file.scale_of(y)  # near halves
        judge_file(judge, f"{np.dtype(from_type).name} QUANTIZE of floats {number}: {count}", file, given, [x], [y])


def judge_reductions(judge, rng):
    for number in range(32):
        dtype, (code, name) = BYTES[number % 2], [(Op.MEAN, "MEAN"), (Op.SUM, "SUM"), (Op.REDUCE_MAX, "REDUCE_MAX"), (Op.REDUCE_MIN, "REDUCE_MIN")][number // 2 % 4]
        shape = [int(size) for size in rng.integers(1, 9, 3)] + [int(rng.integers(1, 40))]
        axes = [[1, 2], [1, 2], [3], [2], [1, 2, 3], [-1], [2, 1], [0]][int(rng.integers(8))]
        keep = bool(rng.integers(2))
        reduced = {axis % 4 for axis in axes}
        out = [1 if axis in reduced else size for axis, size in enumerate(shape) if keep or axis not in reduced]
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        keeps_code = code in (Op.REDUCE_MAX, Op.REDUCE_MIN)
        y = file.codes(rng, out, dtype, file.scale_of(x) if keeps_code else file.scale_of(x) * rng.uniform(0.5, 4), file.zero_of(x) if keeps_code else None)
        file.operator(code, [x, file.constant(np.array(axes, np.int32))], [y], options_of("Reducer", keepDims=keep), version=2)
        judge_file(judge, f"{np.dtype(dtype).name} {name} {number}: {shape} over {axes}", file, random_codes(rng, shape, dtype), [x], [y])


def judge_resizes(judge, rng):
    for number in range(24):
        dtype = BYTES[number % 2]
        size, target, channels = rng.integers(1, 9, 2), rng.integers(1, 20, 2), int(rng.integers(1, 12))
        grid = number // 2 % 3
        file = IntegerFile()
        shape, out = [2, *map(int, size), channels], [2, *map(int, target), channels]
        x = file.codes(rng, shape, dtype)
        y = file.codes(rng, out, dtype, file.scale_of(x), file.zero_of(x))
        options = options_of("ResizeBilinear", alignCorners=grid == 1, halfPixelCenters=grid == 2)
        file.operator(Op.RESIZE_BILINEAR, [x, file.constant(np.array(target, np.int32))], [y], options, version=3)
        judge_file(judge, f"{np.dtype(dtype).name} RESIZE_BILINEAR {number}: {size} to {target}, grid {grid}", file, random_codes(rng, shape, dtype), [x], [y])
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        y = file.codes(rng, out, dtype, file.scale_of(x), file.zero_of(x))
        options = options_of("ResizeNearestNeighbor", alignCorners=grid == 1, halfPixelCenters=grid == 2)
        file.operator(Op.RESIZE_NEAREST_NEIGHBOR, [x, file.constant(np.array(target, np.int32))], [y], options, version=3)
        judge_file(judge, f"{np.dtype(dtype).name} RESIZE_NEAREST_NEIGHBOR {number}: {size} to {target}, grid {grid}", file, random_codes(rng, shape, dtype),
                   [x], [y])


def judge_transposed(judge, rng):
    for number in range(32):
        dtype, padding = BYTES[number % 2], [SAME, VALID][int(rng.integers(2))]
        batch, size, kernel, stride = int(rng.integers(1, 3)), rng.integers(1, 7, 2), rng.integers(1, 5, 2), rng.integers(1, 4, 2)
        if padding == SAME:
            kernel = np.maximum(kernel, stride)
        channels, out = int(rng.integers(1, 20)), int(rng.integers(1, 30))
        target = size * stride if padding == SAME else (size - 1) * stride + kernel
        file = IntegerFile()
        x = file.codes(rng, [batch, *size, channels], dtype)
        weights, scales = file.kernel(rng, [out, *kernel, channels], dtype, 0)
        shape = [batch, int(target[0]), int(target[1]), out]
        inputs = [file.constant(np.array(shape, np.int32)), weights, x]
        if number % 4 < 2:
            inputs.append(file.bias(rng, x, scales, out))
        y = file.codes(rng, shape, dtype, scale=rng.uniform(0.05, 0.5))
        options = options_of("TransposeConv", padding=padding, strideH=int(stride[0]), strideW=int(stride[1]))
        file.operator(Op.TRANSPOSE_CONV, inputs, [y], options, version=3)
        name = f"{np.dtype(dtype).name} TRANSPOSE_CONV {number}: {size}x{channels} to {shape}, kernel {kernel}, stride {stride}"
        judge_file(judge, name, file, random_codes(rng, [batch, *size, channels], dtype), [x], [y])


def judge_more_kernels(judge, rng):
    """Convolutions of groups, matrices with a scale per row or without a bias."""
    for number in range(24):
        dtype, kind = BYTES[number % 2], number // 2 % 3
        file = IntegerFile()
        groups = int(rng.integers(2, 4)) if kind == 1 else 1
        channels, out = groups * int(rng.integers(1, 12)), groups * int(rng.integers(1, 20))
        if kind == 2:
            shape, kernel, result = [3, channels], [out, channels], [3, out]
        else:
            shape, kernel, result = [1, 5, 6, channels], [out, 3, 3, channels // groups], [1, 5, 6, out]
        x = file.codes(rng, shape, dtype)
        weights, scales = file.kernel(rng, kernel, dtype, 0)
        inputs = [x, weights, *([file.bias(rng, x, scales, out)] if kind < 2 or number % 4 > 1 else [])]
        y = file.codes(rng, result, dtype, scale=rng.uniform(0.05, 0.5))
        if kind == 2:
            file.operator(Op.FULLY_CONNECTED, inputs, [y], options_of("FullyConnected"), version=6 if len(inputs) == 2 else 4)
        else:
            file.operator(Op.CONV_2D, inputs, [y], options_of("Conv2D", padding=SAME, strideH=1, strideW=1), version=3)
        judge_file(judge, f"{np.dtype(dtype).name} kernel {number}: kind {kind}, {kernel}, {len(inputs)} inputs", file, random_codes(rng, shape, dtype), [x], [y])


def judge_two_operands(judge, rng):
    for number in range(24):
        kind, dtype = number % 4, BYTES[number // 4 % 2]
        file = IntegerFile()
        if kind == 0:  # the product of two computed tensors
            rows, inner, columns, turns = int(rng.integers(1, 8)), int(rng.integers(1, 30)), int(rng.integers(1, 20)), [bool(rng.integers(2)) for _ in range(2)]
            a = [2, inner, rows] if turns[0] else [2, rows, inner]
            b = [2, columns, inner] if turns[1] else [2, inner, columns]
            x = file.codes(rng, a, np.int8)
            w = file.constant(random_codes(rng, b, np.int8), scales=[rng.uniform(0.01, 0.1)])
            file.quantize(w, [file.scale_of(w)], int(rng.integers(-5, 5)) if number % 8 < 4 else 0)
            y = file.codes(rng, [2, rows, columns], np.int8, scale=rng.uniform(0.1, 1.0))
            file.operator(Op.BATCH_MATMUL, [x, w], [y], options_of("BatchMatMul", adjX=turns[0], adjY=turns[1]), version=2)
            judge_file(judge, f"BATCH_MATMUL {number}: {a} by {b}", file, random_codes(rng, a, np.int8), [x], [y])
            continue
        shape = [1, *map(int, rng.integers(1, 6, 2)), int(rng.integers(1, 20))]
        x = file.codes(rng, shape, np.int8 if kind == 2 else dtype)
        type_of = np.int8 if kind == 2 else dtype
        if kind == 1:
            code, name, options, other = Op.PRELU, "PRELU", None, [1, 1, shape[3]]
        elif kind == 2:
            code, name, options, other = Op.SQUARED_DIFFERENCE, "SQUARED_DIFFERENCE", None, shape
        else:
            code, name, options, other = [(Op.MAXIMUM, "MAXIMUM"), (Op.MINIMUM, "MINIMUM")][number // 8 % 2] + (options_of("MaximumMinimum"), shape)
        b = file.constant(random_codes(rng, other, type_of), scales=[file.scale_of(x) if kind == 3 else rng.uniform(0.01, 0.05)])
        file.quantize(b, [file.scale_of(b)], file.zero_of(x) if kind == 3 else int(rng.integers(np.iinfo(type_of).min, np.iinfo(type_of).max)))
        y = file.codes(rng, shape, type_of, file.scale_of(x) if kind == 3 else file.scale_of(x) * rng.uniform(0.5, 2), file.zero_of(x) if kind == 3 else None)
        file.operator(code, [x, b], [y], options, version=1 if kind == 1 else 2)
        judge_file(judge, f"{np.dtype(type_of).name} {name} {number}: {shape} and {other}", file, random_codes(rng, shape, type_of), [x], [y])


def judge_more_moves(judge, rng):
    def constant(file, values):
        return file.constant(np.array(values, np.int32))

    moves = [
        ("SLICE", Op.SLICE, [2, 2, 3, 4], lambda f: [constant(f, [0, 1, 2, 1]), constant(f, [2, 2, 3, 4])], "Slice"),
        ("SPACE_TO_DEPTH", Op.SPACE_TO_DEPTH, [2, 2, 3, 20], lambda f: [], ("SpaceToDepth", {"blockSize": 2})),
        ("GATHER", Op.GATHER, [2, 4, 3, 5], lambda f: [constant(f, [5, 0, 2])], ("Gather", {"axis": 2})),
        ("EXPAND_DIMS", Op.EXPAND_DIMS, [2, 4, 1, 6, 5], lambda f: [constant(f, [2])], "ExpandDims"),
        ("TILE", Op.TILE, [2, 4, 12, 5], lambda f: [constant(f, [1, 1, 2, 1])], "Tile"),
        ("MIRROR_PAD", Op.MIRROR_PAD, [2, 6, 8, 5], lambda f: [constant(f, [[0, 0], [1, 1], [1, 1], [0, 0]])], ("MirrorPad", {"mode": 0})),
        ("SPACE_TO_BATCH_ND", Op.SPACE_TO_BATCH_ND, [8, 3, 3, 5], lambda f: [constant(f, [2, 2]), constant(f, [[1, 1], [0, 0]])], "SpaceToBatchND"),
        ("BROADCAST_TO", Op.BROADCAST_TO, [3, 2, 4, 6, 5], lambda f: [constant(f, [3, 2, 4, 6, 5])], "BroadcastTo"),
        ("BATCH_TO_SPACE_ND", Op.BATCH_TO_SPACE_ND, [1, 4, 11, 5], lambda f: [constant(f, [1, 2]), constant(f, [[0, 0], [0, 1]])], "BatchToSpaceND"),
    ]
    for number, (name, code, out, operands, options) in enumerate(moves * 2):
        dtype, shape = BYTES[number // len(moves)], [2, 4, 6, 5]
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        y = file.codes(rng, out, dtype, file.scale_of(x), file.zero_of(x))
        table, fields = options if isinstance(options, tuple) else (options, {})
        file.operator(code, [x, *operands(file)], [y], options_of(table, **fields), version=1 if name == "EXPAND_DIMS" else 2)
        judge_file(judge, f"{np.dtype(dtype).name} {name}", file, random_codes(rng, shape, dtype), [x], [y])
    for dtype in BYTES:
        shape = [1, 4, 6, 8]
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        value = file.constant(random_codes(rng, [1], dtype), scales=[file.scale_of(x)])
        file.quantize(value, [file.scale_of(x)], file.zero_of(x))
        y = file.codes(rng, [1, 6, 7, 8], dtype, file.scale_of(x), file.zero_of(x))
        file.operator(Op.PADV2, [x, constant(file, [[0, 0], [1, 1], [0, 1], [0, 0]]), value], [y], options_of("PadV2"), version=2)
        judge_file(judge, f"{np.dtype(dtype).name} PADV2", file, random_codes(rng, shape, dtype), [x], [y])
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        parts = [file.codes(rng, [1, 4, 6, 4], dtype, file.scale_of(x), file.zero_of(x)) for _ in range(2)]
        file.operator(Op.SPLIT, [constant(file, 3), x], parts, options_of("Split", numSplits=2), version=2)
        judge_file(judge, f"{np.dtype(dtype).name} SPLIT", file, random_codes(rng, shape, dtype), [x], parts)
        file = IntegerFile()
        x = file.codes(rng, shape, dtype)
        y = file.codes(rng, [1, 8, 12, 2], dtype, file.scale_of(x), file.zero_of(x))
        file.operator(Op.DEPTH_TO_SPACE, [x], [y], options_of("DepthToSpace", blockSize=2), version=1)
        judge_file(judge, f"{np.dtype(dtype).name} DEPTH_TO_SPACE", file, random_codes(rng, shape, dtype), [x], [y])


def noise_of(rng, detail, step):
    """The noisier, the smaller `step`."""
    low = np.iinfo(detail["dtype"]).min
    noise = random_codes(rng, detail["shape"], detail["dtype"]).astype(np.int32) - low
    return (noise * (3 - step) // 3 + low).astype(detail["dtype"])


def judge_networks(judge, rng):
    """Real files on random pictures, and the demo's on the detector."""
    names = ["classifiers/mobilenet_v1_0.25_224_quant", "classifiers/vww_96_int8", "detectors/coco_ssd_mobilenet_v1_quant"]
    for name in names if judge.shared else []:
        path = os.path.join(judge.shared, "models", name + ".tflite")
        detail = Interpreter(path).get_input_details()[0]
        scale, zero = detail["quantization"]
        for number in range(3):
            judge.case(f"{name} {number}", check_codes, judge, path, noise_of(rng, detail, number), scale, zero, (True, False))


def main():
    judge = Judge(__doc__)
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED} (VP_SEED)", flush=True)
    for part in (judge_convolutions, judge_matrices, judge_more_kernels, judge_transposed, judge_pools, judge_functions, judge_rows, judge_types, judge_float_ends,
                 judge_binaries, judge_two_operands, judge_reductions, judge_resizes, judge_moves, judge_more_moves, judge_networks):
        part(judge, rng)
    judge.close()


if __name__ == "__main__":
    main()
