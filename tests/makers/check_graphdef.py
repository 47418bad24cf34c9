#!/usr/bin/env python3
"""Judges how TensorFlow's frozen graphs are read and run: TensorFlow itself runs the same graphs on the same values.

    check_graphdef.py --tool build/dev/src/run/run_probe [--shared DIR]

Real graphs where they are at hand; pieces of the other generations are written by TensorFlow here. Every output lies within 1e-4
of the range of TensorFlow's.
"""
import os
import subprocess

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from judge import Judge

tf1 = tf.compat.v1
TOLERANCE = 1e-4  # of an output's range: float32 sums in another order


def load(path):
    graph = tf1.GraphDef()
    with open(path, "rb") as file:
        graph.ParseFromString(file.read())
    return graph


def sinks(graph):
    """Names of what no node reads, as the reader orders them."""
    read = {name.split(":")[0].lstrip("^") for node in graph.node for name in node.input}
    return [node.name for node in graph.node if node.name not in read and node.op not in ("Const", "Placeholder", "NoOp", "Assert")]


def run_tensorflow(graph, given):
    """returns: all outputs of all sinks. TensorFlow's own rewriter is off: it takes max(x, 2x) behind a convolution for a leaky ReLU."""
    config = tf1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf1.Graph().as_default() as built:
        tf1.import_graph_def(graph, name="")
        source = next(node.name for node in graph.node if node.op == "Placeholder")
        wanted = [tensor for name in sinks(graph) for tensor in built.get_operation_by_name(name).outputs]
        with tf1.Session(graph=built, config=config) as session:
            kind = built.get_tensor_by_name(f"{source}:0").dtype.as_numpy_dtype
            return session.run(wanted, {f"{source}:0": given.astype(kind)})


