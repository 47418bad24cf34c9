"""TensorFlow's graphs of float32 computed in float64, to tell whose rounding a difference of two float32 results is."""
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
SINGLE, DOUBLE = tf.float32.as_datatype_enum, tf.float64.as_datatype_enum
FLOAT_ONLY = ("LRN", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


def in_double(graph):
    """The same nodes by the same names, every float32 a float64. What TensorFlow computes in float32 alone is put together from other
    operators (batch norms), cast afterwards (ResizeBilinear) or between casts (which boxes are suppressed, LRN, simulated quantization)."""
    wide = tf1.GraphDef()
    wide.versions.CopyFrom(graph.versions)
    for node in graph.node:
        if node.op in NORMS:
            add_norm(wide, node)
            continue
        copy = wide.node.add()
        copy.CopyFrom(node)
        if node.op in FLOAT_ONLY:
            copy.name += "/float"
            for i in range(len(node.input)):
                copy.input[i] = add(wide, f"{node.name}/float{i}", "Cast", [node.input[i]], SrcT=DOUBLE, DstT=SINGLE)
            add(wide, node.name, "Cast", [copy.name], SrcT=SINGLE, DstT=DOUBLE)
            continue
        if node.op.startswith("NonMaxSuppression"):
            for i in range(len(node.input)):
                if i != 2:  # the number of boxes
                    copy.input[i] = add(wide, f"{node.name}/float{i}", "Cast", [node.input[i]], SrcT=DOUBLE, DstT=SINGLE)
            continue
        if node.op == "Const" and node.attr["dtype"].type == SINGLE:
            values = tf1.make_ndarray(node.attr["value"].tensor).astype(np.float64)
            copy.attr["value"].tensor.CopyFrom(tf1.make_tensor_proto(values))
        for value in copy.attr.values():
            if value.type == SINGLE:
                value.type = DOUBLE
            for i, kind in enumerate(value.list.type):
                if kind == SINGLE:
                    value.list.type[i] = DOUBLE
        if node.op == "ResizeBilinear":
            copy.name += "/float"
            add(wide, node.name, "Cast", [copy.name], SrcT=SINGLE, DstT=DOUBLE)
    return wide


def add(graph, name, op, inputs, **types):
    node = graph.node.add(name=name, op=op, input=inputs)
    for key, kind in types.items():
        node.attr[key].type = kind
    return name


def add_norm(wide, node):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset"""
    x, scale, offset, mean, variance = node.input
    epsilon = add(wide, f"{node.name}/epsilon", "Const", [], dtype=DOUBLE)
    wide.node[-1].attr["value"].tensor.CopyFrom(tf1.make_tensor_proto(float(node.attr["epsilon"].f), tf.float64))
    sum_ = add(wide, f"{node.name}/sum", "AddV2", [variance, epsilon], T=DOUBLE)
    root = add(wide, f"{node.name}/root", "Rsqrt", [sum_], T=DOUBLE)
    factor = add(wide, f"{node.name}/factor", "Mul", [root, scale], T=DOUBLE)
    centred = add(wide, f"{node.name}/centred", "Sub", [x, mean], T=DOUBLE)
    scaled = add(wide, f"{node.name}/scaled", "Mul", [centred, factor], T=DOUBLE)
    add(wide, node.name, "AddV2", [scaled, offset], T=DOUBLE)
