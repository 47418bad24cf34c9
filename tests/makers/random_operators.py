"""TFLite files of one random operator, for the judge of runtimes: every type, rank and attribute that a runtime may refuse, legal or not."""
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_files import SAME, VALID, Op, TfliteFile, Type

FLOATS = [Type.FLOAT32] * 3 + [Type.FLOAT16]
VALUES = FLOATS + [Type.INT8] * 3 + [Type.UINT8] * 2 + [Type.INT16, Type.INT32, Type.INT64, Type.BOOL]
NUMPY = {Type.FLOAT32: np.float32, Type.FLOAT16: np.float16, Type.INT8: np.int8, Type.UINT8: np.uint8, Type.INT16: np.int16, Type.INT32: np.int32,
         Type.INT64: np.int64, Type.BOOL: np.bool_}
QUANTIZED = (Type.INT8, Type.UINT8, Type.INT16, Type.INT4, Type.INT2)

UNARY = ["ABS", "CEIL", "COS", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LOG", "NEG", "RELU", "RELU6", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIN", "SQRT",
         "SQUARE", "ELU", "LOGISTIC", "TANH", "RELU_0_TO_1", "SIGN", "ZEROS_LIKE", "LOGICAL_NOT"]
BINARY = ["ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "FLOOR_DIV", "FLOOR_MOD", "EQUAL", "NOT_EQUAL", "LESS", "GREATER",
          "LESS_EQUAL", "GREATER_EQUAL", "LOGICAL_AND"]
REDUCE = ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"]
COMPARE = {"EQUAL", "NOT_EQUAL", "LESS", "GREATER", "LESS_EQUAL", "GREATER_EQUAL", "LOGICAL_AND"}


class Maker:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.file = TfliteFile()

    def pick(self, choices):
        return choices[int(self.random.integers(len(choices)))]

    def chance(self, share):
        return self.random.random() < share

    def shape(self, rank):
        return [1] + [int(n) for n in self.random.integers(2, 6, max(rank - 1, 0))] if rank else []

    def quantize(self, tensor, scales, zero_points=None, axis=0):
        quantization = schema.QuantizationParametersT()
        quantization.scale = np.asarray(scales, np.float32)
        quantization.zeroPoint = np.asarray([0] * len(scales) if zero_points is None else zero_points, np.int64)
        quantization.quantizedDimension = axis
        self.file.graph.tensors[tensor].quantization = quantization

    def value(self, shape, kind, scale=None, zero_point=None):
        """A computed value; one of 8 or 16 bits mostly has a scale."""
        tensor = self.file.tensor(list(shape))
        self.file.graph.tensors[tensor].type = kind
        if kind in QUANTIZED and self.chance(0.95):
            zero = 0 if kind == Type.INT16 else int(self.random.integers(0, 100))
            axis = len(shape) - 1 if shape and self.chance(0.04) else 0
            self.quantize(tensor, [self.pick([0.05, 0.1, 0.5]) if scale is None else scale], [zero if zero_point is None else zero_point], axis)
        return tensor

    def weights(self, shape, kind, axis, share_per_channel=0.5):
        """A constant kernel: bytes of the right number, with one scale or one per channel."""
        count = int(np.prod(shape))
        bits = {Type.INT4: 4, Type.INT2: 2}.get(kind)
        size = (count * bits + 7) // 8 if bits else count * np.dtype(NUMPY[kind]).itemsize
        dtype = np.uint8
        values = self.random.integers(0, 3, size).astype(dtype) if kind in QUANTIZED else self.random.random(count).astype(NUMPY[kind]).view(dtype)
        tensor = self.file.constant(values, tensor_type=kind, shape=list(shape))
        if kind in QUANTIZED and self.chance(0.97):
            axis = int(self.random.integers(len(shape))) if self.chance(0.06) else axis
            per_channel = self.chance(share_per_channel)
            zero = int(self.random.integers(1, 5)) if self.chance(0.08) else 0
            scales = 0.01 + self.random.random(shape[axis] if per_channel else 1) * 0.1
            self.quantize(tensor, scales, [zero] * len(scales), axis if per_channel or self.chance(0.3) else 0)
        return tensor

    def bias(self, count, kind):
        tensor = self.file.constant(np.zeros(count, NUMPY[kind]), tensor_type=kind, shape=[count])
        if kind in (Type.INT32, Type.INT64) and self.chance(0.9):
            self.quantize(tensor, [0.001])
        return tensor

    def numbers(self, values, kind=np.int32, constant=True):
        values = np.asarray(values, kind)
        return self.file.constant(values) if constant else self.file.tensor(list(values.shape), kind)

    def activation(self):
        return self.pick([0, 0, 0, 1, 2, 3, 3, 4])

    def decoded(self, tensor):
        """The constant behind a DEQUANTIZE."""
        source = self.file.graph.tensors[tensor]
        output = self.file.tensor(list(source.shape))
        version = {Type.FLOAT16: 3, Type.INT4: 6, Type.INT2: 7}.get(source.type, 5 if source.quantization and len(source.quantization.scale) > 1 else 2)
        self.file.operator(Op.DEQUANTIZE, [tensor], [output], schema.DequantizeOptionsT(), version=version)
        return output


