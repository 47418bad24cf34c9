#!/usr/bin/env python3
"""Judges the TensorFlow graphs that `visionpress compress` writes, and the SavedModels it reads, with TensorFlow.

    check_graphdef_writer.py --tool build/release/visionpress [--shared DIR]

TensorFlow loads and runs each file; its output is ours to 1e-4 of its range; every weight that it decodes lies within half a
step of the original's (with fewer than 8 bits, a step), and has our values to the last bit where each channel has a scale; nodes that are no weight are untouched;
no file has anything that TensorFlow 1.0 does not know. SavedModels of both TensorFlows are written here and run by both.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from judge import Judge, demo_image

tf1 = tf.compat.v1
tf.get_logger().setLevel("ERROR")

OUTPUT_TOLERANCE = 1e-4  # of the range of the output
OPEN_SIDE = 128  # pixels, for graphs that leave their input's size open
SMALLEST = 1024  # elements of a weight that 8 bits applies to
VARIANTS = [("fp16", ["-w", "fp16"]), ("linear-8-tensor", ["-w", "linear-8-tensor"]), ("linear-8", ["-w", "linear-8"]),
            ("linear-8, every weight", ["-w", "linear-8", "--min-elements", "0", "--quantize-biases"]),
            ("linear-4", ["-w", "linear-4"]), ("linear-3, every kernel", ["-w", "linear-3", "--no-default-keep"]),
            ("linear-1, every kernel", ["-w", "linear-1", "--no-default-keep"])]
MODELS = [("reference detector", "reference-detector/model.pb"), ("fruit", "custom-vision/fruit.pb"),
          ("currency", "custom-vision/currency.pb"), ("style", "other/starry_night.pb")]
# What TensorFlow 1.0 knows of the operators that are put in. source: tensorflow/core/ops/ops.pbtxt of v1.0.0
ATTRS_OF_1_0 = {"Const": {"dtype", "value"}, "Cast": {"SrcT", "DstT"}, "Dequantize": {"T", "mode"}, "Mul": {"T"}, "Add": {"T"}}
PARTS = ("half", "quantized", "min", "max", "levels", "scale", "scaled", "offset")  # of a weight, as NAME/PART


def load(path):
    graph = graph_pb2.GraphDef()
    with open(path, "rb") as file:
        graph.ParseFromString(file.read())
    return graph


def find_ends(graph):
    """returns: names of the input and of the first output."""
    read = {name.lstrip("^").split(":")[0] for node in graph.node for name in node.input}
    inputs = [node.name for node in graph.node if node.op == "Placeholder"]
    outputs = [node.name for node in graph.node if node.name not in read and node.op not in ("NoOp", "Const", "Assert")]
    assert len(inputs) == 1 and outputs, f"inputs {inputs}, outputs {outputs}"
    return inputs[0], outputs[0]


def run(graph, values, names):
    """returns: what TensorFlow computes for the tensors `names`, given `values` by name."""
    copy = graph_pb2.GraphDef()
    copy.CopyFrom(graph)  # the import adds every default
    with tf.Graph().as_default() as built:
        tf1.import_graph_def(copy, name="")
        with tf1.Session(graph=built) as session:
            return session.run([f"{name}:0" for name in names], {f"{name}:0": value for name, value in values.items()})


def check_close(ours, theirs):
    ours = ours.reshape(theirs.shape)
    assert np.all(np.isfinite(theirs)), "TensorFlow's output is not finite"
    worst = float(np.max(np.abs(ours - theirs))) / max(float(np.ptp(theirs)), 1e-30)
    assert worst <= OUTPUT_TOLERANCE, f"outputs differ by {worst:.3g} of their range, allowed are {OUTPUT_TOLERANCE}"


def check_runs(judge, path, image):
    given, ours = judge.raw(path, image)
    graph = load(path)
    source, output = find_ends(graph)
    check_close(np.load(ours), run(graph, {source: np.load(given)}, [output])[0])


def check_weights(original, written, options):
    """Every float constant: decoded by TensorFlow and compared with the original; what was to change did."""
    before, after = {node.name: node for node in original.node}, {node.name: node for node in written.node}
    changed = [name for name in before if before[name] != after.get(name)]
    assert changed, "nothing changed"
    added = [node for node in written.node if node.name not in before]
    for name in changed:
        assert before[name].op == "Const", f"{name} is a {before[name].op} and changed"
    allowed = {f"{name}/{part}" for name in changed for part in PARTS}
    assert all(node.name in allowed for node in added), "other nodes were added"
    halves, bits = options[1] == "fp16", int((options[1] + "-16").split("-")[1])
    decoded = run(written, {}, changed)
    for name, ours in zip(changed, decoded):
        exact, node = tf.make_ndarray(before[name].attr["value"].tensor), after[name]
        assert node.op in (("Cast",) if halves else ("Dequantize", "Add")), f"{name} became a {node.op}"
        assert ours.shape == exact.shape and ours.dtype == np.float32, f"{name} became {ours.dtype} {ours.shape}"
        if halves:
            assert np.array_equal(exact.astype(np.float16).astype(np.float32), ours), f"{name} has other halves"
            continue
        check_codes(name, node, after, exact, ours, bits)


def value_of(after, name):
    return tf.make_ndarray(after[name].attr["value"].tensor)


def check_codes(name, node, after, exact, ours, bits):
    """ours: what TensorFlow decodes."""
    if node.op == "Dequantize":
        codes, least, largest = (value_of(after, part) for part in node.input)
        step, offset = (largest - least) / np.float32(255), least
        closeness = 3e-7 * np.max(np.abs(exact))
    else:
        product, offset = after[node.input[0]], value_of(after, node.input[1])
        levels, step = after[product.input[0]], value_of(after, product.input[1])
        assert (product.op, levels.op) == ("Mul", "Dequantize"), f"{name} is the sum of {product.op} and {levels.op}"
        codes, least, largest = (value_of(after, part) for part in levels.input)
        assert (least, largest) == (0, 255), f"{name} has levels of {least} to {largest}"
        closeness = 0
    assert codes.dtype == np.dtype(tf.quint8.as_numpy_dtype), f"{name} has codes of type {codes.dtype}"
    codes = codes.astype(np.float32)
    formula = codes * step + offset
    assert np.max(np.abs(formula - ours)) <= closeness, f"TensorFlow reads other values of {name}"
    most = codes.max() if codes.max() >= 2**bits else 2**bits - 1  # kernels that the default keeps have 8 bits
    assert most <= 255, f"{name} has a code of {most}"
    within = np.clip(exact, offset, offset + most * step)  # fitted grids leave the outermost values out
    apart = 0.501 if most == 255 else 1.001  # with fewer bits, errors of a channel are made to cancel
    assert np.all(np.abs(within - ours) <= step * apart + 2e-7 * np.max(np.abs(exact))), f"{name} is off by more than {apart} steps"


def check_complete(original, written):
    """No large kernel stays as it was."""
    after = {node.name: node for node in written.node}
    for node in original.node:
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            continue
        shape = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        if len(shape) >= 2 and np.prod(shape) >= SMALLEST:
            assert after[node.name].op != "Const", f"{node.name} {shape} stayed"


def check_old(original, written):
    """Nothing in what was put in that TensorFlow 1.0 would not load."""
    before = {node.name: node for node in original.node}
    for node in written.node:
        if node == before.get(node.name):
            continue
        kept = set(before[node.name].attr) if node.name in before else set()
        unknown = set(node.attr) - ATTRS_OF_1_0[node.op] - kept
        assert not unknown, f"{node.name} ({node.op}) has attributes {unknown}"


def judge_graph(judge, label, model, images):
    original = load(model)
    source = next(node for node in original.node if node.op == "Placeholder")
    shape = source.attr["shape"].shape
    if len(shape.dim) != 4 or any(dim.size < 0 for dim in shape.dim[1:]):
        source.attr["shape"].shape.CopyFrom(tf.TensorShape([1, OPEN_SIDE, OPEN_SIDE, 3]).as_proto())
        model = judge.path("closed.pb")
        with open(model, "wb") as file:
            file.write(original.SerializeToString())
    for image in images if judge.wants(f"{label} as exported") else ():
        judge.case(f"{label} as exported: {os.path.basename(image)}", check_runs, judge, model, image)
    for name, options in VARIANTS:
        if not judge.wants(f"{label} {name}"):
            continue
        written = judge.case(f"{label} {name}: compress", judge.compress, model, *options)
        if written is None:
            continue
        compressed = load(written)
        judge.case(f"{label} {name}: weights", check_weights, original, compressed, options)
        judge.case(f"{label} {name}: every kernel", check_complete, original, compressed)
        judge.case(f"{label} {name}: TensorFlow 1.0", check_old, original, compressed)
        for image in images:
            judge.case(f"{label} {name}: output, {os.path.basename(image)}", check_runs, judge, written, image)
        os.remove(written)


# SavedModels.


def save_v1(folder, resource, with_variables=True):
    """A TensorFlow 1 export: variables of either kind, or none."""
    random = np.random.default_rng(4)
    with tf.Graph().as_default():
        image = tf1.placeholder(tf.float32, [None, 32, 32, 3], name="images")

        def weight(name, *shape):
            value = (random.normal(size=shape) / 10).astype(np.float32)
            return tf1.get_variable(name, initializer=value, use_resource=resource) if with_variables else tf.constant(value, name=name)

        net = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(image / 255.0, weight("conv/kernel", 3, 3, 3, 32), 2, "SAME"), weight("conv/bias", 32)))
        net = tf.nn.max_pool2d(net, 2, 2, "SAME")
        net = tf.reshape(net, [-1, 8 * 8 * 32])
        scores = tf.nn.softmax(tf.matmul(net, weight("dense/kernel", 2048, 5)) + weight("dense/bias", 5), name="probabilities")
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            tf1.saved_model.simple_save(session, folder, {"image": image}, {"scores": scores})


class Module(tf.Module):
    """A TensorFlow 2 model: nested functions, variables of one name, an operator of several outputs."""

    def __init__(self):
        super().__init__()
        random = np.random.default_rng(5)
        self.first = tf.Variable((random.normal(size=(3, 3, 3, 16)) / 10).astype(np.float32), name="kernel")
        self.second = tf.Variable((random.normal(size=(3, 3, 16, 8)) / 10).astype(np.float32), name="kernel")
        self.scale, self.offset = tf.Variable(random.uniform(0.5, 2, 16).astype(np.float32)), tf.Variable(tf.ones(16))
        self.mean, self.variance = tf.Variable(tf.zeros(16)), tf.Variable(random.uniform(0.5, 2, 16).astype(np.float32))

    @tf.function
    def block(self, x):
        x = tf.nn.conv2d(x, self.first, 1, "SAME")
        x, _, _ = tf1.nn.fused_batch_norm(x, self.scale, self.offset, self.mean, self.variance, is_training=False)
        left, right = tf.split(tf.nn.relu(x), 2, axis=3)
        return tf.concat([right, left], 3)

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.float32, name="image")])
    def __call__(self, image):
        x = tf.nn.conv2d(self.block(image / 255.0), self.second, 2, "VALID")
        return {"scores": tf.nn.softmax(tf.reduce_mean(x, [1, 2]))}


def save_v2(folder):
    module = Module()
    tf.saved_model.save(module, folder, signatures=module.__call__)


def run_saved(folder, image):
    """returns: the first output of the default signature."""
    with tf.Graph().as_default(), tf1.Session() as session:
        signature = tf1.saved_model.load(session, ["serve"], folder).signature_def["serving_default"]
        (source,), (output,) = signature.inputs.values(), signature.outputs.values()
        return session.run(output.name, {source.name: image})


def check_saved(judge, folder, image):
    given, ours = judge.raw(folder, image)
    check_close(np.load(ours), run_saved(folder, np.load(given)))
    judge.run("inspect", folder)


def judge_saved(judge, image):
    for name, save in (("variables of TensorFlow 1", lambda folder: save_v1(folder, False)), ("resources", lambda folder: save_v1(folder, True)),
                       ("no variables", lambda folder: save_v1(folder, False, False)), ("functions of TensorFlow 2", save_v2)):
        if judge.wants(f"SavedModel {name}"):
            folder = judge.path(f"saved-{name.replace(' ', '-')}")
            save(folder)
            judge.case(f"SavedModel {name}: output", check_saved, judge, folder, image)


def main():
    judge = Judge(__doc__)
    judge_saved(judge, demo_image(1))
    if judge.shared:
        pets = os.path.join(judge.shared, "data", "pets", "images")
        photos = [os.path.join(pets, name) for name in sorted(os.listdir(pets))[::100]]
        for label, path in MODELS:
            judge_graph(judge, label, os.path.join(judge.shared, "models", path), photos[:2])
    judge.close()


if __name__ == "__main__":
    main()
