#!/usr/bin/env python3
"""Judges one network of each family that mobile developers ship, made by the family's own exporter with random weights.

    check_families.py --tool build/dev/visionpress --probe build/dev/src/run/run_probe [--only ViT]

Keras' networks go through TensorFlow's converter, as their users export them, and as frozen graphs. Our run of the TFLite file is
compared with LiteRT, that of the frozen graph with TensorFlow; `convert` makes a file of the frozen graph that LiteRT runs. Largest
difference: 1e-4 of the largest value of an output.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from check_graphdef import run_probe
from judge import Judge

LIMIT = 1e-4
SIZE = 64  # pixels: what a network is made of does not depend on it


def attention_network():
    """A small vision transformer: patches, positions, two blocks of attention and matrices, as Keras' layers write them."""
    layers = tf.keras.layers
    image = layers.Input([SIZE, SIZE, 3])
    x = layers.Conv2D(48, 16, 16)(image)
    x = layers.Reshape([-1, 48])(x)
    x = layers.Dense(48)(x)
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, 16)(y, y)])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(96, activation="gelu")(y)
        x = layers.Add()([x, layers.Dense(48)(y)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return tf.keras.Model(image, layers.Dense(10, activation="softmax")(x))


def embedding_network():
    """MobileFaceNet's parts: PReLU, depthwise convolutions, a normalized embedding."""
    layers = tf.keras.layers
    image = layers.Input([SIZE, SIZE, 3])
    x = image
    for channels in (16, 24, 32):
        x = layers.Conv2D(channels, 3, 2, "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_uniform")(x)
        x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Flatten()(layers.DepthwiseConv2D(SIZE // 8)(x))
    x = layers.Dense(32)(x)
    return tf.keras.Model(image, layers.Lambda(lambda t: tf.math.l2_normalize(t, 1))(x))


def segmentation_network():
    """DeepLab's parts: dilated convolutions, pooled features resized and joined, bilinear upsampling."""
    layers = tf.keras.layers
    image = layers.Input([SIZE, SIZE, 3])
    x = layers.Conv2D(16, 3, 2, "same", activation="relu6")(image)
    x = layers.Conv2D(16, 3, 2, "same", activation="relu6")(x)
    parts = [layers.Conv2D(8, 1, activation="relu")(x)]
    parts += [layers.Conv2D(8, 3, padding="same", dilation_rate=rate, activation="relu")(x) for rate in (2, 4)]
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    parts.append(layers.UpSampling2D(SIZE // 4, interpolation="bilinear")(layers.Conv2D(8, 1, activation="relu")(pooled)))
    x = layers.Conv2D(5, 1)(layers.Concatenate()(parts))
    x = layers.UpSampling2D(4, interpolation="bilinear")(x)
    return tf.keras.Model(image, layers.Softmax()(x))


def detection_network():
    """The parts of YOLO: SiLU, spatial pyramid pooling, nearest upsampling, a distribution of distances, boxes from a grid."""
    layers = tf.keras.layers

    def conv(x, channels, kernel=3, stride=1):
        x = layers.BatchNormalization()(layers.Conv2D(channels, kernel, stride, "same", use_bias=False)(x))
        return layers.Activation("swish")(x)

    image = layers.Input([SIZE, SIZE, 3])
    x = conv(conv(image, 16, 3, 2), 24, 3, 2)
    deep = conv(x, 32, 3, 2)
    pools = [deep]
    for _ in range(3):
        pools.append(layers.MaxPooling2D(5, 1, "same")(pools[-1]))
    deep = conv(layers.Concatenate()(pools), 32, 1)
    x = conv(layers.Concatenate()([layers.UpSampling2D(2)(deep), x]), 24)
    side = SIZE // 4
    distances = layers.Reshape([side * side, 4, 16])(layers.Conv2D(64, 1)(x))
    distances = tf.keras.layers.Softmax()(distances)
    distances = layers.Lambda(lambda t: tf.reduce_sum(t * tf.range(16, dtype=tf.float32), -1))(distances)
    classes = layers.Activation("sigmoid")(layers.Reshape([side * side, 5])(layers.Conv2D(5, 1)(x)))

    def decode(t):
        row, column = tf.meshgrid(tf.range(side, dtype=tf.float32) + 0.5, tf.range(side, dtype=tf.float32) + 0.5, indexing="ij")
        centre = tf.reshape(tf.stack([column, row], -1), [1, side * side, 2])
        low, high = centre - t[..., :2], centre + t[..., 2:]
        return tf.concat([(low + high) / 2, high - low], -1) * 4.0

    boxes = layers.Lambda(decode)(distances)
    return tf.keras.Model(image, layers.Lambda(lambda t: tf.transpose(t, [0, 2, 1]))(layers.Concatenate()([boxes, classes])))


def application(name, **given):
    def make():
        maker = getattr(tf.keras.applications, name)
        return maker(input_shape=(SIZE, SIZE, 3), weights=None, classes=10, **given)
    return make


def convnext_network():
    """ConvNeXt with the layers of its published sizes, narrower."""
    from keras.src.applications.convnext import ConvNeXt
    return ConvNeXt(depths=(1, 1, 2, 1), projection_dims=(16, 32, 64, 128), input_shape=(SIZE, SIZE, 3), weights=None, classes=10, name="convnext")


FAMILIES = {
    "MobileNetV2": application("MobileNetV2", alpha=0.35),
    "MobileNetV3Small": application("MobileNetV3Small", minimalistic=False),
    "EfficientNetB0": application("EfficientNetB0"),
    "ConvNeXt": convnext_network,
    "ViT": attention_network,
    "face embedding": embedding_network,
    "DeepLab": segmentation_network,
    "YOLO": detection_network,
}


def vary(network, rng):
    """Batch norms of a network that was not trained are the identity; these are not."""
    for layer in network.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights() if len(layer.get_weights()) == 4 else [None] * 4
            if gamma is not None:
                shape = gamma.shape
                layer.set_weights([rng.uniform(0.5, 1.5, shape), rng.normal(0, 0.2, shape), rng.normal(0, 0.2, shape), rng.uniform(0.5, 1.5, shape)])


def freeze(network):
    """returns: the network as a function without variables."""
    function = tf.function(lambda image: network(image, training=False)).get_concrete_function(tf.TensorSpec([1, SIZE, SIZE, 3], tf.float32, name="image"))
    return convert_variables_to_constants_v2(function)


def run_litert(path, given):
    net = Interpreter(path, num_threads=1)
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], given)
    net.invoke()
    return net.get_tensor(net.get_output_details()[0]["index"])


def compare(what, ours, theirs):
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, expected {theirs.shape}"
    worst = float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))
    assert worst <= LIMIT, f"{what}: differs by {worst:.2e} of the largest value"
    return worst


def check_family(judge, name, make, number):
    tf.keras.utils.set_random_seed(number)
    rng = np.random.default_rng(number)
    network = make()
    vary(network, rng)
    given = rng.uniform(0, 1, (1, SIZE, SIZE, 3)).astype(np.float32)
    function = freeze(network)
    theirs = function(tf.constant(given))[0].numpy()
    frozen, exported, converted = (judge.path(f"{number}{end}") for end in (".pb", ".tflite", ".converted.tflite"))
    with open(frozen, "wb") as file:
        file.write(function.graph.as_graph_def().SerializeToString())
    with open(exported, "wb") as file:
        file.write(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    worst = {"TFLite": compare("TFLite", run_probe(judge, exported, given, ())[0][1], run_litert(exported, given))}
    # Keras compiles ConvNeXt's depthwise convolutions apart, as calls of functions, which a frozen graph keeps.
    if not any(node.op == "StatefulPartitionedCall" for node in function.graph.as_graph_def().node):
        worst["frozen graph"] = compare("frozen graph", run_probe(judge, frozen, given, ())[0][1], theirs)
        judge.run("convert", frozen, "-o", converted, "--no-check")
        worst["converted"] = compare("converted", run_litert(converted, given), theirs)
        os.remove(converted)
    print(f"{name}: largest difference {', '.join(f'{how} {w:.1e}' for how, w in worst.items())}", flush=True)
    os.remove(frozen)
    os.remove(exported)


def main():
    judge = Judge(__doc__)
    for number, (name, make) in enumerate(FAMILIES.items()):
        if judge.wants(name):
            judge.case(name, check_family, judge, name, make, number)
    judge.close()


if __name__ == "__main__":
    main()