def bias_type(maker, value):
    natural = {Type.FLOAT32: Type.FLOAT32, Type.INT16: Type.INT64}.get(value, Type.INT32)
    return maker.pick([Type.FLOAT32, Type.INT32, Type.INT64, Type.FLOAT16]) if maker.chance(0.08) else natural


def kernel_type(maker, value):
    kinds = {Type.FLOAT32: [Type.FLOAT32] * 3 + [Type.INT8] * 3 + [Type.INT4] * 2 + [Type.FLOAT16],
             Type.INT8: [Type.INT8] * 6 + [Type.INT4, Type.FLOAT32], Type.INT16: [Type.INT8] * 3 + [Type.INT4],
             Type.UINT8: [Type.UINT8] * 4 + [Type.INT8]}
    return maker.pick(kinds.get(value, [Type.FLOAT32]))


def weighted_parts(maker, value, shape, axis, channels):
    kernel = maker.weights(shape, kernel_type(maker, value), axis)
    kind = maker.file.graph.tensors[kernel].type
    bias = maker.bias(channels, bias_type(maker, value)) if maker.chance(0.9) else None
    if value == Type.FLOAT32 and kind != Type.FLOAT32 and (kind == Type.FLOAT16 or maker.chance(0.4)):
        kernel = maker.decoded(kernel)
        if bias is not None and maker.chance(0.3):
            bias = maker.decoded(maker.bias(channels, Type.FLOAT16))
    return kernel, bias


def make_conv(maker):
    depthwise = maker.chance(0.4)
    value = maker.pick([Type.FLOAT32] * 4 + [Type.INT8] * 2 + [Type.UINT8, Type.INT16])
    channels, outputs, size = maker.pick([3, 4]), maker.pick([4, 8]), maker.pick([6, 7])
    kernel_size, stride = maker.pick([1, 3]), maker.pick([1, 2])
    outputs = channels * maker.pick([1, 2]) if depthwise else outputs
    shape = [1, kernel_size, kernel_size, outputs] if depthwise else [outputs, kernel_size, kernel_size, channels]
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding, options.strideW, options.strideH = maker.pick([SAME, VALID]), stride, stride
    options.dilationWFactor = options.dilationHFactor = 1
    options.fusedActivationFunction = maker.activation()
    if depthwise:
        options.depthMultiplier = outputs // channels
    kernel, bias = weighted_parts(maker, value, shape, 3 if depthwise else 0, outputs)
    out = (size + stride - 1) // stride if options.padding == SAME else (size - kernel_size) // stride + 1
    x, y = maker.value([1, size, size, channels], value), maker.value([1, out, out, outputs], value)
    inputs = [x, kernel] + ([bias] if bias is not None else maker.pick([[], [-1]]))
    maker.file.operator(Op.DEPTHWISE_CONV_2D if depthwise else Op.CONV_2D, inputs, [y], options, version=maker.pick([1, 2, 3, 5, 6]))
    return [x], [y]


