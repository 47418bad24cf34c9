#!/usr/bin/env python3
"""Trains the demo's detector, writes it as model.tflite and model.mlmodel, and scores the written files.

    train.py                # trains, exports to demo/model, evaluates (about a quarter of an hour on one core)
    train.py --evaluate     # only evaluates demo/model

The network has the layout of a Custom Vision "General (compact)" object-detection export (Tiny YOLOv2 with a narrow last
layer): eight 3x3 convolutions, leaky ReLU 0.1, max pools after 1 to 6 (the sixth of stride 1, padded right and bottom), a
1x1 head to 5 anchors x (4 + 1 + tags) channels; input 416x416 BGR, 0..255, no scaling in the graph. Only the widths are smaller.
"""
import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image

from draw_scenes import TAGS, draw_scene

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE, GRID = 416, 13
WIDTHS = [8, 16, 24, 32, 48, 64, 96, 64]
ANCHORS = np.array([[0.573, 0.677], [1.87, 2.06], [3.34, 5.47], [7.88, 3.53], [9.77, 9.17]])  # in grid cells
CHANNELS = len(ANCHORS) * (5 + len(TAGS))
EPSILON = 1e-3
TRAIN_SEED, UNSEEN_SEED = 1, 3  # the committed images are seed 2


# Scenes as the network sees them


def load_input(image):
    """RGB image of any size -> BGR uint8 [416, 416, 3]."""
    return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))[:, :, ::-1]


def drawn_set(seed, count):
    """returns: inputs uint8 [count, 416, 416, 3] and per image objects [(tag, x1, y1, x2, y2)] in parts of the frame."""
    inputs, truth = np.empty((count, SIZE, SIZE, 3), np.uint8), []
    for index in range(count):
        image, objects = draw_scene(seed, index)
        inputs[index] = load_input(image)
        w, h = image.size
        truth.append([(t, a / w, b / h, c / w, d / h) for t, a, b, c, d in objects])
    return inputs, truth


def committed_set():
    with open(os.path.join(HERE, "annotations.json"), encoding="utf-8") as file:
        coco = json.load(file)
    inputs, truth = [], []
    for entry in coco["images"]:
        with Image.open(os.path.join(HERE, "images", entry["file_name"])) as image:
            inputs.append(load_input(image))
        w, h = entry["width"], entry["height"]
        boxes = [(a["category_id"] - 1, *a["bbox"]) for a in coco["annotations"] if a["image_id"] == entry["id"]]
        truth.append([(t, x / w, y / h, (x + bw) / w, (y + bh) / h) for t, x, y, bw, bh in boxes])
    return np.stack(inputs), truth


# Score: decode, NMS per tag, average precision over 101 recall points


