"""Random ONNX graphs of one operator each, for check_onnx.py: parameters, ranks and opsets are drawn.

GENERATORS: (operator, function that adds it to a Network).
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

GENERATORS = []
IR_OF = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10}


def operator(name, least=7):
    def register(make):
        def begin(network):
            network.opset = int(network.rng.integers(least, 23))
            make(network)
        GENERATORS.append((name, begin))
        return make
    return register


class Network:
    """A graph of one node from "x" to "y"."""

    def __init__(self, rng):
        self.rng, self.given, self.constants, self.nodes, self.opset, self.limit = rng, {}, [], [], 17, 1e-4
        self.inputs, self.outputs = [], ["y"]

    def value(self, shape, name="x", low=-2.0, high=2.0, dtype=np.float32):
        array = self.rng.uniform(low, high, shape).astype(dtype)
        self.given[name] = array
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(array.shape)))
        return name

    def constant(self, array, name):
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, values, name):
        return self.constant(np.asarray(values, np.int64), name)

    def floats(self, shape, name, low=-1.0, high=1.0):
        return self.constant(self.rng.uniform(low, high, shape).astype(np.float32), name)

    def node(self, op, inputs, outputs=("y",), **attributes):
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, inputs, list(outputs), **attributes))

    def sizes(self, rank, low=1, high=6):
        return [int(n) for n in self.rng.integers(low, high + 1, rank)]

    def rank(self, low=1, high=5):
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def coin(self):
        return bool(self.rng.integers(2))

    def finish(self):
        outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in self.outputs]
        for output in outputs:
            output.ClearField("type")
        graph = helper.make_graph(self.nodes, "generated", self.inputs, outputs, self.constants)
        return helper.make_model(graph, ir_version=max(IR_OF[self.opset], 4), opset_imports=[helper.make_opsetid("", self.opset)])


def window(net, spatial, size):
    kernel = [int(n) for n in net.rng.integers(1, 4, spatial)]
    strides = [int(n) for n in net.rng.integers(1, 4, spatial)]
    attributes = {"kernel_shape": kernel, "strides": strides}
    kind = net.pick("none", "pads", "SAME_UPPER", "SAME_LOWER", "VALID")
    if kind == "pads":
        attributes["pads"] = [int(net.rng.integers(0, k)) for k in kernel] + [int(net.rng.integers(0, k)) for k in kernel]
    elif kind != "none":
        attributes["auto_pad"] = kind
    return kernel, attributes


@operator("Conv")
def conv(net):
    spatial = net.pick(1, 2, 2, 2)
    groups = net.pick(1, 1, 2, 4)
    inputs, outputs = groups * int(net.rng.integers(1, 4)), groups * int(net.rng.integers(1, 4))
    if net.coin() and groups > 1:
        inputs = groups  # depthwise
    kernel, attributes = window(net, spatial, 8)
    if attributes.get("auto_pad", "VALID") == "VALID" and net.coin():
        attributes["dilations"] = [int(n) for n in net.rng.integers(1, 3, spatial)]
    x = net.value([int(net.rng.integers(1, 3)), inputs] + net.sizes(spatial, 6, 12))
    names = [x, net.floats([outputs, inputs // groups] + kernel, "w")]
    if net.coin():
        names.append(net.floats([outputs], "b"))
    net.node("Conv", names, group=groups, **attributes)


@operator("ConvTranspose")
def conv_transpose(net):
    groups = net.pick(1, 1, 2)
    inputs, outputs = groups * int(net.rng.integers(1, 4)), int(net.rng.integers(1, 4))
    kernel = [int(n) for n in net.rng.integers(1, 4, 2)]
    strides = [int(n) for n in net.rng.integers(1, 4, 2)]
    attributes = {}
    if net.coin():
        attributes["output_padding"] = [int(net.rng.integers(0, s)) for s in strides]
    if net.coin():
        attributes["pads"] = [int(net.rng.integers(0, k)) for k in kernel + kernel]
    x = net.value([1, inputs] + net.sizes(2, 4, 7))
    names = [x, net.floats([inputs, outputs] + kernel, "w")] + ([net.floats([groups * outputs], "b")] if net.coin() else [])
    net.node("ConvTranspose", names, group=groups, kernel_shape=kernel, strides=strides, **attributes)


@operator("MaxPool", 8)
def max_pool(net):
    spatial = net.pick(1, 2, 2, 3)
    kernel, attributes = window(net, spatial, 8)
    if net.opset >= 10 and "auto_pad" not in attributes:
        attributes["ceil_mode"] = int(net.coin())
        if net.coin():
            attributes["dilations"] = [int(n) for n in net.rng.integers(1, 3, spatial)]
    net.node("MaxPool", [net.value([1, 3] + net.sizes(spatial, 7, 12))], **attributes)


@operator("AveragePool", 7)
def average_pool(net):
    spatial = net.pick(1, 2, 2)
    kernel, attributes = window(net, spatial, 8)
    attributes["count_include_pad"] = int(net.coin())
    net.node("AveragePool", [net.value([1, 3] + net.sizes(spatial, 7, 12))], **attributes)


@operator("GlobalPool")
def global_pool(net):
    net.node(net.pick("GlobalAveragePool", "GlobalMaxPool"), [net.value([2, 3] + net.sizes(net.pick(1, 2, 3)))])


UNARY = ["Abs", "Neg", "Ceil", "Floor", "Exp", "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Elu", "LeakyRelu", "Selu", "HardSigmoid", "ThresholdedRelu",
         "Reciprocal"]


@operator("Unary")
def unary(net):
    net.node(net.pick(*UNARY), [net.value(net.sizes(net.rank(0, 5)))])


@operator("Root")
def root(net):
    net.node(net.pick("Sqrt", "Log"), [net.value(net.sizes(net.rank(1, 5)), low=0.1, high=4)])


@operator("LaterUnary", 20)
def later_unary(net):
    net.node(net.pick("HardSwish", "Mish", "Gelu", "Erf", "Sign", "Celu", "Round"), [net.value(net.sizes(net.rank(1, 5)))])


@operator("Binary")
def binary(net):
    rank = net.rank(1, 5)
    shape = net.sizes(rank)
    other = [1 if net.rng.random() < 0.4 else n for n in shape][int(net.rng.integers(0, rank)):]
    names = [net.value(shape), net.floats(other, "b", 0.5, 2.0) if net.coin() else net.value(other, "b", 0.5, 2.0)]
    net.node(net.pick("Add", "Sub", "Mul", "Div"), names if net.coin() else names[::-1])


@operator("Extremes", 8)
def extremes(net):
    shape = net.sizes(net.rank(1, 5))
    net.node(net.pick("Max", "Min", "Sum", "Mean"), [net.value(shape), net.value(shape[-1:], "b"), net.value(shape, "c")])


@operator("Compare", 12)
def compare(net):
    shape = net.sizes(net.rank(1, 4))
    net.node(net.pick("Greater", "Less", "GreaterOrEqual", "LessOrEqual"), [net.value(shape), net.value(shape, "b")], ["t"])
    net.node("Where", ["t", "x", "b"])


@operator("Power", 12)
def power(net):
    net.node("Pow", [net.value(net.sizes(net.rank()), low=0.1), net.constant(np.float32(net.pick(0.5, 2.0, 3.0, -1.0)), "e")])


@operator("Clip", 11)
def clip(net):
    low = net.constant(np.float32(-1.0), "low") if net.coin() else ""
    high = net.constant(np.float32(net.pick(1.0, 6.0)), "high") if net.coin() else ""
    net.node("Clip", [net.value(net.sizes(net.rank())), low, high])


@operator("PRelu")
def prelu(net):
    shape = net.sizes(net.pick(2, 3, 4, 5), 2, 5)
    slope = net.pick([1], [shape[1]] + [1] * (len(shape) - 2), shape[-1:])
    net.node("PRelu", [net.value(shape), net.floats(slope, "slope")])


@operator("BatchNormalization", 9)
def batch_norm(net):
    channels = int(net.rng.integers(1, 6))
    shape = [2, channels] + net.sizes(net.pick(0, 1, 2, 2, 3))
    net.node("BatchNormalization", [net.value(shape), net.floats([channels], "s"), net.floats([channels], "b"), net.floats([channels], "m"),
                                    net.floats([channels], "v", 0.1, 2.0)], epsilon=1e-3)


@operator("InstanceNormalization")
def instance_norm(net):
    channels = int(net.rng.integers(1, 6))
    shape = [2, channels] + net.sizes(net.pick(1, 2, 2, 3), 3, 6)
    net.node("InstanceNormalization", [net.value(shape), net.floats([channels], "s"), net.floats([channels], "b")])
    net.limit = 1e-3


@operator("LayerNormalization", 17)
def layer_norm(net):
    shape = net.sizes(net.rank(2, 4), 2, 6)
    axis = int(net.rng.integers(1, len(shape)))
    names = [net.value(shape), net.floats(shape[axis:], "s")] + ([net.floats(shape[axis:], "b")] if net.coin() else [])
    net.node("LayerNormalization", names, axis=axis - len(shape) if net.coin() else axis)
    net.limit = 1e-3


@operator("LRN")
def lrn(net):
    net.node("LRN", [net.value([1, 7, 3, 4])], size=net.pick(1, 3, 5), alpha=0.1, beta=net.pick(0.5, 0.75), bias=1.5)


@operator("Softmax", 7)
def softmax(net):
    rank = net.rank(1, 5)
    axis = int(net.rng.integers(0, rank)) if net.opset >= 13 or rank == 1 else int(net.rng.integers(0, rank))
    net.node(net.pick("Softmax", "LogSoftmax", "Hardmax"), [net.value(net.sizes(rank))], axis=axis)


@operator("Reduce", 11)
def reduce(net):
    rank = net.rank(1, 5)
    op = net.pick("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp")
    axes = sorted(int(a) for a in net.rng.choice(rank, int(net.rng.integers(1, rank + 1)), replace=False))
    if net.coin():
        axes = [a - rank for a in axes]
    x, keeps = net.value(net.sizes(rank), low=0.5), int(net.coin())
    since = 13 if op == "ReduceSum" else 18
    if net.coin():
        net.node(op, [x], keepdims=keeps)
    elif net.opset >= since:
        net.node(op, [x, net.ints(axes, "axes")], keepdims=keeps)
    else:
        net.node(op, [x], keepdims=keeps, axes=axes)


@operator("Extreme", 12)
def extreme(net):
    rank = net.rank(1, 5)
    net.node(net.pick("ArgMax", "ArgMin"), [net.value(net.sizes(rank))], axis=int(net.rng.integers(-rank, rank)), keepdims=int(net.coin()),
             select_last_index=int(net.coin()))


@operator("Reshape")
def reshape(net):
    shape = net.sizes(net.rank(2, 5))
    count = int(np.prod(shape))
    target = net.pick([-1], [1, -1], [0, -1], [count, 1, 1, 1], [0] * len(shape), [shape[0], -1, 1, 1])
    net.node("Reshape", [net.value(shape), net.ints(target, "shape")])


@operator("Flatten", 11)
def flatten(net):
    rank = net.rank(1, 5)
    net.node("Flatten", [net.value(net.sizes(rank))], axis=int(net.rng.integers(-rank, rank + 1)))


@operator("Transpose")
def transpose(net):
    rank = net.rank(1, 5)
    net.node("Transpose", [net.value(net.sizes(rank))], perm=[int(a) for a in net.rng.permutation(rank)] if net.coin() else None)


@operator("Squeeze", 11)
def squeeze(net):
    rank = net.rank(1, 4)
    shape = net.sizes(rank)
    places = sorted(int(a) for a in net.rng.choice(rank + 2, 2, replace=False))
    for place in places:
        shape.insert(place, 1)
    x = net.value(shape)
    if net.opset >= 13:
        net.node("Squeeze", [x, net.ints(places, "axes")], ["s"])
        net.node("Unsqueeze", ["s", net.ints([0, -1], "more")])
    else:
        net.node("Squeeze", [x], ["s"], axes=places)
        net.node("Unsqueeze", ["s"], axes=[0, len(shape) - 1])


@operator("Concat")
def concat(net):
    rank = net.rank(1, 5)
    axis, shape = int(net.rng.integers(0, rank)), net.sizes(rank)
    other = list(shape)
    other[axis] = int(net.rng.integers(1, 5))
    names = [net.value(shape), net.value(other, "b")] + ([net.floats(shape, "c")] if net.coin() else [])
    net.node("Concat", names, axis=axis if net.opset < 11 or net.coin() else axis - rank)


@operator("Split", 13)
def split(net):
    rank = net.rank(1, 5)
    axis, shape = int(net.rng.integers(0, rank)), net.sizes(rank)
    shape[axis] = 6
    net.outputs = ["y", "z"]
    sizes = net.pick([2, 4], [3, 3], [5, 1])
    net.node("Split", [net.value(shape), net.ints(sizes, "sizes")], ["y", "z"], axis=axis)


@operator("Slice", 10)
def slice_(net):
    rank = net.rank(1, 5)
    shape = net.sizes(rank, 2, 8)
    axes = [int(a) for a in net.rng.choice(rank, int(net.rng.integers(1, rank + 1)), replace=False)]
    starts, ends, steps = [], [], []
    for axis in axes:
        size = shape[axis]
        if net.rng.random() < 0.25:
            starts.append(net.pick(size - 1, -1, 1000)), ends.append(net.pick(-1000, -(2**63 - 1))), steps.append(-net.pick(1, 2))
        else:
            start = int(net.rng.integers(0, size))
            starts.append(net.pick(start, start - size)), ends.append(net.pick(size, 1000, 2**63 - 1)), steps.append(net.pick(1, 1, 2))
    net.node("Slice", [net.value(shape), net.ints(starts, "s"), net.ints(ends, "e"), net.ints(axes, "a"), net.ints(steps, "t")])


@operator("Pad", 11)
def pad(net):
    rank = net.rank(1, 5)
    mode = net.pick("constant", "constant", "edge", "reflect")
    shape = net.sizes(rank, 3, 6)
    low = -1 if mode == "constant" else 0
    pads = [int(n) for n in net.rng.integers(low, 3, 2 * rank)]
    names = [net.value(shape), net.ints(pads, "pads")] + ([net.constant(np.float32(1.5), "v")] if mode == "constant" and net.coin() else [])
    net.node("Pad", names, mode=mode)


@operator("Gather")
def gather(net):
    rank = net.rank(1, 5)
    shape, axis = net.sizes(rank, 2, 6), int(net.rng.integers(0, rank))
    low = -shape[axis] if net.opset >= 11 else 0
    net.node("Gather", [net.value(shape), net.ints(net.rng.integers(low, shape[axis], net.sizes(net.rank(0, 2))), "i")], axis=axis)


@operator("GatherElements", 11)
def gather_elements(net):
    rank = net.rank(1, 4)
    shape, axis = net.sizes(rank, 2, 5), int(net.rng.integers(0, rank))
    net.node("GatherElements", [net.value(shape), net.ints(net.rng.integers(-shape[axis], shape[axis], shape), "i")], axis=axis)


@operator("GatherND", 12)
def gather_nd(net):
    rank = net.rank(2, 5)
    shape = net.sizes(rank, 2, 4)
    batch = int(net.rng.integers(0, 2))
    depth = int(net.rng.integers(1, rank - batch + 1))
    rows = shape[:batch] + net.sizes(net.rank(1, 2), 1, 3)
    indices = np.stack([net.rng.integers(-shape[batch + d], shape[batch + d], rows) for d in range(depth)], -1)
    net.node("GatherND", [net.value(shape), net.ints(indices, "i")], batch_dims=batch)


@operator("Expand", 8)
def expand(net):
    rank = net.rank(1, 4)
    shape = [1 if net.coin() else n for n in net.sizes(rank)]
    target = net.sizes(net.rank(0, 1), 1, 3) + [n if n > 1 else net.pick(1, 3) for n in shape]
    net.node("Expand", [net.value(shape), net.ints(target, "shape")])


@operator("Tile")
def tile(net):
    rank = net.rank(1, 5)
    net.node("Tile", [net.value(net.sizes(rank, 1, 3)), net.ints(net.rng.integers(1, 3, rank), "n")])


@operator("MatMul")
def matmul(net):
    rank = net.rank(1, 5)
    batch, rows, inner, columns = net.sizes(max(rank - 2, 0), 1, 3), *net.sizes(3)
    a = batch + [rows, inner] if rank > 1 else [inner]
    b = net.pick([inner, columns], [inner], batch + [inner, columns], [1] * len(batch) + [inner, columns])
    net.node("MatMul", [net.value(a), net.floats(b, "w") if net.coin() else net.value(b, "w")])


@operator("Gemm")
def gemm(net):
    rows, inner, columns = net.sizes(3)
    ta, tb = int(net.coin()), int(net.coin())
    a, b = [inner, rows] if ta else [rows, inner], [columns, inner] if tb else [inner, columns]
    names = [net.value(a), net.floats(b, "w")]
    if net.opset < 11 or net.coin():
        names.append(net.floats(net.pick([columns], [1, columns], [rows, 1], [1]), "c"))
    net.node("Gemm", names, transA=ta, transB=tb, alpha=net.pick(1.0, 0.5), beta=net.pick(1.0, 2.0))


@operator("TopK", 11)
def top_k(net):
    rank = net.rank(1, 5)
    shape, axis = net.sizes(rank, 2, 6), int(net.rng.integers(0, rank))
    net.outputs = ["y", "i"]
    net.node("TopK", [net.value(shape), net.ints([int(net.rng.integers(1, shape[axis] + 1))], "k")], ["y", "i"], axis=axis, largest=int(net.coin()))


@operator("SpaceDepth")
def space_depth(net):
    block = net.pick(2, 3)
    if net.coin():
        net.node("SpaceToDepth", [net.value([1, 2, 2 * block, 3 * block])], blocksize=block)
    else:
        mode = net.pick("DCR", "CRD") if net.opset >= 11 else None
        net.node("DepthToSpace", [net.value([1, 2 * block * block, 2, 3])], blocksize=block, mode=mode)


@operator("Resize", 11)
def resize(net):
    shape = [1, 2] + net.sizes(2, 2, 6)
    mode = net.pick("nearest", "linear", "cubic")
    grids = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    attributes = {"mode": mode, "coordinate_transformation_mode": net.pick(*grids)}
    if mode == "nearest":
        attributes["nearest_mode"] = net.pick("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    if net.coin():
        sizes = net.ints(shape[:2] + net.sizes(2, 1, 9), "sizes")
        net.node("Resize", [net.value(shape), "", "", sizes], **attributes)
    else:
        scales = net.constant(np.asarray([1, 1, net.pick(2.0, 0.5, 1.5, 3.0), net.pick(2.0, 0.7, 1.0)], np.float32), "scales")
        net.node("Resize", [net.value(shape), "", scales], **attributes)


@operator("Quantize", 13)
def quantize(net):
    shape = net.sizes(net.rank(1, 4), 2, 5)
    axis = int(net.rng.integers(0, len(shape)))
    by_axis = net.coin()
    scale = net.floats([shape[axis]] if by_axis else [], "s", 0.01, 0.1)
    zero = net.constant(net.rng.integers(-5, 6, [shape[axis]] if by_axis else []).astype(net.pick(np.int8, np.int8)), "z")
    net.node("QuantizeLinear", [net.value(shape), scale, zero], ["q"], axis=axis)
    net.node("DequantizeLinear", ["q", scale, zero], axis=axis)
    net.limit = 2e-2  # a code may be the next one where the quotient is halfway


@operator("Cast", 9)
def cast(net):
    shape = net.sizes(net.rank(1, 4))
    net.node("Cast", [net.value(shape, low=-100, high=100)], ["c"], to=net.pick(TensorProto.INT32, TensorProto.INT64, TensorProto.INT8, TensorProto.BOOL))
    net.node("Cast", ["c"], to=TensorProto.FLOAT)


@operator("OneHot", 11)
def one_hot(net):
    rank = net.rank(1, 3)
    net.value(net.sizes(rank), low=0, high=5)
    net.node("Cast", ["x"], ["i"], to=TensorProto.INT64)
    net.node("OneHot", ["i", net.ints([5], "depth"), net.constant(np.asarray([-1, 2], np.float32), "ends")], axis=int(net.rng.integers(-rank - 1, rank + 1)))


@operator("Trilu", 14)
def trilu(net):
    net.node("Trilu", [net.value(net.sizes(net.rank(2, 4), 2, 5)), net.ints(int(net.rng.integers(-2, 3)), "k")], upper=int(net.coin()))


@operator("LpNormalization", 7)
def lp_normalization(net):
    rank = net.rank(1, 4)
    net.node("LpNormalization", [net.value(net.sizes(rank))], axis=int(net.rng.integers(0, rank)), p=net.pick(1, 2))


@operator("Shapes", 13)
def shapes(net):
    """An exporter's way of flattening."""
    shape = net.sizes(net.rank(2, 5))
    net.value(shape)
    net.node("Shape", ["x"], ["s"])
    net.node("Slice", ["s", net.ints([0], "zero"), net.ints([1], "one"), net.ints([0], "axis")], ["n"])
    net.node("Concat", ["n", net.ints([-1], "rest")], ["target"], axis=0)
    net.node("Reshape", ["x", "target"])
