#!/usr/bin/env python3
"""Judges every Core ML layer that is run: random networks against NumPy, by the words of NeuralNetwork.proto.

    check_coreml_layers.py --tool build/dev/src/run/run_probe [--count 500] [--seed 1] [--only pooling]

Each network is a chain of one to three layers that coremltools' NeuralNetworkBuilder writes, at ranks 1 to 5, with shapes
mapped to rank 5 or taken exactly. The first layer goes through the whole list, the others are drawn. What is right stands
beside each layer in NumPy, in float64; our run may differ by 1e-4 of the output's range.
source: apple/coremltools mlmodel/format/NeuralNetwork.proto; coremltools/test/neural_network/test_numpy_nn_layers.py;
L2 pooling: coremltools/converters/mil/mil/ops/tests/iOS14/test_pool.py, TestL2Pool
"""
import logging
import os
import re
import subprocess

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.disable(logging.WARNING)  # coremltools warns of the parts that exist on macOS only

import coremltools
import numpy as np
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder

from judge import Judge

LIMIT = 1e-4  # of the output's range: float32 sums of a few thousand products
KINDS = []


class Unfit(Exception):
    """The layer takes no input such as this."""


def layer(name, ranks=range(1, 6), mapped=True, first_only=False):
    """Registers a maker of one layer. mapped: it exists in files whose inputs are mapped to rank 5 (before specification 4).
    first_only: it jumps where its input is exact alone, so that it reads what no layer has rounded."""

    def register(make):
        KINDS.append((name, list(ranks), mapped, first_only, make))
        return make

    return register