def iou(box, boxes):
    w = np.clip(np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]), 0, None)
    h = np.clip(np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]), 0, None)
    both = (box[2] - box[0]) * (box[3] - box[1]) + (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return w * h / (both - w * h + 1e-12)


def sigmoid(v):
    return 1 / (1 + np.exp(-np.clip(v, -60, 60)))


def decode(output, threshold=0.005):
    """Raw output [13, 13, channels] -> detections [(tag, score, box)], boxes in parts of the frame, best first."""
    o = output.reshape(GRID, GRID, len(ANCHORS), 5 + len(TAGS)).astype(np.float64)
    x = (sigmoid(o[..., 0]) + np.arange(GRID)[None, :, None]) / GRID
    y = (sigmoid(o[..., 1]) + np.arange(GRID)[:, None, None]) / GRID
    w = np.exp(np.minimum(o[..., 2], 8)) * ANCHORS[:, 0] / GRID
    h = np.exp(np.minimum(o[..., 3], 8)) * ANCHORS[:, 1] / GRID
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
    classes = np.exp(o[..., 5:] - o[..., 5:].max(-1, keepdims=True))
    scores = classes / classes.sum(-1, keepdims=True) * sigmoid(o[..., 4:5])
    found = []
    for tag in range(len(TAGS)):
        chosen = scores[..., tag] > threshold
        b, s = boxes[chosen], scores[..., tag][chosen]
        order = np.argsort(-s, kind="stable")
        b, s = b[order], s[order]
        while len(b):
            found.append((tag, s[0], b[0]))
            apart = iou(b[0], b) <= 0.45
            apart[0] = False
            b, s = b[apart], s[apart]
    return sorted(found, key=lambda d: -d[1])[:100]


def average_precision(detections, truth, tag, threshold):
    rows, total = [], 0
    for found, objects in zip(detections, truth):
        boxes = np.array([o[1:] for o in objects if o[0] == tag]).reshape(-1, 4)
        total += len(boxes)
        used = np.zeros(len(boxes), bool)
        for _, score, box in [d for d in found if d[0] == tag]:
            overlaps = np.where(used, -1, iou(box, boxes))
            hit = len(boxes) > 0 and overlaps.max() >= threshold
            if hit:
                used[overlaps.argmax()] = True
            rows.append((score, hit))
    if not rows:
        return 0.0
    rows.sort(key=lambda r: -r[0])
    right = np.cumsum([r[1] for r in rows])
    precision = np.maximum.accumulate((right / np.arange(1, len(rows) + 1))[::-1])[::-1]
    at = np.searchsorted(right / total, np.linspace(0, 1, 101), side="left")
    return float(np.mean(np.append(precision, 0.0)[np.minimum(at, len(rows))]))


def score(run, inputs, truth):
    """run: float32 [1, 416, 416, 3] -> [1, 13, 13, channels]. returns: AP50 per tag, AP50, AP over IoU 0.5 to 0.95."""
    detections = [decode(run(image[None].astype(np.float32))[0]) for image in inputs]
    table = np.array([[average_precision(detections, truth, t, i) for i in np.arange(0.5, 1, 0.05)] for t in range(len(TAGS))])
    return {**{f"AP50 {t}": table[i, 0] for i, t in enumerate(TAGS)}, "AP50": table[:, 0].mean(), "AP": table.mean()}


# Training


def target_grids(truth):
    """returns: [13, 13, anchors, 6]: present, x and y in the cell, log w and h over the anchor's, tag; and the boxes (centre, size), padded to 4."""
    grid = np.zeros((GRID, GRID, len(ANCHORS), 6), np.float32)
    boxes = np.zeros((4, 4), np.float32)
    for index, (tag, x1, y1, x2, y2) in enumerate(truth):
        w, h = (x2 - x1) * GRID, (y2 - y1) * GRID
        x, y = (x1 + x2) / 2 * GRID, (y1 + y2) / 2 * GRID
        shared = np.minimum(w, ANCHORS[:, 0]) * np.minimum(h, ANCHORS[:, 1])
        anchor = int(np.argmax(shared / (w * h + ANCHORS.prod(1) - shared)))
        col, row = min(int(x), GRID - 1), min(int(y), GRID - 1)
        grid[row, col, anchor] = [1, x - col, y - row, np.log(w / ANCHORS[anchor, 0]), np.log(h / ANCHORS[anchor, 1]), tag]
        boxes[index] = [x, y, w, h]
    return grid, boxes


def mirrored(objects):
    return [(t, 1 - x2, y1, 1 - x1, y2) for t, x1, y1, x2, y2 in objects]


class Network:
    """Variables by layer, forward pass with batch norm; `folded` gives the weights of the exported graph."""

    def __init__(self, tf, seed):
        self.tf = tf
        rng = np.random.default_rng(seed)
        self.weights, self.gammas, self.betas, self.means, self.variances = [], [], [], [], []
        inputs = 3
        for width in WIDTHS:
            start = rng.normal(0, np.sqrt(2 / (9 * inputs)), (3, 3, inputs, width))
            self.weights.append(tf.Variable(start.astype(np.float32)))
            self.gammas.append(tf.Variable(tf.ones(width)))
            self.betas.append(tf.Variable(tf.zeros(width)))
            self.means.append(tf.Variable(tf.zeros(width), trainable=False))
            self.variances.append(tf.Variable(tf.ones(width), trainable=False))
            inputs = width
        self.head = tf.Variable(rng.normal(0, 0.03, (1, 1, inputs, CHANNELS)).astype(np.float32))
        bias = np.zeros((len(ANCHORS), 5 + len(TAGS)), np.float32)
        bias[:, 4] = -4.0  # nearly every cell is empty
        self.bias = tf.Variable(bias.reshape(-1))
        self.trainable = [*self.weights, *self.gammas, *self.betas, self.head, self.bias]

    def forward(self, x, momentum):
        tf = self.tf
        x = x / 255.0
        for i in range(len(WIDTHS)):
            x = tf.nn.conv2d(x, self.weights[i], 1, "SAME")
            x, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, self.gammas[i], self.betas[i], epsilon=EPSILON, is_training=True)
            self.means[i].assign(self.means[i] * momentum + mean * (1 - momentum))
            self.variances[i].assign(self.variances[i] * momentum + variance * (1 - momentum))
            x = tf.nn.leaky_relu(x, 0.1)
            if i < 6:
                x = tf.nn.max_pool2d(x, 2, 2 if i < 5 else 1, "SAME")
        return tf.nn.conv2d(x, self.head, 1, "SAME") + self.bias

    def folded(self):
        """returns: [(HWIO weights, biases)] of the eight convolutions and the head, batch norm and the division by 255 folded in."""
        layers = []
        for i in range(len(WIDTHS)):
            gain = self.gammas[i].numpy() / np.sqrt(self.variances[i].numpy() + EPSILON)
            kernel = self.weights[i].numpy() * gain / (255.0 if i == 0 else 1.0)
            layers.append((kernel.astype(np.float32), (self.betas[i].numpy() - self.means[i].numpy() * gain).astype(np.float32)))
        return layers + [(self.head.numpy(), self.bias.numpy())]