def run_probe(judge, path, given, size):
    source, out = judge.path("in.bin"), judge.path("out.bin")
    given.astype(np.float32).tofile(source)
    done = subprocess.run([judge.probe, path, source, out, "runtime", "0", "0", *size], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run_probe exits {done.returncode}: {done.stderr.strip()}"
    values, outputs = np.fromfile(out, np.float32), []
    for line in done.stdout.splitlines():
        name, _, shape = line.rpartition(" ")
        if not shape.startswith("["):
            continue
        shape = [int(size) for size in shape.strip("[]").split(",") if size]
        count = int(np.prod(shape))
        outputs.append((name, values[:count].reshape(shape)))
        values = values[count:]
    assert len(values) == 0, f"{len(values)} values too many"
    return outputs


def check(judge, path, given, size=()):
    graph = load(path)
    theirs, ours = run_tensorflow(graph, given), run_probe(judge, path, given, [str(s) for s in size])
    assert len(theirs) == len(ours), f"{len(ours)} outputs, TensorFlow's {len(theirs)}"
    for (name, mine), other in zip(ours, theirs):
        other = np.asarray(other)
        assert list(mine.shape) == list(other.shape), f"{name} has shape {mine.shape}, TensorFlow's {other.shape}"
        if other.size == 0:
            continue
        other = other.astype(np.float64)
        span = max(float(np.ptp(other)), 1e-6)
        worst = float(np.max(np.abs(mine - other)))
        assert np.isfinite(mine).all() and worst <= TOLERANCE * span, f"{name} differs by {worst / span:.2e} of its range"


class Pieces:
    """Draws constants and builds graphs of operators."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def normal(self, *shape, scale=0.3):
        return tf1.constant(self.random.normal(0, scale, shape).astype(np.float32))

    def image(self, *shape, dtype=tf.float32):
        return tf1.placeholder(dtype, shape, name="image")

    def conv(self, x, out, size=3, stride=1, padding="SAME", **more):
        return tf1.nn.conv2d(x, self.normal(size, size, int(x.shape[-1]), out), [1, stride, stride, 1], padding, **more)

    def batch_norm(self, x, op, **more):
        channels = int(x.shape[-1])
        variance = tf1.constant(self.random.uniform(0.5, 2, channels).astype(np.float32))
        return op(x=x, scale=self.normal(channels), offset=self.normal(channels), mean=self.normal(channels), variance=variance,
                  epsilon=1e-3, is_training=False, **more)[0]


def later_detector(make):
    x = make.image(None, 32, 32, 3)
    for channels, stride in ((8, 1), (12, 2)):
        x = tf1.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = tf1.nn.leaky_relu(tf1.nn.bias_add(make.conv(x, channels, 3, stride, "VALID"), make.normal(channels)), alpha=0.1)
        x = tf1.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    tf1.identity(tf1.nn.bias_add(make.conv(x, 35, 1), make.normal(35)), name="model_outputs")


def squeeze_net(make):
    x = tf1.nn.relu(make.conv(make.image(None, 33, 33, 3), 8, 3, 2, "VALID") + make.normal(8))
    x = tf1.nn.max_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    squeezed = tf1.nn.relu(make.conv(x, 4, 1))
    x = tf1.concat([tf1.nn.relu(make.conv(squeezed, 6, 1)), tf1.nn.relu6(make.conv(squeezed, 6, 3))], 3)
    x = tf1.nn.avg_pool(x, [1, int(x.shape[1]), int(x.shape[2]), 1], [1, 1, 1, 1], "VALID")
    x = tf1.matmul(tf1.reshape(x, [-1, 12]), make.normal(12, 5)) + make.normal(5)
    tf1.sigmoid(x, name="loss")


def shuffle_net(make):
    x = tf1.nn.relu(make.batch_norm(make.conv(make.image(None, 24, 24, 3), 8, 3, 2), tf.raw_ops.FusedBatchNorm))
    left, right = tf1.split(x, 2, axis=3)
    right = tf1.nn.depthwise_conv2d(right, make.normal(3, 3, 4, 1), [1, 1, 1, 1], "SAME")
    right = make.batch_norm(right, tf.raw_ops.FusedBatchNormV2)
    right = tf1.nn.relu(make.batch_norm(make.conv(right, 4, 1), tf.raw_ops.FusedBatchNormV3))
    x = tf1.concat([left, right], -1)
    shape = tf1.shape(x)
    x = tf1.reshape(x, tf1.stack([shape[0], shape[1], shape[2], 2, 4]))
    x = tf1.reshape(tf1.transpose(x, [0, 1, 2, 4, 3]), [-1, 12, 12, 8])
    x = tf1.concat([tf1.slice(x, [0, 0, 0, 4], [-1, -1, -1, 4]), x[..., :4], x[:, ::1, :, 2:-2]], 3)
    x = tf1.nn.depthwise_conv2d(x, make.normal(3, 3, 12, 2), [1, 2, 2, 1], "VALID", dilations=[1, 1])
    x = tf1.reduce_mean(x, [1, 2])
    tf1.nn.softmax(tf1.matmul(x, make.normal(7, 24), transpose_b=True), name="loss")


def style(make):
    x = make.conv(make.image(None, None, None, 3), 8, 9)
    for _ in range(2):
        mean = tf1.reduce_mean(x, [1, 2], keepdims=True)
        spread = tf1.sqrt(tf1.reduce_mean(tf1.square(x - mean), [1, 2], keepdims=True)) + 1e-3
        x = tf1.nn.elu(tf1.realdiv(x - mean, spread) * tf1.reshape(make.normal(8), [1, 1, 1, 8]))
        size = tf1.shape(x)
        x = tf1.image.resize_nearest_neighbor(x, tf1.stack([size[1] * 2, tf1.cast(tf1.cast(size[2], tf.float32) * 1.5, tf.int32)]))
        x = make.conv(x, 8, 3, 2)
    x = tf1.nn.conv2d_transpose(x, make.normal(3, 3, 4, 8), tf1.stack([1, tf1.shape(x)[1] * 2, tf1.shape(x)[2] * 2, 4]), [1, 2, 2, 1])
    x = tf1.pad(x, [[0, 0], [2, 1], [1, 2], [0, 0]], "REFLECT")
    tf1.multiply(tf1.tanh(make.conv(x, 3)) + 1.0, 127.5, name="stylized")


def elementwise(make):
    x = make.image(1, 6, 5, 4)
    positive = tf1.abs(x) + 0.5
    results = [tf1.rsqrt(positive), tf1.exp(x), tf1.log(positive), -x, tf1.floor(x * 3), tf1.ceil(x * 3), tf1.round(x * 3),
               tf1.pow(positive, 1.5), tf1.squared_difference(x, positive), tf1.floordiv(x, positive), tf1.floormod(x, positive),
               tf1.minimum(x, 0.1), tf1.add_n([x, positive, x]), tf1.nn.softplus(x), tf1.clip_by_value(x, -0.2, 0.3),
               tf1.cast(tf1.logical_and(x > 0, tf1.logical_not(positive >= 1)), tf.float32),
               tf1.where_v2(tf1.equal(tf1.floor(x), 0.0), x, positive), tf1.where(x < 0, positive, x),
               tf1.reduce_max(x, 2, keepdims=True) * x, tf1.reduce_min(x, -1, keepdims=True) + x,
               tf1.reduce_sum(x, [1, 2, 3]) + x, tf1.reduce_prod(x, 3, keepdims=True) + x]
    tf1.concat(results, 3, name="all")


def shapes(make):
    x = make.image(None, 8, 8, 4)
    parts = tf1.unstack(x, axis=1)
    x = tf1.stack([parts[0], parts[3], parts[7]], 1)
    a, b, c = tf1.split(x, [1, 2, 5], 2)
    x = tf1.concat([tf1.squeeze(a, 2)[:, :, tf1.newaxis], b, c], 2)
    x = tf1.space_to_depth(tf1.tile(x, [1, 2, 1, 1]), 2)
    x = tf1.depth_to_space(x, 2)
    x = tf1.image.resize_bilinear(x, [9, 13], align_corners=True) + tf1.image.resize_bilinear(x, [9, 13], half_pixel_centers=True)
    x = tf1.pad(x, [[0, 0], [1, 0], [0, 1], [0, 0]], constant_values=0.5)
    rows = tf1.range(1, int(x.shape[1]), 2)
    x = tf1.gather(x, rows, axis=1) + tf1.fill([1, 1, 1, 4], 0.25)
    tf1.identity(x[0, ..., 1:3, ::2], name="out")
    tf1.argmax(x, 3, name="index")
    tf1.math.top_k(tf1.reshape(x, [-1]), 5, name="top")


def stored_types(make):
    """Weights as halves and as codes, at one scale or one a channel."""
    x = make.image(None, 9, 9, 3)
    half = tf1.cast(tf1.constant(make.random.normal(0, 0.3, (3, 3, 3, 6)).astype(np.float16)), tf.float32)
    x = tf1.nn.relu(tf1.nn.conv2d(x, half, [1, 1, 1, 1], "SAME"))
    codes = tf1.constant(make.random.integers(0, 256, (3, 3, 6, 8)).astype(np.uint8))
    codes = tf1.bitcast(codes, tf.quint8)
    x = tf1.nn.conv2d(x, tf.raw_ops.Dequantize(input=codes, min_range=-0.4, max_range=0.7, mode="MIN_COMBINED"), [1, 1, 1, 1], "SAME")
    tf1.identity(x, name="out")


def constant_forms(make):
    """Constants behind what changes their shape or type, of one value for all, read in two shapes."""
    x = make.image(1, 8, 8, 4)
    factor = tf1.constant(make.random.normal(0, 1, 8).astype(np.float32))
    x = x * tf1.reshape(factor, [1, 8, 1, 1]) + tf1.expand_dims(factor, 1)
    kernel = tf1.transpose(tf1.constant(make.random.normal(0, 0.3, (6, 4, 3, 3)).astype(np.float32)), [2, 3, 1, 0])
    x = tf1.nn.conv2d(x, kernel, [1, 1, 1, 1], "SAME") + tf1.tile(tf1.constant([0.25]), [6])
    x = tf1.nn.conv2d(x, tf1.fill([2, 2, 6, 5], 0.125), [1, 1, 1, 1], "VALID")
    x = tf1.nn.conv2d(x, tf1.constant(0.5, shape=[1, 1, 5, 4]), [1, 1, 1, 1], "VALID")
    large = tf1.constant(make.random.normal(0, 0.1, (64, 4, 5, 5)).astype(np.float32))
    x = tf1.nn.conv2d(x, tf1.transpose(large, [2, 3, 1, 0]), [1, 1, 1, 1], "SAME")
    doubled = tf1.cast(tf1.constant(make.random.normal(0, 1, (64, 3))), tf.float32)
    tf1.matmul(tf1.reduce_mean(x, [1, 2]), tf1.squeeze(tf1.expand_dims(doubled, 0), [0]), name="out")


def local_response(make):
    x = make.image(None, 6, 7, 20)
    tf1.nn.lrn(x, depth_radius=3, bias=1.5, alpha=0.3, beta=0.75, name="out")
    tf1.nn.lrn(x, depth_radius=40, bias=2.0, alpha=0.1, beta=0.4, name="wide")
    tf1.nn.lrn(x, name="plain")


def whole_pixels(make):
    """What only moves whole numbers keeps their type."""
    x = make.image(1, 6, 8, 3)
    whole = tf1.cast(x * 100.0, tf.int32)
    nearest = tf1.image.resize_nearest_neighbor(whole, [9, 4])
    tf1.cast(nearest + 1, tf.float32, name="nearest")
    tf1.cast(tf.raw_ops.MaxPool(input=whole, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME") * 2, tf.float32, name="most")
    tf1.image.resize_bilinear(whole, [9, 4], name="bilinear")


def broadcasts(make):
    x = make.image(1, 4, 5, 3)
    tf1.broadcast_to(tf1.reduce_mean(x, [1, 2]), [4, 3], name="rows")
    tf1.broadcast_to(tf1.reduce_mean(x, 3, keepdims=True), [2, 4, 5, 6], name="image")
    tf1.multiply(x, tf1.broadcast_to(tf1.constant([1.0, 2.0, 3.0]), [4, 5, 3]), name="factor")


def slopes(make):
    """max(x, a * x) is a leaky ReLU for a of 0 to 1 alone."""
    x = make.conv(make.image(1, 6, 6, 3), 5)
    results = [operator(x, slope * x) for slope in (0.1, 1.0, 2.0, -0.5, np.float32([0.1, 0.5, 1.5, -1, 2]))
               for operator in (tf1.maximum, tf1.minimum)]
    tf1.concat([tf1.nn.bias_add(y, make.normal(5)) for y in results] + [tf1.nn.leaky_relu(x, 2.0)], 3, name="all")


def group_norm(make):
    x = make.conv(make.image(1, 8, 6, 3), 8)
    y = tf1.reshape(x, [1, 8, 6, 2, 4])
    mean, variance = tf1.nn.moments(y, [1, 2, 4], keepdims=True)
    scale = tf1.reshape(make.normal(8), [1, 1, 1, 2, 4]) * tf1.rsqrt(variance + 1e-3)
    tf1.reshape(y * scale + (tf1.reshape(make.normal(8), [1, 1, 1, 2, 4]) - mean * scale), [1, 8, 6, 8], name="out")


def conv1d(make):
    x = tf1.nn.conv1d(tf1.reshape(make.image(1, 8, 8, 3), [1, 64, 3]), make.normal(5, 3, 7), 1, "SAME")
    tf1.nn.relu(x + make.normal(7), name="out")


def attention(make):
    """Products of computed matrices: scores of every pair of places, and what they weigh; a kernel that is computed; one that is turned."""
    x = tf1.reshape(make.conv(make.image(1, 6, 5, 3), 8), [2, 15, 8])
    scores = tf1.nn.softmax(tf1.matmul(x, x, transpose_b=True))
    y = tf1.reshape(tf1.matmul(scores, x), [30, 8])
    square = tf1.matmul(y, y, transpose_a=True)
    y = tf1.matmul(tf1.matmul(y, tf1.tanh(square)), make.normal(8, 4))
    tf.raw_ops.BatchMatMulV2(x=tf1.reshape(y, [1, 5, 6, 4]), y=make.normal(5, 4, 3), name="out")


def dilated(make):
    """As TensorFlow 1 wrote dilated convolutions."""
    x = tf1.space_to_batch_nd(make.image(1, 9, 10, 3), [2, 3], [[2, 1], [3, 2]])
    x = tf1.nn.bias_add(make.conv(x, 5, 3, 1, "VALID"), make.normal(5))
    tf.raw_ops.BatchToSpaceND(input=x, block_shape=[2, 3], crops=[[0, 1], [0, 1]], name="out")


def dropout(make):
    """A condition that the file settles: not in training."""
    tf1.disable_control_flow_v2()
    x = make.conv(make.image(1, 6, 6, 3), 4)
    training = tf1.placeholder_with_default(False, [], name="is_training")
    x = tf1.cond(training, lambda: tf1.nn.dropout(x, 0.5), lambda: tf1.identity(x) * 2.0)
    tf1.nn.relu(x, name="out")


def ssd(make):
    """Scores, boxes around priors, suppression, and what remains."""
    x = tf1.nn.relu(make.conv(make.image(1, 16, 16, 3), 8, 3, 2))
    scores = tf1.sigmoid(tf1.reshape(make.conv(x, 3, 1), [-1, 3]))
    code = tf1.reshape(make.conv(x, 4, 1), [-1, 4])
    priors = tf1.constant(make.random.uniform(0.2, 0.8, (64, 4)).astype(np.float32))
    center = code[:, :2] * 0.1 * 0.3 + priors[:, :2]
    size = tf1.exp(code[:, 2:] * 0.2) * 0.2
    boxes = tf1.concat([center - size / 2, center + size / 2], 1)
    best = tf1.reduce_max(scores, 1)
    chosen = tf1.image.non_max_suppression(boxes, best, 20, 0.4)
    kept_boxes, kept_scores = tf1.gather(boxes, chosen), tf1.gather(best, chosen)
    good = tf1.reshape(tf1.where(kept_scores > 0.5), [-1])
    tf1.gather(kept_boxes, good, name="detected_boxes")
    tf1.gather(kept_scores, good, name="detected_scores")
    tf1.gather(tf1.argmax(scores, 1), tf1.gather(chosen, good), name="detected_classes")


PIECES = [("later detector", later_detector, (1, 32, 32, 3), ()), ("SqueezeNet", squeeze_net, (1, 33, 33, 3), ()),
          ("ShuffleNet", shuffle_net, (1, 24, 24, 3), ()), ("style", style, (1, 20, 26, 3), (20, 26)),
          ("elementwise", elementwise, (1, 6, 5, 4), ()), ("shapes", shapes, (1, 8, 8, 4), ()),
          ("constant forms", constant_forms, (1, 8, 8, 4), ()), ("slopes", slopes, (1, 6, 6, 3), ()),
          ("local response", local_response, (1, 6, 7, 20), ()), ("broadcasts", broadcasts, (1, 4, 5, 3), ()),
          ("group normalization", group_norm, (1, 8, 6, 3), ()), ("conv1d", conv1d, (1, 8, 8, 3), ()),
          ("attention", attention, (1, 6, 5, 3), ()), ("dilated", dilated, (1, 9, 10, 3), ()), ("dropout", dropout, (1, 6, 6, 3), ()),
          ("stored types", stored_types, (1, 9, 9, 3), ()), ("SSD", ssd, (1, 16, 16, 3), ())]
# TFLite has no kernels of int32 for these.
NOT_CONVERTED = [("whole pixels", whole_pixels, (1, 6, 8, 3), ())]


def judge_piece(judge, name, build, shape, size):
    path = judge.path(f"{name}.pb")
    for seed in (1, 2):
        make = Pieces(seed)
        with tf1.Graph().as_default() as graph:
            build(make)
        with open(path, "wb") as file:
            file.write(fold_bitcasts(graph.as_graph_def()).SerializeToString())
        judge.case(f"{name}, seed {seed}", check, judge, path, make.random.normal(0, 1, shape).astype(np.float32), size)


def fold_bitcasts(graph):
    """Codes become a Const of their own type, as files hold them."""
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op != "Bitcast":
            continue
        value = nodes[node.input[0]].attr["value"].tensor
        kind = node.attr["type"].type
        node.op = "Const"
        del node.input[:]
        node.attr.clear()
        node.attr["dtype"].type = kind
        node.attr["value"].tensor.CopyFrom(value)
        node.attr["value"].tensor.dtype = kind
    read = {name.split(":")[0].lstrip("^") for node in graph.node for name in node.input}
    kept = tf1.GraphDef()
    kept.versions.CopyFrom(graph.versions)
    kept.node.extend(node for node in graph.node if node.op != "Const" or node.name in read)
    return kept


REAL = [("reference detector", "reference-detector/model.pb", (1, 416, 416, 3), ()),
        ("fruit", "custom-vision/fruit.pb", (1, 227, 227, 3), ()),
        ("currency", "custom-vision/currency.pb", (1, 227, 227, 3), ()),
        ("starry night", "other/starry_night.pb", (1, 240, 320, 3), (240, 320))]
REAL += [(f"case {name}", f"../cases/tf-{name}.pb", (1, 32, 32, 3), ())
         for name in ("const-reshaped-factor", "conv1d", "max-alpha2", "space-to-batch", "batchmatmul")]


def main():
    judge = Judge(__doc__)
    for name, build, shape, size in PIECES + NOT_CONVERTED:
        if judge.wants(name):
            judge_piece(judge, name, build, shape, size)
    for name, path, shape, size in REAL if judge.shared else ():
        if not judge.wants(name):
            continue
        given = np.random.default_rng(3).uniform(0, 255, shape).astype(np.float32)
        judge.case(name, check, judge, os.path.join(judge.shared, "models", path), given, size)
    judge.close()


if __name__ == "__main__":
    main()