def make_fully_connected(maker):
    value = maker.pick([Type.FLOAT32] * 5 + [Type.INT8] * 2 + [Type.UINT8, Type.INT16])
    columns, rows = maker.pick([4, 6, 7, 8]), maker.pick([1, 3, 8])
    kernel, bias = weighted_parts(maker, value, [rows, columns], 0, rows)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = maker.activation()
    x, y = maker.value([2, columns], value), maker.value([2, rows], value)
    inputs = [x, kernel] + ([bias] if bias is not None else maker.pick([[], [-1]]))
    maker.file.operator(Op.FULLY_CONNECTED, inputs, [y], options, version=maker.pick([1, 3, 5, 9, 10, 12, 13]))
    return [x], [y]


def make_transpose_conv(maker):
    value = maker.pick([Type.FLOAT32] * 4 + [Type.INT8, Type.UINT8, Type.INT16])
    size, stride, kernel_size = 4, maker.pick([1, 2, 3]), maker.pick([2, 3])
    options = schema.TransposeConvOptionsT()
    options.padding, options.strideW, options.strideH = maker.pick([SAME, VALID]), stride, stride
    options.fusedActivationFunction = maker.pick([0, 0, 1, 3, 4])
    out = size * stride if options.padding == SAME else (size - 1) * stride + kernel_size
    kernel, bias = weighted_parts(maker, value, [4, kernel_size, kernel_size, 3], 0, 4)
    x, y = maker.value([1, size, size, 3], value), maker.value([1, out, out, 4], value)
    shape = maker.numbers([1, out, out, 4])
    inputs = [shape, kernel, x] + ([bias] if bias is not None and maker.chance(0.6) else [])
    maker.file.operator(Op.TRANSPOSE_CONV, inputs, [y], options, version=3)
    return [x], [y]


def make_unary(maker):
    name, kind, shape = maker.pick(UNARY), maker.pick(VALUES), maker.shape(maker.pick([0, 1, 2, 4, 5, 6, 7]))
    kind = Type.BOOL if name.startswith("LOGICAL") else kind
    x = maker.value(shape, kind)
    y = maker.value(shape, kind, *((1 / 256, 0) if name == "LOGISTIC" and kind == Type.UINT8 else (1 / 256, -128) if name == "LOGISTIC" else
                                   (1 / 128, 128) if name == "TANH" and kind == Type.UINT8 else (1 / 128, 0) if name == "TANH" else ()))
    maker.file.operator(getattr(Op, name), [x], [y], schema.GeluOptionsT() if name == "GELU" else None, version=maker.pick([1, 1, 2]))
    return [x], [y]


def make_leaky(maker):
    kind, shape = maker.pick(VALUES[:9]), maker.shape(4)
    options = schema.LeakyReluOptionsT()
    options.alpha = maker.pick([0.1, 0.3, 0.0, -0.5, 1e-4])
    x, y = maker.value(shape, kind), maker.value(shape, kind)
    maker.file.operator(Op.LEAKY_RELU, [x], [y], options, version=2)
    return [x], [y]


def make_binary(maker):
    name, kind, shape = maker.pick(BINARY + ["ADD", "MUL", "SUB"] * 4), maker.pick(VALUES), maker.shape(maker.pick([1, 2, 4, 5, 6, 7]))
    kind = Type.BOOL if name.startswith("LOGICAL") else kind
    other = maker.pick([shape, shape, [], [1], shape[-1:], shape[1:]])
    x = maker.value(shape, kind)
    constant = kind in (Type.FLOAT32, Type.INT8) and maker.chance(0.3)
    b = maker.weights(other or [1], kind, 0, 0) if constant else maker.value(other, kind)
    y = maker.value(shape, Type.BOOL if name in COMPARE else kind, maker.pick([None, None, 1e-4, 50.0]))
    options = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT, "DIV": schema.DivOptionsT}.get(name)
    options = options() if options else None
    if options is not None:
        options.fusedActivationFunction = maker.activation()
    maker.file.operator(getattr(Op, name), [x, b], [y], options, version=maker.pick([1, 1, 2]))
    return [x] + ([] if constant else [b]), [y]