def detection_loss(tf, output, grid, boxes):
    """YOLOv2's: place and class where an object is, objectness everywhere but where a guess already fits one well."""
    o = tf.reshape(output, [-1, GRID, GRID, len(ANCHORS), 5 + len(TAGS)])
    here = grid[..., 0]
    anchors = tf.constant(ANCHORS, tf.float32)
    column = tf.reshape(tf.range(GRID, dtype=tf.float32), [1, 1, GRID, 1])
    row = tf.reshape(tf.range(GRID, dtype=tf.float32), [1, GRID, 1, 1])
    x, y = tf.sigmoid(o[..., 0]) + column, tf.sigmoid(o[..., 1]) + row
    w, h = tf.exp(tf.minimum(o[..., 2], 4.0)) * anchors[:, 0], tf.exp(tf.minimum(o[..., 3], 4.0)) * anchors[:, 1]

    def each(v):
        return tf.expand_dims(v, -1)

    t = boxes[:, None, None, None, :, :]
    across = tf.minimum(each(x + w / 2), t[..., 0] + t[..., 2] / 2) - tf.maximum(each(x - w / 2), t[..., 0] - t[..., 2] / 2)
    down = tf.minimum(each(y + h / 2), t[..., 1] + t[..., 3] / 2) - tf.maximum(each(y - h / 2), t[..., 1] - t[..., 3] / 2)
    shared = tf.maximum(across, 0.0) * tf.maximum(down, 0.0)
    fit = tf.reduce_max(shared / (each(w * h) + t[..., 2] * t[..., 3] - shared + 1e-9), -1)
    empty = (1 - here) * tf.stop_gradient(tf.cast(fit < 0.6, tf.float32))
    objectness = tf.nn.sigmoid_cross_entropy_with_logits(here, o[..., 4])
    place = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(grid[..., 1:3], o[..., 0:2]), -1)
    place += tf.reduce_sum(tf.square(grid[..., 3:5] - o[..., 2:4]), -1) * 2
    tags = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(grid[..., 5], tf.int32), o[..., 5:])
    total = tf.reduce_sum(here * (2 * place + tags + 3 * objectness) + empty * objectness)
    return total / tf.cast(tf.shape(output)[0], tf.float32)


