#!/usr/bin/env python3
"""Trains the demo's classifier, boat or house, and writes it as model.tflite, model.mlmodel, model.onnx and model.pb.

    train_classifier.py     # under a minute on one core; prints the accuracy of the written model.tflite

It sees single objects: a box of a scene, cut out and stretched to 64x64. The layout is that of a small Custom Vision classification
export: convolutions with ReLU, a mean over the plane, a fully connected layer, softmax called `loss`; BGR, 0..255, no scaling in the graph.
"""
import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image

from draw_scenes import TAGS, draw_scene

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE, WIDTHS = 64, [8, 16, 32]
TRAIN_SEED, UNSEEN_SEED = 1, 3  # the committed images are seed 2


def cut_out(image, box):
    """BGR float32 [64, 64, 3] of the box (x1, y1, x2, y2 in pixels), corners rounded."""
    crop = image.convert("RGB").crop([round(v) for v in box])
    return np.asarray(crop.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32)[:, :, ::-1]


def drawn_set(seed, count):
    inputs, tags = [], []
    for index in range(count):
        image, objects = draw_scene(seed, index)
        for tag, *box in objects:
            inputs.append(cut_out(image, box))
            tags.append(tag)
    return np.stack(inputs), np.array(tags)


def committed_set():
    with open(os.path.join(HERE, "annotations.json"), encoding="utf-8") as file:
        coco = json.load(file)
    names = {entry["id"]: entry["file_name"] for entry in coco["images"]}
    inputs, tags = [], []
    for entry in coco["annotations"]:
        x, y, w, h = entry["bbox"]
        with Image.open(os.path.join(HERE, "images", names[entry["image_id"]])) as image:
            inputs.append(cut_out(image, (x, y, x + w, y + h)))
        tags.append(entry["category_id"] - 1)
    return np.stack(inputs), np.array(tags)