def make_prelu(maker):
    kind = maker.pick([Type.FLOAT32] * 3 + [Type.INT8, Type.FLOAT16])
    x, y = maker.value([1, 4, 4, 3], kind), maker.value([1, 4, 4, 3], kind)
    constant = maker.chance(0.7)
    slope = maker.weights([1, 1, 3], kind, 0, 0) if constant else maker.value([1, 1, 3], kind)
    if kind == Type.FLOAT32 and constant and maker.chance(0.3):
        slope = maker.decoded(maker.weights([1, 1, 3], Type.FLOAT16, 0))
    maker.file.operator(Op.PRELU, [x, slope], [y])
    return [x] + ([] if constant else [slope]), [y]


def make_pool(maker):
    kind, size = maker.pick(FLOATS + [Type.INT8] * 2 + [Type.UINT8, Type.INT16]), 6
    options = schema.Pool2DOptionsT()
    options.padding, options.filterWidth, options.filterHeight = maker.pick([SAME, VALID]), maker.pick([1, 2, 3]), maker.pick([1, 2, 3])
    options.strideW, options.strideH = maker.pick([1, 2, 3]), maker.pick([1, 2, 3])
    options.fusedActivationFunction = maker.activation()
    out = [(size + s - 1) // s if options.padding == SAME else (size - f) // s + 1
           for f, s in ((options.filterHeight, options.strideH), (options.filterWidth, options.strideW))]
    x = maker.value([1, size, size, 3], kind, 0.1, 3 if kind != Type.INT16 else 0)
    y = maker.value([1] + out + [3], kind, 0.1, 3 if kind != Type.INT16 else 0)
    maker.file.operator(maker.pick([Op.AVERAGE_POOL_2D, Op.MAX_POOL_2D, Op.L2_POOL_2D]), [x], [y], options, version=maker.pick([1, 2, 3]))
    return [x], [y]


def make_reduce(maker):
    kind, rank = maker.pick(VALUES), maker.pick([1, 2, 4, 5, 6, 7])
    shape = maker.shape(rank)
    axes = sorted(set(int(a) for a in maker.random.integers(0, rank, maker.pick([1, 1, 2, 3]))))
    options = schema.ReducerOptionsT()
    options.keepDims = maker.chance(0.5)
    out = [1 if i in axes else n for i, n in enumerate(shape) if options.keepDims or i not in axes]
    x, y = maker.value(shape, kind), maker.value(out, kind)
    constant = maker.chance(0.9)
    axis = maker.numbers([] if maker.chance(0.05) else axes, np.int64 if maker.chance(0.05) else np.int32, constant)
    maker.file.operator(getattr(Op, maker.pick(REDUCE)), [x, axis], [y], options, version=maker.pick([1, 2]))
    return [x] + ([] if constant else [axis]), [y]