def train(options):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(0)
    start, spent = time.time(), time.process_time()
    inputs, truth = drawn_set(TRAIN_SEED, options.images)
    plain = [target_grids(t) for t in truth]
    turned = [target_grids(mirrored(t)) for t in truth]
    print(f"{options.images} scenes drawn in {time.time() - start:.0f} s", flush=True)
    network = Network(tf, 0)
    optimizer = tf.keras.optimizers.Adam(options.rate, clipnorm=10.0)
    optimizer.build(network.trainable)

    @tf.function
    def step(images, grid, boxes, momentum):
        with tf.GradientTape() as tape:
            loss = detection_loss(tf, network.forward(images, momentum), grid, boxes)
            loss += 2e-4 * tf.add_n([tf.nn.l2_loss(w) for w in network.weights])
        optimizer.apply_gradients(zip(tape.gradient(loss, network.trainable), network.trainable))
        return loss

    rng = np.random.default_rng(0)
    steps = options.epochs * (options.images // options.batch)
    done, losses = 0, []
    for epoch in range(options.epochs):
        order = rng.permutation(options.images)
        for at in range(0, options.images - options.batch + 1, options.batch):
            chosen = order[at:at + options.batch]
            flips = rng.random(options.batch) < 0.5
            images = np.stack([inputs[i, :, ::-1] if f else inputs[i] for i, f in zip(chosen, flips)]).astype(np.float32)
            images = images * rng.uniform(0.8, 1.2, (options.batch, 1, 1, 3)).astype(np.float32)
            images = np.minimum(images + rng.uniform(-20, 20, (options.batch, 1, 1, 1)).astype(np.float32), 255.0)
            grids = [(turned if f else plain)[i] for i, f in zip(chosen, flips)]
            warm = min(1.0, (done + 1) / 100)
            optimizer.learning_rate.assign(options.rate * warm * (0.5 * (1 + np.cos(np.pi * done / steps)) + 1e-3))
            momentum = tf.constant(min(0.98, (done + 1) / (done + 10)), tf.float32)
            losses.append(float(step(np.maximum(images, 0.0), np.stack([g for g, _ in grids]), np.stack([b for _, b in grids]), momentum)))
            done += 1
        print(f"epoch {epoch + 1}/{options.epochs}: loss {np.mean(losses[-(steps // options.epochs):]):.3f}, {time.time() - start:.0f} s", flush=True)
    return network.folded(), time.time() - start, time.process_time() - spent


# Export


def frozen_graph(tf, layers):
    """The GraphDef of a 2018-19 export: Placeholder, Conv2D, BiasAdd, Mul by a shared alpha and Maximum, MaxPool, Identity."""
    graph = tf.Graph()
    v1 = tf.compat.v1
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], name="Placeholder")
        alpha = tf.constant(0.1, tf.float32, name="leaky_alpha")
        for i, (kernel, bias) in enumerate(layers):
            name = f"layer{i + 1}_conv" if i < len(WIDTHS) else "m_outputs0"
            weights = tf.constant(kernel, name=f"{name}/weights")
            x = tf.nn.conv2d(x, weights, 1, "SAME", name=f"{name}/Conv2D")
            x = tf.nn.bias_add(x, tf.constant(bias, name=f"{name}/biases"), name=f"{name}/BiasAdd")
            if i < len(WIDTHS):
                x = tf.maximum(x, tf.multiply(x, alpha, name=f"layer{i + 1}_leaky/mul"), name=f"layer{i + 1}_leaky/Maximum")
            if i < 6:
                x = tf.nn.max_pool2d(x, 2, 2 if i < 5 else 1, "SAME", name=f"pool{i + 1}")
        tf.identity(x, name="model_outputs")
    return graph