def train(epochs, scenes):
    """returns: [(HWIO kernel, bias)] of the convolutions, then the [in, out] kernel and bias of the last layer."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(0)
    inputs, tags = drawn_set(TRAIN_SEED, scenes)
    layers, channels = [], 3
    for width in WIDTHS:
        kernel = rng.normal(0, np.sqrt(2 / (9 * channels)), (3, 3, channels, width)).astype(np.float32)
        layers.append((tf.Variable(kernel), tf.Variable(tf.zeros(width))))
        channels = width
    layers.append((tf.Variable(rng.normal(0, 0.1, (channels, len(TAGS))).astype(np.float32)), tf.Variable(tf.zeros(len(TAGS)))))
    variables = [v for layer in layers for v in layer]
    optimizer = tf.keras.optimizers.Adam(3e-3)
    optimizer.build(variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits(tf, layers, x / 255.0)))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    for _ in range(epochs):
        order = rng.permutation(len(inputs))
        for at in range(0, len(order) - 31, 32):
            chosen = order[at:at + 32]
            x = np.where(rng.random((32, 1, 1, 1)) < 0.5, inputs[chosen], inputs[chosen][:, :, ::-1])
            step(x.astype(np.float32), tags[chosen].astype(np.int32))
    arrays = [(kernel.numpy(), bias.numpy()) for kernel, bias in layers]
    arrays[0] = (arrays[0][0] / np.float32(255), arrays[0][1])  # the exported graph takes 0..255
    return arrays


def logits(tf, layers, x):
    for kernel, bias in layers[:-1]:
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 2, "VALID"), bias))
    return tf.nn.bias_add(tf.matmul(tf.reduce_mean(x, [1, 2]), layers[-1][0]), layers[-1][1])


def write_tensorflow(folder, layers):
    import tensorflow as tf

    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], name="Placeholder")
        named = [(tf.constant(k, name=f"layer{i + 1}/weights"), tf.constant(b, name=f"layer{i + 1}/biases")) for i, (k, b) in enumerate(layers)]
        tf.nn.softmax(logits(tf, named, x), name="loss")
    with open(os.path.join(folder, "model.pb"), "wb") as file:
        file.write(graph.as_graph_def().SerializeToString(deterministic=True))
    with v1.Session(graph=graph) as session:
        converter = v1.lite.TFLiteConverter.from_session(session, [graph.get_tensor_by_name("Placeholder:0")], [graph.get_tensor_by_name("loss:0")])
        converted = converter.convert()
    with open(os.path.join(folder, "model.tflite"), "wb") as file:
        file.write(converted)


def write_mlmodel(path, layers):
    from coremltools.models import MLModel, datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    builder = NeuralNetworkBuilder([("data", datatypes.Array(3, SIZE, SIZE))], [("loss", datatypes.Dictionary(datatypes.String()))], mode="classifier")
    x = "data"
    for i, (kernel, bias) in enumerate(layers[:-1]):
        builder.add_convolution(f"layer{i + 1}", kernel.shape[2], kernel.shape[3], 3, 3, 2, 2, "valid", 1, kernel, bias, True, input_name=x, output_name=f"layer{i + 1}_o")
        builder.add_activation(f"relu{i + 1}", "RELU", f"layer{i + 1}_o", f"relu{i + 1}_o")
        x = f"relu{i + 1}_o"
    builder.add_pooling("mean", 1, 1, 1, 1, "AVERAGE", "VALID", x, "mean_o", is_global=True)
    kernel, bias = layers[-1]
    builder.add_inner_product(f"layer{len(layers)}", kernel.T, bias, kernel.shape[0], kernel.shape[1], True, "mean_o", "logits")
    builder.add_softmax("softmax", "logits", "loss")
    builder.set_class_labels(TAGS, predicted_feature_name="classLabel", prediction_blob="loss")
    builder.set_pre_processing_parameters(image_input_names=["data"], is_bgr=True)
    MLModel(builder.spec, skip_model_load=True).save(path)


def write_onnx(path, layers):
    """As Custom Vision exports it: [None, 3, 64, 64], the pixel format in the metadata, the labels in a ZipMap."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, x = [], [], "data"
    for i, (kernel, bias) in enumerate(layers[:-1]):
        name = f"layer{i + 1}"
        weights += [(f"{name}/weights", kernel.transpose(3, 2, 0, 1)), (f"{name}/biases", bias)]
        nodes += [helper.make_node("Conv", [x, f"{name}/weights", f"{name}/biases"], [f"{name}_o"], name, kernel_shape=[3, 3], strides=[2, 2]),
                  helper.make_node("Relu", [f"{name}_o"], [f"relu{i + 1}_o"], f"relu{i + 1}")]
        x = f"relu{i + 1}_o"
    name, (kernel, bias) = f"layer{len(layers)}", layers[-1]
    weights += [(f"{name}/weights", kernel.T), (f"{name}/biases", bias)]
    nodes += [helper.make_node("GlobalAveragePool", [x], ["mean_o"], "mean"), helper.make_node("Flatten", ["mean_o"], ["flat_o"], "flat"),
              helper.make_node("Gemm", ["flat_o", f"{name}/weights", f"{name}/biases"], ["logits"], name, transB=1),
              helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1),
              helper.make_node("ZipMap", ["probabilities"], ["loss"], "labels", domain="ai.onnx.ml", classlabels_strings=TAGS)]
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))
    graph = helper.make_graph(nodes, "classifier", [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["None", 3, SIZE, SIZE])],
                              [helper.make_value_info("loss", maps)],
                              [numpy_helper.from_array(np.ascontiguousarray(array), label) for label, array in weights])
    model = helper.make_model(graph, producer_name="train_classifier.py", ir_version=6,
                              opset_imports=[helper.make_opsetid("", 11), helper.make_opsetid("ai.onnx.ml", 1)])
    helper.set_model_props(model, {"Image.BitmapPixelFormat": "Bgr8"})
    onnx.checker.check_model(model)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def evaluate(path, inputs, tags):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    right = 0
    for image, tag in zip(inputs, tags):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        right += int(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).argmax() == tag)
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(HERE, "classifier"), help="folder of the model (default: demo/classifier)")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--scenes", type=int, default=800)
    options = parser.parse_args()
    layers = train(options.epochs, options.scenes)
    os.makedirs(options.out, exist_ok=True)
    write_tensorflow(options.out, layers)
    write_mlmodel(os.path.join(options.out, "model.mlmodel"), layers)
    write_onnx(os.path.join(options.out, "model.onnx"), layers)
    with open(os.path.join(options.out, "labels.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(TAGS) + "\n")
    for name, (inputs, tags) in (("committed images", committed_set()), (f"200 scenes of seed {UNSEEN_SEED}", drawn_set(UNSEEN_SEED, 200))):
        right = evaluate(os.path.join(options.out, "model.tflite"), inputs, tags)
        print(f"{name}: {right} of {len(tags)} right")
        if right < 0.9 * len(tags):
            raise SystemExit("fewer than nine of ten are right")


if __name__ == "__main__":
    main()