def make_moves(maker):
    """Operators that move values: the shapes of their outputs follow from constants."""
    kind, name = maker.pick(VALUES), maker.pick(["RESHAPE", "TRANSPOSE", "PAD", "SLICE", "STRIDED_SLICE", "SPLIT", "CONCATENATION", "EXPAND_DIMS", "SQUEEZE",
                                                 "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TILE", "PACK", "GATHER"])
    same = (0.1, 0 if kind == Type.INT16 else 5)
    shape = [1, 4, 4, 4]
    x = maker.value(shape, kind, *same)
    known = maker.chance(0.9)
    outputs, inputs, options, out = 1, [x], None, shape
    if name == "RESHAPE":
        out = maker.pick([[1, 64], [64], [1, 4, 16], [4, 4, 4], [1, 1, 1, 1, 4, 4, 4]])
        given = maker.pick([out, [-1] + out[1:], [[n for n in out]]])
        options = schema.ReshapeOptionsT()
        options.newShape = out
        inputs = [x] if maker.chance(0.2) else [x, maker.numbers(given, np.int32, known)]
    elif name == "TRANSPOSE":
        inputs = [x, maker.numbers([0, 2, 1, 3], np.int32, known)]
    elif name == "PAD":
        pads = [[0, 0], [1, maker.pick([1, 1, 2])], [1, 0], [0, 0]]
        inputs, out = [x, maker.numbers(pads, maker.pick([np.int32, np.int32, np.int64]), known)], [n + sum(p) for n, p in zip(shape, pads)]
    elif name == "SLICE":
        sizes = [1, 2, maker.pick([2, -1]), 4]
        dtype = maker.pick([np.int32, np.int64])
        inputs, out = [x, maker.numbers([0, 1, 2, 0], dtype, known), maker.numbers(sizes, dtype, known)], [1, 2, 2, 4]
    elif name == "STRIDED_SLICE":
        options = schema.StridedSliceOptionsT()
        options.beginMask, options.endMask = maker.pick([0, 2, 15]), maker.pick([0, 15])
        stride = maker.pick([1, 1, 2])
        options.shrinkAxisMask = maker.pick([0, 0, 0, 1])
        inputs = [x] + [maker.numbers(v, np.int32, known) for v in ([0, 0, 0, 0], [1, 4, 4, 4], [1, stride, 1, 1])]
        out = ([] if options.shrinkAxisMask else [1]) + [4 // stride, 4, 4]
    elif name == "SPLIT":
        options = schema.SplitOptionsT()
        outputs = options.numSplits = maker.pick([1, 2, 4])
        inputs, out = [maker.numbers(3 if maker.chance(0.5) else [3], np.int32, known), x], [1, 4, 4, 4 // outputs]
    elif name == "CONCATENATION":
        options = schema.ConcatenationOptionsT()
        options.axis = maker.pick([3, -1])
        count = maker.pick([1, 2, 3, 5, 6])
        inputs = [x] + [maker.value(shape, kind, *(same if maker.chance(0.9) else (0.2, 0))) for _ in range(count - 1)]
        out = [1, 4, 4, 4 * count]
    elif name == "EXPAND_DIMS":
        inputs, out = [x, maker.numbers([1], np.int32, known)], [1, 1, 4, 4, 4]
    elif name == "SQUEEZE":
        options, out = schema.SqueezeOptionsT(), [4, 4, 4]
        options.squeezeDims = [0]
    elif name in ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"):
        options = schema.DepthToSpaceOptionsT() if name == "DEPTH_TO_SPACE" else schema.SpaceToDepthOptionsT()
        options.blockSize = 2
        out = [1, 8, 8, 1] if name == "DEPTH_TO_SPACE" else [1, 2, 2, 16]
    elif name.startswith("RESIZE"):
        options = schema.ResizeBilinearOptionsT() if name == "RESIZE_BILINEAR" else schema.ResizeNearestNeighborOptionsT()
        options.halfPixelCenters, options.alignCorners = maker.pick([(False, False), (True, False), (False, True)])
        inputs, out = [x, maker.numbers([7, 8], np.int32, known)], [1, 7, 8, 4]
    elif name == "TILE":
        inputs, out = [x, maker.numbers([1, 2, 1, 1], np.int32, known)], [1, 8, 4, 4]
    elif name == "PACK":
        options = schema.PackOptionsT()
        options.axis, options.valuesCount = 0, 1
        out = [1] + shape
    elif name == "GATHER":
        options = schema.GatherOptionsT()
        options.axis = 1
        inputs, out = [x, maker.numbers([0, 2], np.int32, known)], [1, 2, 4, 4]
    ys = [maker.value(out, kind, *(same if maker.chance(0.9) else (0.2, 0))) for _ in range(outputs)]
    maker.file.operator(getattr(Op, name), inputs, ys, options, version=maker.pick([1, 2]))
    constants = {i for i in inputs if maker.file.graph.tensors[i].buffer}
    return [i for i in dict.fromkeys(inputs) if i not in constants], ys


def make_softmax(maker):
    name, kind, shape = maker.pick(["SOFTMAX", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"]), maker.pick(VALUES[:9]), maker.shape(maker.pick([1, 2, 4, 5]))
    options = None
    if name == "SOFTMAX":
        options = schema.SoftmaxOptionsT()
        options.beta = maker.pick([1.0, 1.0, 0.5])
    x = maker.value(shape, kind)
    outs = {"SOFTMAX": (1 / 256, -128), "LOG_SOFTMAX": (16 / 256, 127), "L2_NORMALIZATION": (1 / 128, 0)}[name]
    if kind == Type.UINT8:
        outs = {"SOFTMAX": (1 / 256, 0), "LOG_SOFTMAX": (16 / 256, 255), "L2_NORMALIZATION": (1 / 128, 128)}[name]
    y = maker.value(shape, kind, *(outs if kind != Type.INT16 else (1 / 32768, 0)))
    maker.file.operator(getattr(Op, name), [x], [y], options, version=maker.pick([1, 2]))
    return [x], [y]


def make_quantize(maker):
    source, target = maker.pick(FLOATS + [Type.INT8, Type.UINT8, Type.INT16]), maker.pick([Type.INT8, Type.UINT8, Type.INT16])
    if maker.chance(0.4):
        x, y = maker.value([1, 4, 4, 3], target), maker.value([1, 4, 4, 3], maker.pick(FLOATS))
        maker.file.operator(Op.DEQUANTIZE, [x], [y], schema.DequantizeOptionsT(), version=2)
        return [x], [y]
    x, y = maker.value([1, 4, 4, 3], source, maker.pick([None, 1e-4, 40.0])), maker.value([1, 4, 4, 3], target)
    maker.file.operator(Op.QUANTIZE, [x], [y], schema.QuantizeOptionsT(), version=maker.pick([1, 2]))
    return [x], [y]


def make_matmul(maker):
    kind, rank = maker.pick([Type.FLOAT32] * 3 + [Type.INT8] * 2 + [Type.INT16]), maker.pick([2, 3, 4])
    options = schema.BatchMatMulOptionsT()
    options.adjX, options.adjY = maker.chance(0.2), maker.chance(0.4)
    batch = [1] * (rank - 3) + [2] * min(rank - 2, 1)
    a, b = ([5, 3] if options.adjX else [3, 5]), ([4, 5] if options.adjY else [5, 4])
    x = maker.value(batch + a, kind)
    constant = maker.chance(0.5)
    other = maker.pick([kind, Type.INT8]) if constant else kind
    z = maker.weights(batch + b, other, len(batch) + (0 if options.adjY else 1), 0.3) if constant else maker.value(batch + b, kind)
    y = maker.value(batch + [3, 4], kind)
    maker.file.operator(Op.BATCH_MATMUL, [x, z], [y], options, version=maker.pick([1, 2, 4]))
    return [x] + ([] if constant else [z]), [y]


MAKERS = [make_conv] * 5 + [make_fully_connected] * 4 + [make_transpose_conv] * 2 + [make_unary] * 4 + [make_leaky, make_prelu, make_softmax] + [make_binary] * 4 + \
    [make_pool] * 2 + [make_reduce] * 2 + [make_moves] * 6 + [make_quantize] * 2 + [make_matmul] * 2


def make_random_operator(seed, path):
    """Writes a file of one operator, perhaps behind a DEQUANTIZE of its constants. returns: the operator's name."""
    maker = Maker(seed)
    inputs, outputs = maker.pick(MAKERS)(maker)
    maker.file.write(path, inputs, outputs)
    code = maker.file.model.operatorCodes[-1].builtinCode
    return next(name for name, value in vars(Op).items() if value == code)