def write_tflite(path, layers):
    import tensorflow as tf

    graph = frozen_graph(tf, layers)
    with tf.compat.v1.Session(graph=graph) as session:
        inputs, outputs = [graph.get_tensor_by_name("Placeholder:0")], [graph.get_tensor_by_name("model_outputs:0")]
        converter = tf.compat.v1.lite.TFLiteConverter.from_session(session, inputs, outputs)
        converted = converter.convert()
    with open(path, "wb") as file:
        file.write(converted)


def write_mlmodel(path, layers):
    from coremltools.models import MLModel, datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    builder = NeuralNetworkBuilder([("data", datatypes.Array(3, SIZE, SIZE))], [("model_outputs0", datatypes.Array(CHANNELS, GRID, GRID))])
    x = "data"
    for i, (kernel, bias) in enumerate(layers):
        last = i == len(WIDTHS)
        name = "m_outputs0/conv" if last else f"layer{i + 1}/conv"
        out = "model_outputs0" if last else f"{name}_o"
        size = kernel.shape[0]
        builder.add_convolution(name, kernel.shape[2], kernel.shape[3], size, size, 1, 1, "same", 1, kernel, bias, True, input_name=x, output_name=out)
        x = out
        if not last:
            builder.add_activation(f"layer{i + 1}/leaky", "LEAKYRELU", x, f"layer{i + 1}/leaky_o", [0.1])
            x = f"layer{i + 1}/leaky_o"
        if i == 5:
            builder.add_padding("pool6/pad", right=1, bottom=1, input_name=x, output_name="pool6/pad_o", padding_type="replication")
            x = "pool6/pad_o"
        if i < 6:
            stride = 2 if i < 5 else 1
            builder.add_pooling(f"pool{i + 1}", 2, 2, stride, stride, "MAX", "VALID", x, f"pool{i + 1}_o")
            x = f"pool{i + 1}_o"
    builder.set_pre_processing_parameters(image_input_names=["data"], is_bgr=True)
    builder.spec.description.metadata.userDefined["classes"] = ",".join(TAGS)
    MLModel(builder.spec, skip_model_load=True).save(path)


def evaluate(folder, unseen):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(os.path.join(folder, "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(image):
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    worst = 1.0
    for name, (inputs, truth) in (("committed images", committed_set()), (f"unseen seed {UNSEEN_SEED}", drawn_set(UNSEEN_SEED, unseen))):
        figures = score(run, inputs, truth)
        worst = min(worst, figures["AP50"])
        print(f"{name} ({len(inputs)}): " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(HERE, "model"), help="folder of the model (default: demo/model)")
    parser.add_argument("--evaluate", action="store_true", help="evaluate the model that is there, train nothing")
    parser.add_argument("--images", type=int, default=2400)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unseen", type=int, default=200, help="images of the unseen set (default 200)")
    options = parser.parse_args()
    if not options.evaluate:
        layers, seconds, spent = train(options)
        os.makedirs(options.out, exist_ok=True)
        write_tflite(os.path.join(options.out, "model.tflite"), layers)
        write_mlmodel(os.path.join(options.out, "model.mlmodel"), layers)
        with open(os.path.join(options.out, "labels.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(TAGS) + "\n")
        sizes = ", ".join(f"{n} {os.path.getsize(os.path.join(options.out, n))} bytes" for n in ("model.tflite", "model.mlmodel"))
        print(f"trained in {seconds:.0f} s ({spent:.0f} s of processor time): {sizes}")
    worst = evaluate(options.out, options.unseen)
    if worst < 0.9:
        raise SystemExit(f"AP50 {worst:.4f} is below 0.9")


if __name__ == "__main__":
    main()
