#!/usr/bin/env python3
"""Judges the TFLite files that `visionpress convert` writes: LiteRT gives what TensorFlow gives for the frozen graph, and our own
reader and executor what LiteRT gives for the file.

    check_convert.py --tool build/release/visionpress --probe build/release/src/run/run_probe [--shared DIR]

Real graphs where they are at hand; pieces of the other generations are written by TensorFlow here (check_graphdef.py), and of what
is counted in a run. Every output lies within 1e-3 of the range of TensorFlow's, and of LiteRT's. The 8-bit form of TensorFlow 1.12 has the size of the original project's file.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from check_graphdef import PIECES, REAL, Pieces, fold_bitcasts, load, run_probe, run_tensorflow
from judge import DEMO, Judge

tf1 = tf.compat.v1
TOLERANCE = 1e-3
ORIGINAL_BYTES = 11_047_480  # of the original project's 8-bit file
SMALLEST = 1024  # elements of a weight that TensorFlow 1.12 stores in 8 bits


def convert(judge, path, size=(), options=()):
    out = judge.path(f"converted-{len(os.listdir(judge.folder))}.tflite")
    sizes = ["--input-size", f"{size[1]}x{size[0]}"] if size else []
    judge.run("convert", path, "-o", out, *sizes, *options)
    return out


def run_litert(path, given):
    net = Interpreter(path)
    entry = net.get_input_details()[0]
    net.allocate_tensors()
    net.set_tensor(entry["index"], given.astype(np.float32))
    net.invoke()
    # LiteRT hands out no tensor without elements.
    return [net.get_tensor(detail["index"]) if detail["shape"].all() else np.zeros(detail["shape"], detail["dtype"])
            for detail in net.get_output_details()]


def compare(ours, theirs, maker):
    assert len(theirs) == len(ours), f"{len(ours)} outputs, {maker}'s {len(theirs)}"
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        other = np.asarray(other)
        assert list(mine.shape) == list(other.shape), f"output {index} has shape {mine.shape}, {maker}'s {other.shape}"
        if other.size == 0:
            continue
        other = other.astype(np.float64)
        span = max(float(np.ptp(other)), 1e-6)
        worst = float(np.max(np.abs(mine - other)))
        assert np.isfinite(mine).all() and worst <= TOLERANCE * span, f"output {index} differs by {worst / span:.2e} of {maker}'s range"


def check(judge, path, given, size=()):
    written = convert(judge, path, size)
    lite = run_litert(written, given)
    compare(lite, run_tensorflow(load(path), given), "TensorFlow")
    compare([values for _, values in run_probe(judge, written, given, ())], lite, "LiteRT")


def comparisons(make):
    """All that gives truth values, on floats and on whole numbers, and casts of all of them."""
    x = make.image(1, 6, 5, 4)
    y = make.normal(1, 6, 5, 4) + 0.0 * x
    whole, other = tf.cast(x * 3, tf.int32), tf.cast(y * 9, tf.int32)
    truths = [operator(a, b) for a, b in ((x, y), (whole, other))
              for operator in (tf.greater, tf.greater_equal, tf.less, tf.less_equal, tf.equal, tf.not_equal)]
    truths += [tf.logical_or(truths[0], truths[2]), tf.logical_and(truths[1], tf.logical_not(truths[5])), tf.cast(whole, tf.bool)]
    results = [tf.cast(truth, tf.float32) for truth in truths] + [tf.sign(x), tf.round(x * 4), tf.cast(whole, tf.float32)]
    tf.concat(results, 3, name="truths")
    tf.cast(tf.cast(truths[0], tf.int32) + whole, tf.int64, name="whole")
    tf.identity(tf.where(truths[6], whole, other), name="chosen")


def gathers(make):
    x = make.image(1, 6, 5, 4)
    place = tf.argmax(tf.reshape(x, [30, 4]), 1)
    rows = tf.range(tf.constant(30, tf.int64))
    tf.gather_nd(tf.reshape(x, [30, 4]), tf.stack([rows, place], 1), name="largest")
    values, order = tf.math.top_k(tf.reshape(x, [-1]), 7)
    tf.gather(tf.reshape(x, [-1]), order, name="same")
    tf.tile(tf.reshape(values, [1, 7]), [3, 2], name="repeated")


def counted(make):
    """Sizes that are known in a run alone, through operators of every kind."""
    x = tf.reshape(make.image(1, 6, 5, 4), [30, 4])
    found = tf.where(x[:, 0] > 0.3)
    kept = tf.gather_nd(x, found)
    tf.concat([tf.nn.relu(kept) * 2.0, kept - 1.0], 1, name="wide")
    tf.reduce_sum(kept, 0, name="sum")


def suppression(version, pad, none=False):
    def build(make):
        x = tf.reshape(make.image(1, 10, 6, 5), [60, 5])
        corner = tf.sigmoid(x[:, :2])
        boxes = tf.concat([corner, corner + 0.3 + 0.2 * tf.sigmoid(x[:, 2:4])], 1)
        scores = tf.sigmoid(x[:, 4]) - (1.0 if none else 0.0)
        if version == 3:
            chosen = tf1.image.non_max_suppression(boxes, scores, 12, 0.4, 0.3)
            tf.gather(boxes, chosen, name="boxes")
        elif version == 4:
            chosen, count = tf.raw_ops.NonMaxSuppressionV4(boxes=boxes, scores=scores, max_output_size=80, iou_threshold=0.4,
                                                           score_threshold=0.3, pad_to_max_output_size=pad)
            tf.identity(count, name="count")
        else:
            chosen, best, count = tf.raw_ops.NonMaxSuppressionV5(
                boxes=boxes, scores=scores, max_output_size=20, iou_threshold=0.4, score_threshold=0.3, soft_nms_sigma=0.0,
                pad_to_max_output_size=pad)
            tf.identity(best, name="scores")
            tf.identity(count, name="count")
        tf.identity(chosen, name="chosen")
    return build


CHOICES = [("comparisons", comparisons, (1, 6, 5, 4), ()), ("gathers", gathers, (1, 6, 5, 4), ()),
           ("counted", counted, (1, 6, 5, 4), ()), ("suppression", suppression(3, False), (1, 10, 6, 5), ()),
           ("suppression of all", suppression(3, False, True), (1, 10, 6, 5), ()),
           ("suppression, count", suppression(4, False), (1, 10, 6, 5), ()),
           ("suppression, padded", suppression(4, True), (1, 10, 6, 5), ()),
           ("suppression, scores", suppression(5, True), (1, 10, 6, 5), ())]


def judge_piece(judge, name, build, shape, size):
    make = Pieces(1)
    with tf.compat.v1.Graph().as_default() as graph:
        build(make)
    path = judge.path(f"{name}.pb")
    with open(path, "wb") as file:
        file.write(fold_bitcasts(graph.as_graph_def()).SerializeToString())
    judge.case(name, check, judge, path, make.random.normal(0, 1, shape).astype(np.float32), size)


def check_1_12(judge, path, given):
    """One scale a tensor, signed bytes typed UINT8, versions of 1, the leaky ReLU as MUL and MAXIMUM."""
    out = convert(judge, path, (), ["--weights", "linear-8-tensor", "--compatibility", "tf-1.12"])
    bytes_written = os.path.getsize(out)
    assert abs(bytes_written - ORIGINAL_BYTES) <= 0.0005 * ORIGINAL_BYTES, f"{bytes_written} bytes, the original has {ORIGINAL_BYTES}"
    with open(out, "rb") as file:
        model = schema.ModelT.InitFromPackedBuf(file.read(), 0)
    codes = {(code.builtinCode, code.version) for code in model.operatorCodes}
    wanted = {(schema.BuiltinOperator.CONV_2D, 1), (schema.BuiltinOperator.MUL, 1), (schema.BuiltinOperator.MAXIMUM, 1),
              (schema.BuiltinOperator.MAX_POOL_2D, 1)}
    assert codes == wanted, f"operators {codes}"
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        is_kernel = data is not None and tensor.shape is not None and len(tensor.shape) == 4
        if not is_kernel or int(np.prod(tensor.shape)) < SMALLEST:
            continue
        quantization = tensor.quantization
        assert tensor.type == schema.TensorType.UINT8, f"{tensor.name} has type {tensor.type}"
        assert len(quantization.scale) == 1 and list(quantization.zeroPoint) == [0], f"{tensor.name}: {quantization.scale}"
        assert np.abs(np.asarray(data, np.uint8).view(np.int8).astype(int)).max() == 127, f"{tensor.name} does not reach 127"
    theirs, ours = run_tensorflow(load(path), given)[0], run_litert(out, given)[0]
    worst = float(np.max(np.abs(ours - theirs))) / float(np.ptp(theirs))
    assert worst < 0.1, f"the output differs by {worst:.3f} of its range"  # 8-bit weights and activations; nonsense differs by 1


def main():
    judge = Judge(__doc__)
    for name, build, shape, size in PIECES + CHOICES:
        if judge.wants(name):
            judge_piece(judge, name, build, shape, size)
    real = [(name, os.path.join(judge.shared, "models", path), shape, size) for name, path, shape, size in REAL] if judge.shared else []
    demo = os.path.join(DEMO, "classifier", "model.pb")
    if os.path.exists(demo):
        entry = next(node for node in load(demo).node if node.op == "Placeholder")
        sizes = [dim.size if dim.size > 0 else 1 for dim in entry.attr["shape"].shape.dim]
        real.append(("demo classifier", demo, tuple(sizes), ()))
    for name, path, shape, size in real:
        given = np.random.default_rng(3).uniform(0, 255, shape).astype(np.float32)
        if judge.wants(name):
            judge.case(name, check, judge, path, given, size)
        if name == "reference detector" and judge.wants(name + " 1.12"):
            judge.case(name + " 1.12", check_1_12, judge, path, given)
    judge.close()


if __name__ == "__main__":
    main()