class Network:
    """A network under construction: `name` is the latest blob, `x` what it holds, in all of Core ML's axes."""

    def __init__(self, rng, shape, mapped):
        self.rng, self.mapped, self.made, self.story = rng, mapped, 0, []
        self.given = rng.uniform(-2, 2, shape).astype(np.float32)
        declared = shape
        if mapped:  # [C] and [C,H,W] are the rank 5 that is declared
            declared = shape[2:3] if shape[3:] == (1, 1) and rng.random() < 0.5 else shape[2:]
        self.builder = NeuralNetworkBuilder([("data", datatypes.Array(*declared))], [("out", None)], disable_rank5_shape_mapping=not mapped)
        self.name, self.x = "data", self.given.astype(np.float64)
        self.is_image = len(shape) < 5 or shape[0] == 1  # whether a sequence axis is known to be 1
        self.largest = 2.0  # of all values on the way

    def new_name(self):
        self.made += 1
        return f"v{self.made}"

    def add(self, method, x, inputs=None, says="", is_image=None, **parameters):
        """One layer on the latest blob; what it gives, `x`, becomes the latest."""
        out = self.new_name()
        if "output_names" in parameters or "output_name" in parameters:
            out = parameters.pop("output", None)
        else:
            parameters["output_name"] = out
        if inputs is None:
            parameters["input_name"] = self.name
        elif inputs:
            parameters["input_names"] = inputs
        getattr(self.builder, method)(name=f"layer{self.made}", **parameters)
        self.become(out, x, f"{method[4:]} {says}", is_image)

    def become(self, name, x, story, is_image=None):
        self.name, self.x = name, np.asarray(x, np.float64)
        self.largest = max(self.largest, float(np.abs(self.x).max()) if self.x.size else 0)
        self.story.append(f"{story.strip()} -> {list(self.x.shape)}")
        if is_image is not None:
            self.is_image = is_image
        if self.x.ndim < 5:
            self.is_image = True

    def whole(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def real(self, low=-1.0, high=1.0, shape=None):
        """A number, or numbers, that float32 holds exactly."""
        value = self.rng.uniform(low, high, shape).astype(np.float32) if shape is not None else np.float32(self.rng.uniform(low, high))
        return value.astype(np.float64) if shape is not None else float(value)

    def chance(self, share=0.5):
        return self.rng.random() < share

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def need(self, fits):
        if not fits:
            raise Unfit

    def constant(self, value):
        """A blob that holds `value`. A network of mapped shapes has those of [C,H,W] alone."""
        name = self.new_name()
        if self.mapped:
            self.builder.add_load_constant(name=name, output_name=name, constant_value=value.reshape(value.shape[-3:]), shape=list(value.shape[-3:]))
        else:
            self.builder.add_load_constant_nd(name=name, output_name=name, constant_value=value, shape=list(value.shape))
        return name

    def tame(self):
        """Scales what has grown, or shrunk, back to a few units: sums of large numbers would judge float32 and not the layers."""
        size = np.abs(self.x).max() if self.x.size else 0
        if size > 16 or 1e-6 < size < 1e-2:
            factor = float(np.float32(2 / size))
            self.add("add_activation", self.x * factor, says="tamed", non_linearity="LINEAR", params=[factor, 0.0])


# Axes -3, -2, -1 are C, H, W; those before them are a batch.


def spread(vector, rank):
    """One number a channel along axis -3 of so many axes."""
    return vector.reshape((-1, 1, 1)) if rank >= 3 else vector


def convolve(x, w, stride, dilation, pads, groups):
    """x: [N,C,H,W]; w: [O,C/groups,kh,kw]; pads: ((top, bottom), (left, right))."""
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    out = [(x.shape[2 + a] - (w.shape[2 + a] - 1) * dilation[a] - 1) // stride[a] + 1 for a in range(2)]
    inner, outer = w.shape[1], w.shape[0] // groups
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for g in range(groups):
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                top, left = i * dilation[0], j * dilation[1]
                window = x[:, g * inner:(g + 1) * inner, top:top + (out[0] - 1) * stride[0] + 1:stride[0], left:left + (out[1] - 1) * stride[1] + 1:stride[1]]
                y[:, g * outer:(g + 1) * outer] += np.einsum("nchw,oc->nohw", window, w[g * outer:(g + 1) * outer, :, i, j])
    return y


def same_amounts(size, extent, stride, mode):
    total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    small = total // 2
    return (small, total - small) if mode == "BOTTOM_RIGHT_HEAVY" else (total - small, small)


def as_batch(x):
    """x with all axes before C as one, and what brings them back."""
    return x.reshape((-1, *x.shape[-3:])), lambda y: y.reshape((*x.shape[:-3], *y.shape[1:]))


@layer("convolution", [4, 5])
def make_convolution(net):
    x, back = as_batch(net.x)
    net.need(net.is_image and x.shape[1] > 0)
    groups = net.pick(1, 1, *[g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])
    out, inner = groups * net.whole(1, 3), x.shape[1] // groups
    kernel, stride = [net.whole(1, 4) for _ in "hw"], [net.whole(1, 3) for _ in "hw"]
    dilation = [net.whole(1, 2) for _ in "hw"] if net.chance(0.3) else [1, 1]
    w, bias = net.real(-1, 1, (out, inner, *kernel)), net.real(-1, 1, (out,)) if net.chance() else None
    mode, rule = net.pick("valid", "same"), net.pick("BOTTOM_RIGHT_HEAVY", "TOP_LEFT_HEAVY")
    extent = [(kernel[a] - 1) * dilation[a] + 1 for a in range(2)]
    pads = [(net.whole(0, 2), net.whole(0, 2)) if mode == "valid" else same_amounts(x.shape[2 + a], extent[a], stride[a], rule) for a in range(2)]
    net.need(all(x.shape[2 + a] + sum(pads[a]) >= extent[a] for a in range(2)))
    y = convolve(x, w, stride, dilation, pads, groups) + (0 if bias is None else bias[:, None, None])
    given = dict(zip(("padding_top", "padding_bottom", "padding_left", "padding_right"), (*pads[0], *pads[1]))) if mode == "valid" else {}
    net.add("add_convolution", back(y), says=f"k{kernel} s{stride} d{dilation} g{groups} {mode} {rule}", kernel_channels=inner, output_channels=out,
            height=kernel[0], width=kernel[1], stride_height=stride[0], stride_width=stride[1], border_mode=mode, groups=groups,
            W=w.transpose(2, 3, 1, 0), b=bias, has_bias=bias is not None, dilation_factors=dilation, same_padding_asymmetry_mode=rule, **given)


@layer("deconvolution", [4, 5])
def make_deconvolution(net):
    x, back = as_batch(net.x)
    net.need(net.is_image)
    groups = net.pick(1, *[g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])
    each, inner = net.whole(1, 3), x.shape[1] // groups
    kernel, stride = [net.whole(1, 4) for _ in "hw"], [net.whole(1, 3) for _ in "hw"]
    w, bias = net.real(-1, 1, (x.shape[1], each, *kernel)), net.real(-1, 1, (each * groups,)) if net.chance() else None
    full = np.zeros((x.shape[0], each * groups, *[(x.shape[2 + a] - 1) * stride[a] + max(kernel[a], stride[a]) for a in range(2)]))
    for g in range(groups):
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                part = np.einsum("nchw,co->nohw", x[:, g * inner:(g + 1) * inner], w[g * inner:(g + 1) * inner, :, i, j])
                full[:, g * each:(g + 1) * each, i:i + part.shape[2] * stride[0]:stride[0], j:j + part.shape[3] * stride[1]:stride[1]] += part
    mode, rule, given = net.pick("valid", "same"), net.pick("BOTTOM_RIGHT_HEAVY", "TOP_LEFT_HEAVY"), {}
    if mode == "valid":
        pads = [(net.whole(0, kernel[a] // 2), net.whole(0, kernel[a] // 2)) for a in range(2)]
        sizes = [(x.shape[2 + a] - 1) * stride[a] + kernel[a] - sum(pads[a]) for a in range(2)]
        net.need(min(sizes) > 0)
        given = dict(zip(("padding_top", "padding_bottom", "padding_left", "padding_right"), (*pads[0], *pads[1])))
        before = [pads[a][0] for a in range(2)]
        if pads[0][0] == pads[0][1] and pads[1][0] == pads[1][1] and net.chance():
            given["output_shape"] = sizes
    else:
        sizes = [x.shape[2 + a] * stride[a] for a in range(2)]
        totals = [max(0, (x.shape[2 + a] - 1) * stride[a] + kernel[a] - sizes[a]) for a in range(2)]
        before = [t // 2 if rule == "BOTTOM_RIGHT_HEAVY" else t - t // 2 for t in totals]
    y = full[:, :, before[0]:before[0] + sizes[0], before[1]:before[1] + sizes[1]]
    net.add("add_convolution", back(y) + (0 if bias is None else bias[:, None, None]), says=f"deconvolution k{kernel} s{stride} g{groups} {mode} {rule} {given}",
            kernel_channels=x.shape[1], output_channels=each * groups, height=kernel[0], width=kernel[1], stride_height=stride[0], stride_width=stride[1],
            border_mode=mode, groups=groups, W=w.transpose(2, 3, 0, 1), b=bias, has_bias=bias is not None, is_deconv=True,
            same_padding_asymmetry_mode=rule, **given)


def pool_windows(size, kernel, stride, before, after, out):
    """For each output: the pixels inside the image, and how many the window has with its padding."""
    return [(max(0, o * stride - before), min(size, o * stride - before + kernel), min(o * stride - before + kernel, size + after) - (o * stride - before)) for o in range(out)]


@layer("pooling", [4, 5])
@layer("pooling", [4, 5])
@layer("pooling", [4])
def make_pooling(net):
    x, back = as_batch(net.x)
    net.need(net.is_image)
    mode, padding = net.pick("MAX", "AVERAGE", "L2"), net.pick("VALID", "SAME", "INCLUDE_LAST_PIXEL")
    is_global, excludes, rule = net.chance(0.15), net.chance(), net.pick("BOTTOM_RIGHT_HEAVY", "TOP_LEFT_HEAVY")
    kernel, stride, given = [net.whole(1, 4) for _ in "hw"], [net.whole(1, 3) for _ in "hw"], {}
    if padding == "INCLUDE_LAST_PIXEL":
        p = [net.whole(0, (kernel[a] - 1) // 2) for a in range(2)]
        pads = [(p[0], p[0]), (p[1], p[1])]
    elif padding == "VALID":
        pads = [(net.whole(0, (kernel[a] - 1) // 2), net.whole(0, (kernel[a] - 1) // 2)) for a in range(2)]
    else:
        pads = [same_amounts(x.shape[2 + a], kernel[a], stride[a], rule) for a in range(2)]
    if padding != "SAME":
        given = dict(zip(("padding_top", "padding_bottom", "padding_left", "padding_right"), (*pads[0], *pads[1])))
    sizes = []
    for a in range(2):
        span = x.shape[2 + a] + sum(pads[a]) - kernel[a]
        net.need(is_global or span >= 0)
        size = span // stride[a] + 1
        if padding == "INCLUDE_LAST_PIXEL":
            size = -(-span // stride[a]) + 1
            if (pads[0][0] > 0 or pads[1][0] > 0) and (size - 1) * stride[a] >= x.shape[2 + a] + pads[a][0]:
                size -= 1
        sizes.append(size)
    if is_global:
        kernel, stride, pads, sizes, given, padding = list(x.shape[2:]), [1, 1], [(0, 0), (0, 0)], [1, 1], {}, "VALID"
    windows = [pool_windows(x.shape[2 + a], kernel[a], stride[a], *pads[a], sizes[a]) for a in range(2)]
    net.need(all(end > begin for side in windows for begin, end, _ in side))
    y = np.zeros((*x.shape[:2], *sizes))
    for i, (top, bottom, tall) in enumerate(windows[0]):
        for j, (left, right, wide) in enumerate(windows[1]):
            part = x[:, :, top:bottom, left:right]
            if mode == "MAX":
                y[:, :, i, j] = part.max((2, 3))
            elif mode == "L2":
                y[:, :, i, j] = np.sqrt((part**2).sum((2, 3)))
            else:
                y[:, :, i, j] = part.sum((2, 3)) / ((bottom - top) * (right - left) if excludes else tall * wide)
    net.add("add_pooling", back(y), says=f"{mode} {padding} {rule} k{kernel} s{stride} p{pads} global={is_global} excludes={excludes}",
            height=kernel[0], width=kernel[1], stride_height=stride[0], stride_width=stride[1], layer_type=mode, padding_type=padding,
            exclude_pad_area=excludes, is_global=is_global, same_padding_asymmetry_mode=rule, **given)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "LINEAR": lambda x, a, b: a * x + b, "RELU": lambda x, a, b: np.maximum(0, x), "LEAKYRELU": lambda x, a, b: np.where(x < 0, a * x, x),
    "TANH": lambda x, a, b: np.tanh(x), "SCALED_TANH": lambda x, a, b: a * np.tanh(b * x), "SIGMOID": lambda x, a, b: sigmoid(x),
    "SIGMOID_HARD": lambda x, a, b: np.minimum(np.maximum(a * x + b, 0), 1), "ELU": lambda x, a, b: np.where(x < 0, a * (np.exp(x) - 1), x),
    "SOFTSIGN": lambda x, a, b: x / (1 + np.abs(x)), "SOFTPLUS": lambda x, a, b: np.log(1 + np.exp(x)),
}


@layer("activation")
@layer("activation", [1, 2, 3])
def make_activation(net):
    name = net.pick(*ACTIVATIONS)
    a, b = net.real(-2, 2), net.real(-2, 2)
    takes = {"LINEAR": [a, b], "LEAKYRELU": [a], "SCALED_TANH": [a, b], "SIGMOID_HARD": [a, b], "ELU": a}.get(name)
    net.add("add_activation", ACTIVATIONS[name](net.x, a, b), says=f"{name} {takes}", non_linearity=name, params=takes)


@layer("thresholdedReLU", first_only=True)
def make_thresholded(net):
    a = net.real(-1, 1)
    net.add("add_activation", np.where(net.x >= a, net.x, 0), says=f"THRESHOLDEDRELU {a}", non_linearity="THRESHOLDEDRELU", params=a)


@layer("prelu", [3, 4, 5])
def make_prelu(net):
    net.need(net.is_image)
    slopes = net.real(-2, 2, (net.x.shape[-3] if net.chance(0.8) else 1,))
    net.add("add_activation", np.where(net.x < 0, spread(slopes, 3) * net.x, net.x), says=f"PRELU {len(slopes)}", non_linearity="PRELU", params=slopes)


@layer("parametricSoftplus", [3, 4, 5])
def make_parametric_softplus(net):
    a, b = (net.real(-2, 2, (net.x.shape[-3],)) for _ in "ab")
    y = spread(a, 3) * np.log(1 + np.exp(spread(b, 3) * net.x))
    net.add("add_activation", y, says="PARAMETRICSOFTPLUS", non_linearity="PARAMETRICSOFTPLUS", params=[a, b])


@layer("innerProduct")
@layer("innerProduct", [4])
def make_inner_product(net):
    x = net.x
    if x.ndim == 5:
        net.need(net.is_image)
    rows = x if x.ndim < 4 else x.reshape((*x.shape[:-3], -1))
    net.need(rows.shape[-1] <= 4000)
    out = net.whole(1, 5)
    w, bias = net.real(-1, 1, (out, rows.shape[-1])), net.real(-1, 1, (out,)) if net.chance() else None
    y = rows @ w.T + (0 if bias is None else bias)
    net.add("add_inner_product", y if x.ndim < 4 else y.reshape((*y.shape, 1, 1)), says=f"{w.shape}", W=w, b=bias, input_channels=w.shape[1], output_channels=out, has_bias=bias is not None)


@layer("batchnorm", [3, 4, 5])
def make_batchnorm(net):
    net.need(net.is_image)
    c = net.x.shape[-3]
    gamma, beta, mean, variance = net.real(-2, 2, (c,)), net.real(-2, 2, (c,)), net.real(-2, 2, (c,)), net.real(0.1, 3, (c,))
    epsilon, instance = net.pick(1e-5, 1e-3), net.chance(0.4)
    if instance:
        net.need(net.x.shape[-1] * net.x.shape[-2] > 1)
        m, v = net.x.mean((-2, -1), keepdims=True), net.x.var((-2, -1), keepdims=True)
    else:
        m, v = spread(mean, 3), spread(variance, 3)
    y = spread(gamma, 3) * (net.x - m) / np.sqrt(v + epsilon) + spread(beta, 3)
    net.add("add_batchnorm", y, says=f"instance={instance}", channels=c, gamma=gamma, beta=beta, mean=None if instance else mean,
            variance=None if instance else variance, compute_mean_var=instance, instance_normalization=instance, epsilon=epsilon)


@layer("mvn", [3, 4, 5])
def make_mvn(net):
    across, normalize, epsilon = net.chance(), net.chance(), net.pick(1e-5, 1e-2)
    axes = (-3, -2, -1) if across else (-2, -1)
    y = net.x - net.x.mean(axes, keepdims=True)
    net.need(net.x.shape[-1] * net.x.shape[-2] > 1)
    if normalize:
        y = y / np.sqrt(net.x.var(axes, keepdims=True) + epsilon)
    net.add("add_mvn", y, says=f"across={across} variance={normalize}", across_channels=across, normalize_variance=normalize, epsilon=epsilon)


@layer("l2normalize", [3, 4, 5])
def make_l2_normalize(net):
    epsilon = net.pick(1e-5, 1e-2)
    net.add("add_l2_normalize", net.x / np.sqrt((net.x**2).sum((-3, -2, -1), keepdims=True) + epsilon), epsilon=epsilon)


@layer("lrn", [3, 4, 5])
def make_lrn(net):
    net.need(net.is_image)
    size, alpha, beta, k = net.pick(1, 3, 5), net.real(0.01, 1), net.real(0.2, 1), net.pick(1.0, 2.0)
    squares, c = net.x**2, net.x.shape[-3]
    sums = np.stack([squares[..., max(0, i - size // 2):i + size // 2 + 1, :, :].sum(-3) for i in range(c)], -3)
    net.add("add_lrn", net.x / (k + alpha / size * sums)**beta, says=f"{size}", alpha=alpha, beta=beta, local_size=size, k=k)


def softmax(x, axis):
    y = np.exp(x - x.max(axis, keepdims=True))
    return y / y.sum(axis, keepdims=True)


@layer("softmax", [3, 4, 5])
def make_softmax(net):
    net.add("add_softmax", softmax(net.x, -3))


@layer("softmaxND", mapped=False)
def make_softmax_nd(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    net.need(net.x.ndim < 5 or axis not in (0, -5))
    net.add("add_softmax_nd", softmax(net.x, axis), says=f"{axis}", axis=axis)


@layer("padding", [2, 3, 4, 5])
def make_padding(net):
    mode, value = net.pick("constant", "reflection", "replication"), net.real()
    h, w = net.x.shape[-2:]
    top, bottom, left, right = [net.whole(0, 3 if mode != "reflection" else min(3, size - 1)) for size in (h, h, w, w)]
    amounts = [(0, 0)] * (net.x.ndim - 2) + [(top, bottom), (left, right)]
    how = {"constant": {"mode": "constant", "constant_values": value}, "reflection": {"mode": "reflect"}, "replication": {"mode": "edge"}}[mode]
    net.add("add_padding", np.pad(net.x, amounts, **how), says=f"{mode} {amounts[-2:]}", left=left, right=right, top=top, bottom=bottom, value=value, padding_type=mode)


@layer("crop", [3, 4, 5])
def make_crop(net):
    h, w = net.x.shape[-2:]
    top, left = net.whole(0, (h - 1) // 2), net.whole(0, (w - 1) // 2)
    bottom, right = net.whole(0, h - 1 - top), net.whole(0, w - 1 - left)
    net.add("add_crop", net.x[..., top:h - bottom, left:w - right], inputs=[net.name], says=f"{top, bottom, left, right}", left=left, right=right, top=top, bottom=bottom, offset=0)


def sample(x, axis, points):
    """Bilinear along one axis at these places."""
    low = np.floor(points).astype(int)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    share = (points - low).reshape(shape)
    return np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share


@layer("upsample", [3, 4, 5])
def make_upsample(net):
    net.need(net.is_image)
    mode, linear = net.pick("NN", "BILINEAR"), net.pick("DEFAULT", "ALIGN_CORNERS_TRUE", "ALIGN_CORNERS_FALSE")
    whole = mode == "NN" or linear == "DEFAULT" or net.chance()
    factors = [net.whole(1, 3) if whole else net.real(1, 3) for _ in "hw"]
    if mode == "NN" and net.chance(0.3):
        factors[net.whole(0, 1)] = net.whole(4, 61)  # of which some are no reciprocal of their own
    y = net.x
    net.need(y.size * np.prod(factors) < 20000)
    for axis, factor in zip((-2, -1), factors):
        size, out = y.shape[axis], int(np.floor(y.shape[axis] * factor + 1e-6))
        steps = np.arange(out)
        if mode == "NN":
            y = np.repeat(y, factor, axis)
            continue
        spacing = {"DEFAULT": (size - size / out) / max(out - 1, 1), "ALIGN_CORNERS_TRUE": (size - 1) / max(out - 1, 1), "ALIGN_CORNERS_FALSE": size / out}[linear]
        points = steps * spacing + (0.5 * spacing - 0.5 if linear == "ALIGN_CORNERS_FALSE" else 0)
        y = sample(y, axis, np.clip(points, 0, size - 1))
    given = {"linear_upsample_mode": linear} if mode == "BILINEAR" else {}
    net.add("add_upsample", y, says=f"{mode} {linear} {factors}", scaling_factor_h=factors[0], scaling_factor_w=factors[1], mode=mode, **given)


@layer("resizeBilinear", [3, 4, 5])
@layer("resizeBilinear", [3, 4])
def make_resize_bilinear(net):
    net.need(net.is_image)
    mode, sizes = net.pick("STRICT_ALIGN_ENDPOINTS_MODE", "ALIGN_ENDPOINTS_MODE", "UPSAMPLE_MODE", "ROI_ALIGN_MODE"), [net.whole(1, 9) for _ in "hw"]
    y = net.x
    for axis, n in zip((-2, -1), sizes):
        size = y.shape[axis]
        begin, end = 0.0, size - 1.0
        if mode == "ALIGN_ENDPOINTS_MODE" and n == 1:
            begin = end = (size - 1) / 2
        if mode == "UPSAMPLE_MODE":
            end = size - size / n
        if mode == "ROI_ALIGN_MODE":
            spacing = max(1, size - 1) / n
            begin, end = 0.5 * spacing, 0.5 * spacing + (n - 1) * spacing
        y = sample(y, axis, np.clip(np.linspace(begin, end, n), 0, size - 1))
    net.add("add_resize_bilinear", y, says=f"{mode} {sizes}", target_height=sizes[0], target_width=sizes[1], mode=mode)


@layer("unary")
@layer("unary")
def make_unary(net):
    mode = net.pick("sqrt", "rsqrt", "inverse", "power", "exp", "log", "abs", "threshold")
    scale, alpha, epsilon = net.real(0.5, 1.5), net.real(-1.5, 1.5), net.pick(1e-6, 1e-2)
    shift = net.real()
    if mode in ("sqrt", "rsqrt", "inverse", "power", "log"):
        shift = float(np.float32(1.5 - (scale * net.x).min()))
    v = scale * net.x + shift
    y = {"sqrt": lambda: np.sqrt(v), "rsqrt": lambda: 1 / np.sqrt(v + epsilon), "inverse": lambda: 1 / (v + epsilon), "power": lambda: v**alpha,
         "exp": lambda: np.exp(np.minimum(v, 9)), "log": lambda: np.log(v), "abs": lambda: np.abs(v), "threshold": lambda: np.maximum(alpha, v)}[mode]()
    net.need(mode != "exp" or v.max() < 9)
    net.add("add_unary", y, says=f"{mode} {scale} {shift}", mode=mode, alpha=alpha, shift=shift, scale=scale, epsilon=epsilon)


@layer("elementwise with a number")
def make_elementwise_alpha(net):
    mode, alpha = net.pick("ADD", "MULTIPLY"), net.real(-2, 2)
    net.add("add_elementwise", net.x + alpha if mode == "ADD" else net.x * alpha, inputs=[net.name], says=f"{mode} {alpha}", mode=mode, alpha=alpha)


@layer("elementwise", [3, 4, 5])
@layer("elementwise", [4, 5])
def make_elementwise(net):
    mode = net.pick("ADD", "MULTIPLY", "AVE", "MAX", "MIN")
    c, h, w = net.x.shape[-3:]
    shapes = [(c, h, w), (c, 1, 1), (1, h, w), (1, 1, 1)] if mode in ("ADD", "MULTIPLY") else [(c, h, w)]
    operands, names = [net.x], [net.name]
    for _ in range(net.whole(1, 2)):
        shape = net.pick(*shapes) if net.x.ndim < 5 or net.x.shape[0] == net.x.shape[1] == 1 else (c, h, w)
        shape = (1,) * (net.x.ndim - 3) + shape if shape != (c, h, w) else net.x.shape
        net.need(not net.mapped or shape[:2] == (1, 1))
        operands.append(net.real(-1, 1, shape))
        names.append(net.constant(operands[-1]))
    y = operands[0]
    for other in operands[1:]:
        y = {"ADD": np.add, "AVE": np.add, "MULTIPLY": np.multiply, "MAX": np.maximum, "MIN": np.minimum}[mode](y, other)
    net.add("add_elementwise", y / (len(operands) if mode == "AVE" else 1), inputs=names, says=f"{mode} {[o.shape for o in operands]}", mode=mode)


@layer("scale and bias", [3, 4, 5])
@layer("scale and bias", [3, 4])
def make_scale(net):
    c, h, w = net.x.shape[-3:]
    shapes = [(1,), (c,), (1, h, w), (c, h, w)]
    shape, bias_shape, has_bias, only_bias = net.pick(*shapes), net.pick(*shapes), net.chance(), net.chance(0.3)
    scale, bias = net.real(-2, 2, shape), net.real(-2, 2, bias_shape)
    along = lambda v: v if v.ndim == 3 else spread(v, 3)
    if only_bias:
        net.add("add_bias", net.x + along(bias), says=f"{bias_shape}", b=bias, shape_bias=list(bias_shape))
        return
    net.add("add_scale", net.x * along(scale) + (along(bias) if has_bias else 0), says=f"{shape} {bias_shape if has_bias else ''}", W=scale, b=bias if has_bias else None,
            has_bias=has_bias, shape_scale=list(shape), shape_bias=list(bias_shape) if has_bias else None)


REDUCTIONS = {
    "sum": np.sum, "avg": np.mean, "mean": np.mean, "prod": np.prod, "sumsquare": lambda x, **k: np.sum(x**2, **k), "L1": lambda x, **k: np.sum(np.abs(x), **k),
    "L2": lambda x, **k: np.sqrt(np.sum(x**2, **k)), "max": np.max, "min": np.min,
}


@layer("reduce", [3, 4, 5])
@layer("reduce")
def make_reduce(net):
    mode, axis = net.pick("sum", "avg", "prod", "sumsquare", "L1", "L2", "max", "min", "logsum"), net.pick("CHW", "HW", "C", "H", "W")
    axes = {"CHW": (-3, -2, -1), "HW": (-2, -1), "C": (-3,), "H": (-2,), "W": (-1,)}[axis]
    net.need(-axes[0] <= net.x.ndim)
    epsilon = 1e-3
    if mode == "logsum":
        net.need(net.x.min() > 0)
        y = np.log(net.x + epsilon).sum(axis=axes, keepdims=True)
    else:
        y = REDUCTIONS[mode](net.x, axis=axes, keepdims=True)
    net.add("add_reduce", y, says=f"{mode} {axis}", axis=axis, mode=mode, epsilon=epsilon)


@layer("reduce argmax", [2, 3, 4, 5], first_only=True)
def make_reduce_argmax(net):
    axis = net.pick("C", "H", "W")
    at = {"C": -3, "H": -2, "W": -1}[axis]
    net.need(-at <= net.x.ndim)
    net.add("add_reduce", np.expand_dims(net.x.argmax(at), at), says=axis, axis=axis, mode="argmax")


@layer("reduce over axes", mapped=False)
@layer("reduce over axes", mapped=False)
def make_reduce_axes(net):
    mode = net.pick("sum", "mean", "max", "min", "prod", "L1", "L2", "sumsquare")
    rank, keep, every = net.x.ndim, net.chance(), net.chance(0.2)
    axes = sorted(net.rng.choice(rank, net.whole(1, rank), replace=False).tolist())
    reduced = tuple(range(rank)) if every else tuple(axes)
    y = REDUCTIONS[mode](net.x, axis=reduced, keepdims=keep)
    given = [int(a - rank) if net.chance() else int(a) for a in axes]
    net.add(f"add_reduce_{mode.lower()}", np.reshape(y, (1,)) if y.ndim == 0 else y, says=f"{given} keep={keep} all={every}", is_image=False,
            axes=given, keepdims=keep, reduce_all=every)


@layer("argMax and argMin", mapped=False, first_only=True)
def make_find_extreme(net):
    axis, keep, most = net.whole(-net.x.ndim, net.x.ndim - 1), net.chance(), net.chance()
    y = np.argmax(net.x, axis) if most else np.argmin(net.x, axis)
    if keep or net.x.ndim == 1:
        y = np.expand_dims(y, axis)
    net.add("add_argmax" if most else "add_argmin", y, says=f"{axis} keep={keep}", is_image=False, axis=axis, keepdims=keep)


@layer("flatten", [3, 4, 5])
@layer("flatten", [3, 4, 5])
def make_flatten(net):
    mode = net.pick(0, 1)
    x = net.x if mode == 0 else np.moveaxis(net.x, -3, -1)
    net.add("add_flatten", x.reshape((*x.shape[:-3], -1, 1, 1)), says=f"{mode}", mode=mode)


def factors_of(net, size, count):
    """So many sizes whose product is `size`."""
    sizes = []
    for _ in range(count - 1):
        sizes.append(int(net.pick(*[d for d in range(1, size + 1) if size % d == 0])))
        size //= sizes[-1]
    return [*sizes, size]


@layer("reshape", [5])
@layer("reshape", [5])
def make_reshape(net):
    net.need(net.is_image and net.x.shape[:2] == (1, 1))
    mode = net.pick(0, 1)
    target = factors_of(net, net.x.size, 3)
    if mode == 0:
        y = net.x.reshape((1, 1, *target))
    else:
        y = np.moveaxis(np.moveaxis(net.x, 2, 4).reshape((1, 1, target[1], target[2], target[0])), 4, 2)
    net.add("add_reshape", y, says=f"{target} {mode}", target_shape=target if net.chance() else [1, *target], mode=mode)


@layer("permute", [5])
def make_permute(net):
    order = net.rng.permutation(4).tolist()
    if net.chance(0.7):
        order = [0, *(1 + net.rng.permutation(3)).tolist()]
    full = [a if a == 0 else a + 1 for a in order]
    full.insert(1, 1)
    net.add("add_permute", net.x.transpose(full), says=f"{order}", is_image=net.is_image and order[0] == 0, dim=tuple(order))


@layer("concat", [3, 4, 5])
def make_concat(net):
    net.need(not net.mapped or net.x.shape[:2] == (1, 1))
    shape = list(net.x.shape)
    shape[-3] = net.whole(1, 4)
    other = net.real(-1, 1, tuple(shape))
    names, parts = [net.name, net.constant(other)], [net.x, other]
    if net.chance():
        names.append(net.name)
        parts.append(net.x)
    net.add("add_elementwise", np.concatenate(parts, -3), inputs=names, says=f"CONCAT {[p.shape for p in parts]}", mode="CONCAT")


@layer("sequence concat", [5])
def make_sequence_concat(net):
    net.need(net.x.size < 2000)
    net.add("add_elementwise", np.concatenate([net.x, net.x], 0), inputs=[net.name, net.name], says="SEQUENCE_CONCAT", is_image=False, mode="SEQUENCE_CONCAT")


@layer("sequenceRepeat", [5])
def make_sequence_repeat(net):
    times = net.whole(1, 3)
    net.add("add_sequence_repeat", np.tile(net.x, (times, 1, 1, 1, 1)), says=f"{times}", is_image=net.is_image and times == 1, nrep=times)


def finish_split(net, method, parts, says, **given):
    names = [net.new_name() for _ in parts]
    chosen = net.whole(0, len(parts) - 1)
    net.add(method, parts[chosen], says=f"{says}, part {chosen}", output_names=names, output=names[chosen], **given)


@layer("split", [3, 4, 5])
def make_split(net):
    count = int(net.pick(*[d for d in range(1, net.x.shape[-3] + 1) if net.x.shape[-3] % d == 0]))
    finish_split(net, "add_split", np.split(net.x, count, -3), f"{count}")


@layer("splitND", mapped=False)
def make_split_nd(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    net.need(net.x.ndim < 5 or axis not in (0, -5))
    size = net.x.shape[axis]
    if net.chance():
        net.need(size > 1)
        cuts = sorted(set(net.rng.integers(1, size, 2).tolist()))
        sizes = np.diff([0, *cuts, size]).tolist()
        finish_split(net, "add_split_nd", np.split(net.x, cuts, axis), f"{sizes}", axis=axis, split_sizes=sizes)
        return
    count = int(net.pick(*[d for d in range(1, size + 1) if size % d == 0]))
    net.need(count > 1)
    finish_split(net, "add_split_nd", np.split(net.x, count, axis), f"{count}", axis=axis, num_splits=count)


@layer("reorganizeData", [3, 4, 5])
@layer("reorganizeData", [3, 4, 5])
def make_reorganize(net):
    net.need(net.is_image)
    x, back = as_batch(net.x)
    mode, b = net.pick("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "PIXEL_SHUFFLE"), net.whole(2, 3)
    n, c, h, w = x.shape
    if mode == "SPACE_TO_DEPTH":
        net.need(h % b == 0 and w % b == 0)
        y = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)
    else:
        net.need(c % (b * b) == 0)
        k = c // (b * b)
        y = x.reshape(n, b, b, k, h, w).transpose(0, 3, 4, 1, 5, 2) if mode == "DEPTH_TO_SPACE" else x.reshape(n, k, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
        y = y.reshape(n, k, h * b, w * b)
    net.add("add_reorganize_data", back(y), says=f"{mode} {b}", mode=mode, block_size=b)


@layer("slice")
def make_slice(net):
    axis = net.pick("channel", "height", "width")
    at = {"channel": -3, "height": -2, "width": -1}[axis]
    net.need(-at <= net.x.ndim)
    size = net.x.shape[at]
    begin, stride = net.whole(0, size - 1), net.whole(1, 3)
    end = net.whole(begin + 1, size)
    where = [slice(None)] * net.x.ndim
    where[at] = slice(begin, end, stride)
    given = end - size if end < size and net.chance() else end
    net.add("add_slice", net.x[tuple(where)], says=f"{axis} {begin}:{given}:{stride}", axis=axis, start_index=begin, end_index=given, stride=stride)


@layer("copy", mapped=False)
def make_copy(net):
    net.add("add_copy", net.x)


@layer("clip", mapped=False)
def make_clip(net):
    low, high = sorted((net.real(-1, 1), net.real(-1, 1)))
    net.add("add_clip", np.clip(net.x, low, high), says=f"{low} {high}", min_value=low, max_value=high)


@layer("clampedReLU", mapped=False)
def make_clamped_relu(net):
    a, b = net.real(-1, 1), net.real(0, 2)
    net.add("add_clamped_relu", np.minimum(b, np.where(net.x >= 0, net.x, a * net.x)), says=f"{a} {b}", alpha=a, beta=b)


@layer("whole numbers", mapped=False, first_only=True)
def make_whole(net):
    name, function = net.pick(("ceil", np.ceil), ("floor", np.floor), ("sign", np.sign), ("round", np.round))
    net.add(f"add_{name}", function(net.x))


@layer("tanh and erf", mapped=False)
def make_function(net):
    erf = np.vectorize(__import__("math").erf)
    name, function = net.pick(("tanh", np.tanh), ("erf", erf))
    net.add(f"add_{name}", function(net.x))


@layer("gelu", mapped=False)
def make_gelu(net):
    mode = net.pick("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")
    x = net.x
    erf = np.vectorize(__import__("math").erf)
    share = {"EXACT": lambda: 0.5 * (1 + erf(x / np.sqrt(2))), "TANH_APPROXIMATION": lambda: 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
             "SIGMOID_APPROXIMATION": lambda: sigmoid(1.702 * x)}[mode]()
    net.add("add_gelu", x * share, says=mode, mode=mode)


def broadcast_operand(net, low=-2.0, high=2.0):
    """A constant that NumPy's rule spreads over the latest blob, often of lower rank."""
    shape = [1 if net.chance(0.3) else size for size in net.x.shape]
    return net.real(low, high, tuple(shape[net.whole(0, net.x.ndim - 1):]))


BROADCASTS = {"add": np.add, "multiply": np.multiply, "divide": np.divide, "subtract": np.subtract, "max": np.maximum, "min": np.minimum, "pow": np.power,
              "floor_div": np.floor_divide, "mod": np.mod}


@layer("broadcastable", mapped=False)
@layer("broadcastable", [3, 4], mapped=False)
@layer("broadcastable", [4, 5], mapped=False)
@layer("broadcastable", mapped=False)
def make_broadcastable(net):
    name = net.pick("add", "multiply", "divide", "subtract", "max", "min")
    finish_broadcastable(net, name, broadcast_operand(net, *((0.5, 2) if name == "divide" else (-2, 2))))


def finish_broadcastable(net, name, other):
    operands, names = [net.x, other], [net.name, net.constant(other)]
    if net.chance(0.4) and name not in ("divide", "pow", "floor_div", "mod"):
        operands.reverse()
        names.reverse()
    says = f"{[o.shape for o in operands]}"
    net.add(f"add_{name}_broadcastable", BROADCASTS[name](*operands), inputs=names, says=says)


@layer("powBroadcastable, floorDiv, mod", mapped=False, first_only=True)
def make_broadcastable_exact(net):
    name = net.pick("pow", "floor_div", "mod")
    if name == "pow":
        net.add("add_unary", np.abs(net.x), says="abs", mode="abs")
    finish_broadcastable(net, name, broadcast_operand(net, 0.5, 2))


@layer("comparison", mapped=False, first_only=True)
@layer("comparison", mapped=False, first_only=True)
def make_comparison(net):
    method, function, given = net.pick(("add_greater_than", np.greater, {}), ("add_greater_than", np.greater_equal, {"use_greater_than_equal": True}), ("add_less_than", np.less, {}),
                                       ("add_less_than", np.less_equal, {"use_less_than_equal": True}), ("add_equal", np.equal, {}), ("add_not_equal", np.not_equal, {}))
    if net.chance():
        alpha = float(net.x.ravel()[0])
        net.add(method, function(net.x, alpha), inputs=[net.name], says=f"{alpha}", alpha=alpha, **given)
        return
    other = broadcast_operand(net)
    net.add(method, function(net.x, other), inputs=[net.name, net.constant(other)], says=f"{other.shape}", **given)


@layer("logical", mapped=False, first_only=True)
def make_logical(net):
    net.add("add_greater_than", net.x > 0, inputs=[net.name], alpha=0.0)
    mode = net.pick("AND", "OR", "XOR", "NOT")
    other = (broadcast_operand(net) > 0).astype(np.float64)
    if mode == "NOT":
        net.add("add_logical", net.x == 0, inputs=[net.name], says=mode, mode=mode)
        return
    y = {"AND": np.logical_and, "OR": np.logical_or, "XOR": np.logical_xor}[mode](net.x, other)
    net.add("add_logical", y, inputs=[net.name, net.constant(other)], says=f"{mode} {other.shape}", mode=mode)


@layer("tile", mapped=False)
def make_tile(net):
    times = [net.whole(1, 3) for _ in range(net.whole(1, net.x.ndim))]
    net.need(net.x.size * np.prod(times) < 5000)
    net.add("add_tile", np.tile(net.x, times), says=f"{times}", is_image=False, reps=times)


@layer("stack", [1, 2, 3, 4], mapped=False)
def make_stack(net):
    axis = net.whole(-net.x.ndim - 1, net.x.ndim)
    other = net.real(-1, 1, net.x.shape)
    net.add("add_stack", np.stack([net.x, other], axis), inputs=[net.name, net.constant(other)], says=f"{axis}", is_image=False, axis=axis)


@layer("concatND", mapped=False)
def make_concat_nd(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    shape = list(net.x.shape)
    shape[axis] = net.whole(1, 4)
    other = net.real(-1, 1, tuple(shape))
    net.add("add_concat_nd", np.concatenate([other, net.x], axis), inputs=[net.constant(other), net.name], says=f"{axis} {shape}",
            is_image=net.is_image and axis not in (0, -5) and shape[0] == 1, axis=axis)


@layer("transpose", mapped=False)
@layer("transpose", [4, 5], mapped=False)
def make_transpose(net):
    order = net.rng.permutation(net.x.ndim).tolist()
    net.add("add_transpose", net.x.transpose(order), says=f"{order}", is_image=net.is_image and order[0] == 0, axes=order)


@layer("sliceStatic", mapped=False)
@layer("sliceStatic", mapped=False)
def make_slice_static(net):
    where, fields, squeezed = [], {name: [] for name in ("begin_ids", "end_ids", "strides", "begin_masks", "end_masks", "squeeze_masks")}, 0
    for size in net.x.shape:
        begin, stride = net.whole(0, size - 1), net.whole(1, 3)
        end = net.whole(begin + 1, size)
        if net.chance(0.3):  # backwards; an end before the first element is written by its mask alone
            begin, end, stride = end - 1, begin - 1, -stride
        masks = [net.chance(0.3), net.chance(0.3) or end < 0, net.chance(0.2) and squeezed + 1 < net.x.ndim]
        squeezed += masks[2]
        where.append(begin if masks[2] else slice(None if masks[0] else begin, None if masks[1] else end, stride))
        given = (begin - size if net.chance(0.3) else begin, end - size if end < size and net.chance(0.3) else end, stride, *masks)
        for values, value in zip(fields.values(), given):
            values.append(value)
    net.add("add_slice_static", net.x[tuple(where)], says=f"{where}", is_image=False, **fields)


@layer("batchedMatmul", mapped=False)
@layer("batchedMatmul", [3, 4, 5], mapped=False)
def make_batched_matmul(net):
    out = net.whole(1, 5)
    w, bias = net.real(-1, 1, (net.x.shape[-1], out)), net.real(-1, 1, (out,)) if net.chance() else None
    net.add("add_batched_mat_mul", net.x @ w + (0 if bias is None else bias), inputs=[net.name], says=f"{w.shape}", weight_matrix_rows=w.shape[0], weight_matrix_columns=out, W=w, bias=bias)


@layer("squeeze", mapped=False)
def make_squeeze(net):
    ones = [a for a, size in enumerate(net.x.shape) if size == 1]
    net.need(ones and net.x.ndim > 1)
    axes = sorted(net.rng.choice(ones, net.whole(1, min(len(ones), net.x.ndim - 1)), replace=False).tolist())
    net.add("add_squeeze", np.squeeze(net.x, tuple(axes)), says=f"{axes}", axes=[int(a - net.x.ndim) if net.chance() else int(a) for a in axes])


@layer("expandDims", [1, 2, 3, 4], mapped=False)
def make_expand_dims(net):
    rank = net.whole(net.x.ndim + 1, 5)
    axes = sorted(net.rng.choice(rank, rank - net.x.ndim, replace=False).tolist())
    net.add("add_expand_dims", np.expand_dims(net.x, tuple(axes)), says=f"{axes}", is_image=rank < 5 or 0 in axes, axes=[int(a - rank) if net.chance() else int(a) for a in axes])


@layer("flattenTo2D", mapped=False)
def make_flatten_to_2d(net):
    axis = net.whole(-net.x.ndim, net.x.ndim)
    at = axis + net.x.ndim if axis < 0 else axis
    net.add("add_flatten_to_2d", net.x.reshape((int(np.prod(net.x.shape[:at])), -1)), says=f"{axis}", axis=axis)


@layer("reshapeStatic", mapped=False)
@layer("reshapeStatic", mapped=False)
def make_reshape_static(net):
    target = factors_of(net, net.x.size, net.whole(1, 5))
    y = net.x.reshape(target)
    if net.chance(0.4):
        target[net.whole(0, len(target) - 1)] = -1
    net.add("add_reshape_static", y, says=f"{target}", is_image=len(target) < 5 or target[0] == 1, output_shape=target)


@layer("rankPreservingReshape", mapped=False)
def make_rank_preserving_reshape(net):
    keep = net.whole(0, net.x.ndim - 1)
    rest = factors_of(net, net.x.size // net.x.shape[keep], net.x.ndim - 1) if net.x.ndim > 1 else []
    shape, target = [*rest[:keep], net.x.shape[keep], *rest[keep:]], [*rest[:keep], 0, *rest[keep:]]
    if rest and net.chance(0.4):
        target[net.pick(*[a for a in range(net.x.ndim) if a != keep])] = -1
    net.add("add_rank_preserving_reshape", net.x.reshape(shape), says=f"{target}", is_image=False, output_shape=target)


@layer("constantPad", mapped=False)
def make_constant_pad(net):
    amounts, value = [net.whole(0, 2) if net.chance(0.4) else 0 for _ in range(2 * net.x.ndim)], net.real()
    net.add("add_constant_pad", np.pad(net.x, np.reshape(amounts, (-1, 2)), constant_values=value), inputs=[net.name], says=f"{amounts}", is_image=False, value=value, pad_amounts=amounts)


@layer("layerNormalization", mapped=False)
def make_layer_normalization(net):
    count = net.whole(1, min(net.x.ndim, 4))
    shape = net.x.shape[-count:]
    net.need(np.prod(shape) > 1)
    axes = tuple(range(-count, 0))
    gamma, beta, epsilon = net.real(-2, 2, shape), net.real(-2, 2, shape), 1e-3
    y = gamma * (net.x - net.x.mean(axes, keepdims=True)) / np.sqrt(net.x.var(axes, keepdims=True) + epsilon) + beta
    net.add("add_layer_normalization", y, says=f"{shape}", normalized_shape=list(shape), gamma=gamma, beta=beta, eps=epsilon)


@layer("product of two blobs", range(2, 6), mapped=False)
@layer("product of two blobs", [3, 4], mapped=False)
def make_computed_matmul(net):
    turn_a, turn_b = net.chance(0.3), net.chance(0.4)
    a = net.x.swapaxes(-1, -2) if turn_a else net.x
    batch = [1 if net.chance(0.4) else size for size in net.x.shape[:-2]]
    b = net.real(-1, 1, (*batch[net.whole(0, len(batch)):], a.shape[-1], net.whole(1, 5)))
    stored = b.swapaxes(-1, -2) if turn_b else b
    net.add("add_batched_mat_mul", a @ b, inputs=[net.name, net.constant(np.ascontiguousarray(stored))], says=f"{a.shape} {b.shape} {turn_a} {turn_b}", transpose_a=turn_a, transpose_b=turn_b)


@layer("gather", mapped=False)
def make_gather(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    rank = net.whole(1, 6 - net.x.ndim)
    index = net.rng.integers(-net.x.shape[axis] if net.chance(0.3) else 0, net.x.shape[axis], tuple(net.whole(1, 3) for _ in range(rank)))
    y = np.take(net.x, index, axis)
    net.need(y.size < 5000)
    net.add("add_gather", y, inputs=[net.name, net.constant(index.astype(np.float64))], says=f"{axis} {index.shape}", is_image=y.ndim < 5 or y.shape[0] == 1, axis=axis)


@layer("gatherAlongAxis, scatterAlongAxis", mapped=False, first_only=True)
@layer("gatherAlongAxis, scatterAlongAxis", mapped=False, first_only=True)
def make_along_axis(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    shape = list(net.x.shape)
    shape[axis] = net.whole(1, shape[axis])
    index = np.stack([net.rng.permutation(net.x.shape[axis])[:shape[axis]] for _ in range(int(np.prod(shape)) // shape[axis])])
    index = np.moveaxis(index.reshape([s for a, s in enumerate(shape) if a != axis % net.x.ndim] + [shape[axis]]), -1, axis)
    names = [net.name, net.constant(index.astype(np.float64))]
    if net.chance():
        net.add("add_gather_along_axis", np.take_along_axis(net.x, index, axis), inputs=names, says=f"gather {axis} {shape}", axis=axis)
        return
    updates, y = net.real(0.5, 2, tuple(shape)), net.x.copy()
    mode = finish_scatter(net, lambda kept: np.put_along_axis(y, index, SCATTERS[kept](np.take_along_axis(y, index, axis), updates), axis))
    net.add("add_scatter_along_axis", y, inputs=[*names, net.constant(updates)], says=f"scatter {axis} {mode}", axis=axis, mode=mode)


SCATTERS = {"UPDATE": lambda x, u: u, "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "DIV": np.divide, "MAX": np.maximum, "MIN": np.minimum}


def finish_scatter(net, place):
    mode = net.pick(*SCATTERS)
    place(mode)
    return mode


@layer("scatter", mapped=False)
def make_scatter(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    index = net.rng.permutation(net.x.shape[axis])[:net.whole(1, net.x.shape[axis])]
    y = np.moveaxis(net.x.copy(), axis, 0)
    updates = net.real(0.5, 2, (len(index), *y.shape[1:]))
    mode = net.pick(*SCATTERS)
    y[index] = SCATTERS[mode](y[index], updates)
    names = [net.name, net.constant(index.astype(np.float64)), net.constant(np.ascontiguousarray(np.moveaxis(updates, 0, axis)))]
    net.add("add_scatter", np.moveaxis(y, 0, axis), inputs=names, says=f"{axis} {mode}", is_image=False, axis=axis, mode=mode)


@layer("scatterND", mapped=False)
def make_scatter_nd(net):
    depth = net.whole(1, net.x.ndim)
    rows = np.unique(np.stack([net.rng.integers(0, size, 4) for size in net.x.shape[:depth]], 1), axis=0)
    updates, y = net.real(0.5, 2, (len(rows), *net.x.shape[depth:])), net.x.copy()
    mode = net.pick(*SCATTERS)
    y[tuple(rows.T)] = SCATTERS[mode](y[tuple(rows.T)], updates)
    net.add("add_scatter_nd", y, inputs=[net.name, net.constant(rows.astype(np.float64)), net.constant(updates)], says=f"{rows.shape} {mode}", is_image=False, mode=mode)


@layer("topK", mapped=False, first_only=True)
@layer("argSort", mapped=False, first_only=True)
def make_sorted(net):
    axis = net.whole(-net.x.ndim, net.x.ndim - 1)
    smallest = net.chance()
    order = np.argsort(net.x if smallest else -net.x, axis, kind="stable")
    if net.chance(0.4):
        net.add("add_argsort", order, says=f"{axis} {smallest}", axis=axis, descending=not smallest)
        return
    k = net.whole(1, net.x.shape[axis])
    order = np.take(order, np.arange(k), axis)
    parts = [np.take_along_axis(net.x, order, axis), order]
    names, chosen = [net.new_name(), net.new_name()], net.whole(0, 1)
    net.add("add_topk", parts[chosen], inputs=[net.name], says=f"{axis} {k} {smallest}, part {chosen}", output_names=names, output=names[chosen], k=k, axis=axis, use_bottom_k=smallest)


@layer("cumSum", mapped=False)
def make_cumulative_sum(net):
    axis, exclusive, reverse = net.whole(-net.x.ndim, net.x.ndim - 1), net.chance(), net.chance()
    y = np.flip(net.x, axis) if reverse else net.x
    y = np.cumsum(y, axis) - (y if exclusive else 0)
    net.add("add_cumsum", np.flip(y, axis) if reverse else y, inputs=[net.name], says=f"{axis} {exclusive} {reverse}", axis=axis, reverse=reverse, exclusive=exclusive)


@layer("reverse", mapped=False)
def make_reverse(net):
    flags = [net.chance() for _ in net.x.shape]
    net.add("add_reverse", np.flip(net.x, tuple(a for a, flag in enumerate(flags) if flag)), says=f"{flags}", reverse_dim=flags)


@layer("oneHot", [1, 2, 3, 4], mapped=False, first_only=True)
def make_one_hot(net):
    net.add("add_floor", np.floor(net.x))
    depth, axis, on, off = net.whole(1, 4), net.whole(-net.x.ndim - 1, net.x.ndim), net.real(), net.real()
    at = axis + net.x.ndim + 1 if axis < 0 else axis
    places = np.arange(depth).reshape([depth if a == at else 1 for a in range(net.x.ndim + 1)])
    y = np.where(np.expand_dims(net.x, at) == places, on, off)
    net.add("add_one_hot", y, inputs=[net.name], says=f"{depth} {axis}", is_image=False, one_hot_vector_size=depth, axis=axis, on_value=on, off_value=off)


@layer("whereBroadcastable", mapped=False, first_only=True)
def make_where(net):
    source, x = net.name, net.x
    net.add("add_greater_than", x > 0, inputs=[source], alpha=0.0)
    other = broadcast_operand(net)
    net.add("add_where_broadcastable", np.where(x > 0, x, other), inputs=[net.name, source, net.constant(other)], says=f"{other.shape}")


@layer("whereNonZero", mapped=False, first_only=True)
def make_where_non_zero(net):
    net.add("add_activation", np.maximum(net.x, 0), says="RELU", non_linearity="RELU", params=None)
    y = np.argwhere(net.x)
    net.need(len(y) > 0)
    net.add("add_where_nonzero", y)


@layer("trigonometry", mapped=False)
@layer("trigonometry", mapped=False)
def make_trigonometry(net):
    net.add("add_clip", np.clip(net.x, -0.75, 0.75), min_value=-0.75, max_value=0.75)
    name, function = net.pick(("sin", np.sin), ("cos", np.cos), ("tan", np.tan), ("asin", np.arcsin), ("acos", np.arccos), ("atan", np.arctan), ("sinh", np.sinh),
                              ("cosh", np.cosh), ("asinh", np.arcsinh), ("atanh", np.arctanh), ("exp2", np.exp2), ("acosh", np.arccosh))
    if name == "acosh":
        net.add("add_activation", net.x + 2, says="plus 2", non_linearity="LINEAR", params=[1.0, 2.0])
    net.add(f"add_{name}", function(net.x))


@layer("fill and broadcast", mapped=False)
def make_filled(net):
    form, value = net.pick("like", "static", "to static", "to like", "shape", "range", "reshape like"), net.real()
    wide = tuple(net.whole(1, 3) for _ in range(net.whole(0, 5 - net.x.ndim))) + net.x.shape
    net.need(np.prod(wide) < 3000)
    if form == "like":
        net.add("add_fill_like", np.full(net.x.shape, value), value=value)
    elif form == "static":
        name = net.new_name()
        net.builder.add_fill_static(name=name, output_name=name, output_shape=list(net.x.shape), value=value)
        net.add("add_add_broadcastable", net.x + value, inputs=[net.name, name], says="fill")
    elif form == "to static":
        net.add("add_broadcast_to_static", np.broadcast_to(net.x, wide), says=f"{wide}", is_image=False, output_shape=list(wide))
    elif form == "to like":
        net.add("add_broadcast_to_like", np.broadcast_to(net.x, wide), inputs=[net.name, net.constant(net.real(-1, 1, wide))], says=f"{wide}", is_image=False)
    elif form == "shape":
        net.add("add_get_shape", net.x.shape)
    elif form == "range":
        name = net.new_name()
        net.builder.add_range_static(name=name, output_name=name, input_names=None, end=net.x.shape[-1] - 0.5, start=0, step=1)
        net.add("add_add_broadcastable", net.x + np.arange(net.x.shape[-1]), inputs=[net.name, name], says="range")
    else:
        shape = factors_of(net, net.x.size, net.whole(1, 4))
        net.add("add_reshape_like", net.x.reshape(shape), inputs=[net.name, net.constant(net.real(-1, 1, tuple(shape)))], says=f"{shape}", is_image=False)


@layer("diagonals", range(2, 6), mapped=False)
def make_diagonals(net):
    form, k = net.pick("band", "lower", "upper"), net.whole(-3, 3)
    if form == "band":
        lower, upper = net.whole(-1, 3), net.whole(-1, 3)
        row, column = np.indices(net.x.shape[-2:])
        kept = ((lower < 0) | (row - column <= lower)) & ((upper < 0) | (column - row <= upper))
        net.add("add_matrix_band_part", np.where(kept, net.x, 0), says=f"{lower} {upper}", num_lower=lower, num_upper=upper)
    elif form == "lower":
        net.add("add_lower_triangular", np.tril(net.x, k), says=f"{k}", k=k)
    else:
        net.add("add_upper_triangular", np.triu(net.x, k), says=f"{k}", k=k)


@layer("logarithm of a sum", mapped=False)
def make_log_sum(net):
    axes = sorted(net.rng.choice(net.x.ndim, net.whole(1, net.x.ndim), replace=False).tolist())
    keep = net.chance()
    if net.chance():
        y = np.log(np.exp(net.x).sum(tuple(axes), keepdims=keep))
        method = "add_reduce_logsumexp"
    else:
        net.add("add_unary", np.abs(net.x), says="abs", mode="abs")
        net.add("add_activation", net.x + 0.5, says="plus 0.5", non_linearity="LINEAR", params=[1.0, 0.5])
        y, method = np.log(net.x.sum(tuple(axes), keepdims=keep)), "add_reduce_logsum"
    net.add(method, y.reshape((1,)) if y.ndim == 0 else y, says=f"{axes} {keep}", axes=axes, keepdims=keep, reduce_all=False)


@layer("dot", [5])
def make_dot(net):
    other = net.real(0.5, 2, (1, 1, *net.x.shape[-3:]))
    cosine = net.chance()
    y = (net.x * other).sum(-3, keepdims=True)
    if cosine:
        y = y / (np.sqrt((net.x**2).sum(-3, keepdims=True)) * np.sqrt((other**2).sum(-3, keepdims=True)))
    net.add("add_elementwise", y, inputs=[net.name, net.constant(other)], says=f"{'COS' if cosine else 'DOT'}", mode="COS" if cosine else "DOT")


def draw_shape(rng, rank, mapped):
    sizes = [int(rng.choice([1, 2, 3, 4, 5, 7, 8, 9], p=[0.1, 0.1, 0.15, 0.15, 0.2, 0.15, 0.05, 0.1])) for _ in range(rank)]
    if mapped:
        sizes[:2] = [1, 1]
        if rng.random() < 0.15:
            sizes[3:] = [1, 1]
    elif rank == 5 and rng.random() < 0.6:
        sizes[0] = 1
    if rank >= 4 and not mapped and rng.random() < 0.5:
        sizes[rank - 4] = 1
    if rank >= 3 and rng.random() < 0.3:
        sizes[-3] = int(rng.choice([4, 8, 9, 12, 18]))
    return tuple(sizes)


def draw_network(rng, kind):
    """A network whose first layer is of `kind`; its input and shape are drawn until they suit."""
    name, ranks, mapped_too, _, make = kind
    for _ in range(200):
        mapped = mapped_too and 5 in ranks and rng.random() < 0.5
        rank = 5 if mapped else int(rng.choice(ranks))
        net = Network(rng, draw_shape(rng, rank, mapped), mapped)
        if name == "reduce" and rng.random() < 0.2:  # a sum of logarithms wants positive numbers
            net.given = np.abs(net.given) + np.float32(0.5)
            net.x = net.given.astype(np.float64)
        try:
            make(net)
        except Unfit:
            continue
        break
    else:
        raise AssertionError(f"no input suits {name}")
    for _ in range(int(rng.integers(0, 3))):
        net.tame()
        for _ in range(20):
            _, ranks, mapped_too, first_only, make = KINDS[int(rng.integers(len(KINDS)))]
            if first_only or net.x.ndim not in ranks or (net.mapped and not mapped_too) or net.x.size > 4000:
                continue
            try:
                make(net)
            except Unfit:
                continue
            break
    net.builder.spec.description.output[0].name = net.name
    return net


def run(judge, net, stem):
    model, given, out = (judge.path(f"{stem}{end}") for end in (".mlmodel", ".bin", ".out"))
    coremltools.utils.save_spec(net.builder.spec, model)
    net.given.tofile(given)
    done = subprocess.run([judge.probe, model, given, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip()
    shape = [int(size) for size in re.search(r" \[([\d,]*)\]$", done.stdout.splitlines()[0]).group(1).split(",") if size]
    values = np.fromfile(out, np.float32)
    for path in (model, given, out):
        os.remove(path)
    return shape, values


def check_network(judge, seed, kind, stem, worst):
    net = draw_network(np.random.default_rng(seed), kind)
    story = f"{'mapped' if net.mapped else 'exact'} {list(net.given.shape)}: " + "; ".join(net.story)
    try:
        shape, values = run(judge, net, stem)
    except AssertionError as error:
        raise AssertionError(f"{story}\n  {error}") from None
    expected = list(net.x.shape)
    # The sequence axis of rank 5 is left out where it is known to be 1.
    assert shape in (expected, expected[1:] if len(expected) == 5 and expected[0] == 1 else expected), f"{story}\n  shape {shape}, expected {expected}"
    # What cancels on the way leaves float32's rounding of what was there.
    span = max(float(net.x.max() - net.x.min()), float(np.abs(net.x).max()), 1e-3 * net.largest)
    difference = float(np.max(np.abs(values - net.x.ravel()))) / span
    assert difference <= LIMIT, f"{story}\n  differs by {difference:.3g} of the output's range, allowed are {LIMIT}"
    if difference > worst[0]:
        worst[:] = [difference, story]


def main():
    judge = Judge(__doc__, count=max(50, len(KINDS)), seed=1)
    print(f"seed {judge.seed}", flush=True)
    kinds = [kind for kind in KINDS if judge.wants(kind[0])]
    worst = [0.0, ""]
    for number in range(judge.count):
        kind = kinds[number % len(kinds)]
        judge.case(f"network {number} ({kind[0]}), seed {judge.seed}", check_network, judge, [judge.seed, number], kind, f"network{number}", worst)
    print(f"worst difference {worst[0]:.3g} of the output's range: {worst[1]}")
    judge.close()


if __name__ == "__main__":
    main()
