"""Draws small random TensorFlow graphs: every operator and parameter that docs/formats/graphdef.md names, odd sizes, branches and joins,
and constants as files hold them: behind Reshape, ExpandDims, Squeeze, Transpose, Cast, Tile, or as one value for all.

Sums in another order differ by a rounding, and what jumps there (floor, comparisons, arg max, suppression) would differ by a whole
step. Such operators read only values that every runtime has to the last bit: the input, and what is copied or computed from it by
one rounding an operator ("exact" below).
"""
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
raw = tf.raw_ops
LARGEST = 4096  # elements of a tensor
STEPS = (4, 11)


class Drawn:
    """A tensor of the graph under construction."""

    def __init__(self, tensor, exact=False):
        self.tensor, self.exact = tensor, exact

    @property
    def shape(self):
        return self.tensor.shape.as_list()

    @property
    def rank(self):
        return len(self.tensor.shape)


class RandomGraph:
    """One graph of a seed. `drawn` lists the operators that were drawn."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.drawn = []
        self.repeated = []  # constants to be spelled with one value
        with tf1.Graph().as_default() as graph:
            self.build()
        self.graph = self.finish(graph.as_graph_def())

    # Choices.

    def chance(self, probability):
        return self.random.random() < probability

    def choose(self, *items):
        return items[self.random.integers(len(items))]

    def size(self, least, most):
        return int(self.random.integers(least, most + 1))

    def pick(self, *ranks, exact=False):
        """A tensor of one of the ranks (any, where none is named), later ones first; None where there is none."""
        fitting = [x for x in self.live if (not ranks or x.rank in ranks) and (x.exact or not exact)]
        if not fitting:
            return None
        weights = np.arange(1, len(fitting) + 1, dtype=float) ** 2
        return fitting[self.random.choice(len(fitting), p=weights / weights.sum())]

    # Constants.

    def normal(self, *shape, scale=0.5):
        return self.random.normal(0, scale, shape).astype(np.float32)

    def plain(self, values):
        """A Const; of equal values sometimes spelled with one of them."""
        values = np.asarray(values)
        made = tf1.constant(values, name=f"c{len(self.repeated)}_{self.size(0, 1 << 30)}")
        if values.size > 1 and np.all(values == values.flat[0]) and self.chance(0.7):
            self.repeated.append((made.op.name, 1))
        elif values.ndim == 1 and values.size > 2 and np.all(values[1:] == values[1]):
            self.repeated.append((made.op.name, 2))
        return made

    def constant(self, values, depth=0):
        """The values through up to two operators that give them."""
        values = np.asarray(values, np.float32)
        if depth == 0 and self.chance(0.08):
            values = np.full_like(values, values.flat[0] if values.size else 0)
        if depth > 1 or self.chance(0.45):
            return self.plain(values), values
        shape = values.shape
        form = self.choose("reshape", "expand", "squeeze", "transpose", "half", "double", "tile", "identity", "integers", "sum")
        if form == "reshape":
            flat = self.choose([values.size], [1, values.size], [values.size, 1])
            inner, _ = self.constant(values.reshape(flat), depth + 1)
            return tf1.reshape(inner, self.choose(list(shape), [-1, *shape[1:]]) if shape else []), values
        if form == "expand" and 1 in shape:
            axis = self.choose(*[i for i, size in enumerate(shape) if size == 1])
            inner, _ = self.constant(values.squeeze(axis), depth + 1)
            return tf1.expand_dims(inner, self.choose(axis, axis - len(shape))), values
        if form == "squeeze":
            axis = self.size(0, len(shape))
            inner, _ = self.constant(np.expand_dims(values, axis), depth + 1)
            return tf1.squeeze(inner, [axis]), values
        if form == "transpose" and len(shape) > 1:
            order = self.random.permutation(len(shape))
            inner, _ = self.constant(values.transpose(np.argsort(order)), depth + 1)
            return tf1.transpose(inner, order), values
        if form == "half":
            values = values.astype(np.float16).astype(np.float32)
            return tf1.cast(self.plain(values.astype(np.float16)), tf.float32), values
        if form == "double":
            return tf1.cast(self.plain(values.astype(np.float64)), tf.float32), values
        if form == "integers":
            kind = self.choose(np.int32, np.int64, np.uint8, np.int8)
            values = np.clip(np.round(values * 4), 0, 9).astype(kind)
            return tf1.cast(self.plain(values), tf.float32), values.astype(np.float32)
        if form == "tile" and shape and shape[-1] > 1:
            values = np.repeat(values[..., :1], shape[-1], -1)
            inner, _ = self.constant(values[..., :1], depth + 1)
            return tf1.tile(inner, [1] * (len(shape) - 1) + [shape[-1]]), values
        if form == "sum":
            other = self.normal(*shape) if self.chance(0.5) else self.normal(1)
            if shape:
                return tf1.add(self.plain(values), self.plain(other)), values + other
        inner, _ = self.constant(values, depth + 1)
        return tf1.identity(inner), values

    def weights(self, *shape, scale=0.5):
        return self.constant(self.normal(*shape, scale=scale))[0]

    def positive(self, *shape):
        """Values between a half and two and a half, whatever constant() does with them."""
        values = self.random.uniform(0.5, 2.5, shape).astype(np.float32)
        form = self.size(0, 2)
        if form == 0:
            return tf1.reshape(self.plain(values.reshape(-1, 1)), shape)
        return self.plain(values) if form == 1 else tf1.expand_dims(self.plain(values), 0)[0]

    def operand_shape(self, shape):
        """Of a constant that broadcasts to it: a scalar, a vector, one a channel or row, all of it."""
        rank = len(shape)
        forms = [[], [1], [1] * rank, list(shape)]
        if rank:
            forms += [[shape[-1]], [1] * (rank - 1) + [shape[-1]]] * 2
        if rank > 1:
            forms += [[shape[-2], 1], [1] * (rank - 2) + [shape[-2], 1], [*shape[:-1], 1], [shape[0]] + [1] * (rank - 1)]
        if rank > 2:
            forms += [list(shape[1:]), [1, shape[1]] + [1] * (rank - 2)]
        return self.choose(*forms)

    # The graph.

    def build(self):
        channels = self.choose(1, 2, 3, 3, 4, 5, 8)
        image = [1, self.size(3, 13), self.size(3, 13), channels]
        self.given_shape = self.choose(*[image] * 5, [1, self.size(2, 40)], [1, self.size(3, 12), channels])
        x = tf1.placeholder(tf.float32, self.given_shape, name="image")
        self.live = [Drawn(x, exact=True)]
        steps, tries = self.size(*STEPS), 0
        while len(self.drawn) < steps and tries < 60:
            tries += 1
            before = len(self.live)
            name = self.choose(*OPERATORS)
            try:
                made = getattr(self, name)()
            except ValueError:  # a window larger than its image
                del self.live[before:]
                continue
            if made is None:
                continue
            self.drawn.append(name)
            for one in made if isinstance(made, list) else [made]:
                if 0 < np.prod(one.shape or [1]) <= LARGEST:
                    self.live.append(one)
        readers = {source for op in tf1.get_default_graph().get_operations() for source in op.inputs}
        for index, x in enumerate([x for x in self.live[1:] if x.tensor not in readers]):
            tf1.identity(x.tensor, name=f"out{index}")

    def finish(self, graph):
        """Without what no output needs; constants spelled short where that was drawn."""
        outputs = [node.name for node in graph.node if node.name.startswith("out")]
        graph = tf1.graph_util.extract_sub_graph(graph, outputs) if outputs else graph
        nodes = {node.name: node for node in graph.node}
        for name, count in self.repeated:
            if name in nodes:
                spell_short(nodes[name].attr["value"].tensor, count)
        if self.chance(0.5):  # an open batch, as most exports have it
            nodes["image"].attr["shape"].shape.dim[0].size = -1
        return graph

    # Convolutions, matrices, pools.

    def window(self, x, kernel, dilation=(1, 1)):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
        forms = ["SAME"] + (["VALID"] if reach[0] <= x.shape[1] and reach[1] <= x.shape[2] else [])
        return self.choose(*forms)

    def follow(self, y, channels):
        """What stands behind a convolution or matrix: bias, normalization, activation, in part."""
        rank = len(y.shape)
        if self.chance(0.3):
            y = tf1.multiply(y, self.weights(*self.choose([channels], [1] * (rank - 1) + [channels])))
        if self.chance(0.7):
            form = self.size(0, 3)
            if form == 0:
                y = tf1.nn.bias_add(y, self.weights(channels))
            elif form == 1:
                y = tf1.add(y, self.weights(*self.choose([channels], [1], [], [1] * (rank - 1) + [channels])))
            else:
                y = raw.AddV2(x=self.weights(channels), y=y) if form == 2 else tf1.subtract(y, self.weights(channels))
        if rank == 4 and self.chance(0.3):
            y = self.normalize(y, channels)
        if self.chance(0.6):
            y = self.activate(y)
        return Drawn(y)

    def normalize(self, y, channels):
        op = self.choose(raw.FusedBatchNorm, raw.FusedBatchNormV2, raw.FusedBatchNormV3)
        return op(x=y, scale=self.weights(channels), offset=self.weights(channels), mean=self.weights(channels),
                  variance=self.positive(channels), epsilon=self.choose(1e-3, 1e-5), is_training=False)[0]

    def activate(self, x):
        alpha = float(self.choose(0.0, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, -0.5))
        form = self.choose("relu", "relu6", "leaky", "max", "min", "channels", "elu", "sigmoid", "tanh", "clip", "softplus", "hard")
        if form == "leaky":
            return tf1.nn.leaky_relu(x, alpha)
        if form in ("max", "min", "channels"):
            if form == "channels" and len(x.shape) and x.shape[-1] is not None:
                slope = self.constant(self.random.choice([0.1, 0.5, 1.5, -0.5, 2.0], int(x.shape[-1])).astype(np.float32))[0]
            else:
                slope = self.constant(np.full(self.choose([], [1], [1] * len(x.shape)), alpha, np.float32))[0]
            scaled = self.choose(tf1.multiply(x, slope), tf1.multiply(slope, x))
            operator = tf1.minimum if form == "min" else tf1.maximum
            return self.choose(operator(x, scaled), operator(scaled, x))
        if form == "clip":
            return tf1.clip_by_value(x, -0.5, 0.75)
        if form == "hard":  # the hard swish of MobileNetV3
            return x * tf1.nn.relu6(x + 3.0) * (1.0 / 6.0)
        return {"relu": tf1.nn.relu, "relu6": tf1.nn.relu6, "elu": tf1.nn.elu, "sigmoid": tf1.sigmoid, "tanh": tf1.tanh,
                "softplus": lambda t: tf1.nn.softplus(tf1.clip_by_value(t, -3.0, 3.0))}[form](x)

    def conv(self):
        x = self.pick(4)
        if x is None:
            return None
        # TensorFlow 2.18 gives zeros in places where a strided kernel is wider than its image.
        kernel, stride = [self.size(1, min(4, size)) for size in x.shape[1:3]], [self.size(1, 3), self.size(1, 3)]
        dilation = [self.size(1, 2), self.size(1, 3)] if self.chance(0.2) else [1, 1]
        if dilation != [1, 1]:
            stride = [1, 1]
        padding = self.window(x, kernel, dilation)
        if padding == "VALID" and self.chance(0.3) and dilation == [1, 1]:
            padding = [[0, 0], [self.size(0, 2), self.size(0, 2)], [self.size(0, 2), self.size(0, 2)], [0, 0]]
        out, channels = self.size(1, 7), x.shape[3]
        image = x.tensor
        if self.chance(0.2):
            pads = [[0, 0], [self.size(0, 2), self.size(0, 2)], [self.size(0, 2), self.size(0, 2)], [0, 0]]
            image, padding = tf1.pad(image, pads), "SAME" if self.chance(0.3) else "VALID"
        y = tf1.nn.conv2d(image, self.weights(*kernel, channels, out), [1, *stride, 1], padding, dilations=[1, *dilation, 1])
        return self.follow(y, out)

    def conv1d(self):
        x = self.pick(3)
        if x is None:
            return None
        width, out = self.size(1, min(4, x.shape[1])), self.size(1, 6)
        y = tf1.nn.conv1d(x.tensor, self.weights(width, x.shape[2], out), self.size(1, 2), self.choose("SAME", "VALID"))
        return self.follow(y, out)

    def depthwise(self):
        x = self.pick(4)
        if x is None:
            return None
        kernel, stride, times = [self.size(1, 4), self.size(1, 4)], self.size(1, 2), self.size(1, 3)
        padding = self.window(x, kernel)
        dilation = [self.size(1, 2)] * 2 if stride == 1 and self.chance(0.2) and padding == "SAME" else [1, 1]
        y = raw.DepthwiseConv2dNative(input=x.tensor, filter=self.weights(*kernel, x.shape[3], times), strides=[1, stride, stride, 1],
                                      padding=padding, dilations=[1, *dilation, 1])
        return self.follow(y, x.shape[3] * times)

    def transposed(self):
        x = self.pick(4)
        if x is None:
            return None
        kernel, stride, out = [self.size(1, 4), self.size(1, 4)], [self.size(1, 3), self.size(1, 3)], self.size(1, 5)
        padding = self.choose("SAME", "VALID")
        if padding == "SAME":
            sizes = [x.shape[i + 1] * stride[i] - self.size(0, stride[i] - 1) for i in range(2)]
        else:
            sizes = [(x.shape[i + 1] - 1) * stride[i] + kernel[i] + self.size(0, stride[i] - 1) for i in range(2)]
        y = tf1.nn.conv2d_transpose(x.tensor, self.weights(*kernel, out, x.shape[3]), [1, *sizes, out], [1, *stride, 1], padding)
        return self.follow(y, out)

    def matmul(self):
        x = self.pick()
        count = int(np.prod(x.shape))
        if x.rank != 2 or x.shape[1] > 300:
            width = self.choose(*[n for n in range(1, min(count, 200) + 1) if count % n == 0])
            flat = tf1.reshape(x.tensor, self.choose([-1, width], [count // width, width]))
        else:
            width, flat = x.shape[1], x.tensor
        out, turn = self.size(1, 8), self.chance(0.4)
        y = tf1.matmul(flat, self.weights(*([out, width] if turn else [width, out])), transpose_b=turn)
        return self.follow(y, out)

    def product(self):
        """Two computed matrices, or batches of them: a tensor by itself turned, as in attention, or by another one."""
        x = self.pick(2, 3, 4)
        if x is None:
            return None
        a, turn = tf1.tanh(x.tensor), self.chance(0.5)
        if self.chance(0.4):
            return Drawn(raw.BatchMatMulV2(x=a, y=a, adj_x=turn, adj_y=not turn))
        y, inner = self.pick(), x.shape[-1]
        count = int(np.prod(y.shape))
        if count % inner != 0:
            return None
        shape = [count // inner, inner] if turn else [inner, count // inner]
        b = tf1.reshape(tf1.tanh(y.tensor), self.choose(shape, [1] * (x.rank - 2) + shape))
        if x.rank == 2:
            return Drawn(tf1.matmul(a, b, transpose_b=turn))
        return Drawn(raw.BatchMatMulV2(x=a, y=b, adj_x=False, adj_y=turn))

    def pool(self):
        x = self.pick(4)
        if x is None:
            return None
        kernel, stride = [self.size(1, 3), self.size(1, 3)], [self.size(1, 3), self.size(1, 3)]
        is_max = self.chance(0.6)
        y = (tf1.nn.max_pool if is_max else tf1.nn.avg_pool)(x.tensor, [1, *kernel, 1], [1, *stride, 1], self.window(x, kernel))
        return Drawn(y, x.exact and is_max)

    def batch_norm(self):
        x = self.pick(4)
        return None if x is None else Drawn(self.normalize(x.tensor, x.shape[3]))

    def group_norm(self):
        """GroupNormalization as Keras writes it."""
        x = self.pick(4)
        if x is None or x.shape[3] % 2 != 0:
            return None
        one, height, width, channels = x.shape
        groups = self.choose(2, channels)
        y = tf1.reshape(x.tensor, [one, height, width, groups, channels // groups])
        mean = tf1.reduce_mean(y, [1, 2, 4], keepdims=True)
        variance = tf1.reduce_mean(tf1.squared_difference(y, mean), [1, 2, 4], keepdims=True)
        factors = [1, 1, 1, groups, channels // groups]
        scale = tf1.reshape(self.plain(self.normal(channels)), factors) * tf1.rsqrt(variance + 1e-3)
        y = y * scale + (tf1.reshape(self.plain(self.normal(channels)), factors) - mean * scale)
        return Drawn(tf1.reshape(y, [one, height, width, channels]))

    # Elementwise.

    def activation(self):
        return Drawn(self.activate(self.pick().tensor))

    def smooth(self):
        x = self.pick().tensor
        above = tf1.abs(x) + 0.5
        limited = tf1.clip_by_value(x, -3.0, 3.0)
        return Drawn(self.choose(
            lambda: tf1.rsqrt(above), lambda: tf1.sqrt(above), lambda: tf1.log(above), lambda: raw.Reciprocal(x=above),
            lambda: raw.Inv(x=above), lambda: tf1.exp(limited), lambda: tf1.square(limited), lambda: tf1.nn.softsign(x),
            lambda: tf1.nn.softplus(limited), lambda: tf1.pow(above, self.weights()), lambda: tf1.sigmoid(x), lambda: tf1.tanh(x),
            lambda: tf1.squared_difference(limited, self.weights()), lambda: tf1.nn.elu(x))())

    def copied(self):
        x = self.pick()
        y = self.choose(tf1.identity, tf1.stop_gradient, tf1.negative, tf1.abs, tf1.nn.relu, tf1.nn.relu6,
                        lambda t: raw.PreventGradient(input=t), lambda t: tf1.check_numerics(t, "odd"), lambda t: raw.Snapshot(input=t),
                        lambda t: tf1.placeholder_with_default(t, t.shape), lambda t: raw.IdentityN(input=[t, t])[1])(x.tensor)
        return Drawn(y, x.exact)

    def with_constant(self):
        x = self.pick()
        factor = self.constant(self.normal(*self.operand_shape(x.shape), scale=0.8))[0]
        operator = self.choose(tf1.add, tf1.subtract, tf1.multiply, tf1.maximum, tf1.minimum, lambda a, b: raw.Add(x=a, y=b),
                               lambda a, b: raw.AddV2(x=a, y=b))
        operands = [x.tensor, factor] if self.chance(0.6) else [factor, x.tensor]
        return Drawn(operator(*operands), x.exact)

    def divided(self):
        x = self.pick()
        divisor = self.positive(*(self.operand_shape(x.shape) or [1]))
        return Drawn(self.choose(tf1.realdiv, lambda a, b: raw.Div(x=a, y=b))(x.tensor, divisor))

    def joined(self):
        """Two tensors that broadcast, made so where they do not."""
        x, y = self.pick(), self.pick()
        try:
            np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
            other = y.tensor
        except ValueError:
            other = tf1.reduce_mean(y.tensor, list(range(y.rank)))
        operator = self.choose(tf1.add, tf1.subtract, tf1.multiply, tf1.maximum, tf1.minimum, tf1.squared_difference)
        if operator in (tf1.subtract, tf1.squared_difference):  # of equal values little but rounding would be left
            return Drawn(operator(tf1.tanh(x.tensor), tf1.tanh(other) + 2.0))
        return Drawn(tf1.tanh(operator(x.tensor, other)) if self.chance(0.5) else operator(tf1.tanh(x.tensor), tf1.tanh(other)))

    def added(self):
        x = self.pick()
        others = [y for y in self.live if y.shape == x.shape]
        return Drawn(tf1.add_n([self.choose(*others).tensor for _ in range(self.size(1, 3))] + [x.tensor]))

    def stepped(self):
        """What jumps: floors, comparisons, truth values, choices."""
        x = self.pick(exact=True)
        t, level = x.tensor, self.constant(self.normal(*self.operand_shape(x.shape)))[0]
        compare = self.choose(tf1.greater, tf1.greater_equal, tf1.less, tf1.less_equal, tf1.equal, tf1.not_equal)
        whole = tf1.cast(t * 3, self.choose(tf.int32, tf.int64))
        truth = compare(t, level)
        y = self.choose(
            lambda: tf1.floor(t * 3), lambda: tf1.ceil(t * 3), lambda: tf1.round(t * 3), lambda: tf1.rint(t * 3), lambda: tf1.sign(t),
            lambda: tf1.floordiv(t, self.positive(1)), lambda: tf1.floormod(t, self.positive(1)), lambda: tf1.cast(whole, tf.float32),
            lambda: tf1.cast(truth, tf.float32), lambda: tf1.cast(compare(whole, tf1.cast(tf1.ones_like(t), whole.dtype)), tf.float32),
            lambda: tf1.cast(tf1.logical_and(truth, tf1.logical_not(t > 0.25)), tf.float32),
            lambda: tf1.cast(tf1.logical_or(truth, t < -0.5), tf.float32), lambda: tf1.cast(tf1.cast(whole, tf.bool), tf.float32),
            lambda: tf1.where_v2(truth, t, level), lambda: tf1.where(tf1.greater(t, 0.1), t, tf1.negative(t)),
            lambda: tf1.cast(whole + 2 * tf1.cast(t > 0, whole.dtype), tf.float32))()
        return Drawn(y, True)

    # Shapes.

    def reshape(self):
        x = self.pick()
        count = int(np.prod(x.shape))
        divisors = [n for n in range(1, count + 1) if count % n == 0]
        first = self.choose(*divisors)
        second = self.choose(*[n for n in divisors if (count // first) % n == 0])
        target = self.choose([count], [1, count], [first, count // first], [1, first, count // first],
                             [1, first, second, count // first // second], [1, 1, first, second, count // first // second])
        if self.chance(0.4):
            target[self.size(0, len(target) - 1)] = -1
        if x.rank > 1 and self.chance(0.2):
            sizes = raw.Shape(input=x.tensor)
            return Drawn(tf1.reshape(x.tensor, tf1.stack([sizes[0], count // x.shape[0]])), x.exact)
        return Drawn(tf1.reshape(x.tensor, target), x.exact)

    def axes(self):
        x = self.pick()
        if self.chance(0.5) and x.rank < 5:
            return Drawn(tf1.expand_dims(x.tensor, self.size(-x.rank - 1, x.rank)), x.exact)
        ones = [axis for axis, size in enumerate(x.shape) if size == 1]
        if not ones:
            return None
        axis = self.choose(*ones)
        return Drawn(tf1.squeeze(x.tensor, self.choose([axis], [axis - x.rank], None)), x.exact)

    def transpose(self):
        x = self.pick(2, 3, 4, 5)
        return None if x is None else Drawn(tf1.transpose(x.tensor, self.random.permutation(x.rank)), x.exact)

    def concat(self):
        x = self.pick(1, 2, 3, 4, 5)
        if x is None:
            return None
        axis = self.size(0, x.rank - 1)
        parts = [x.tensor]
        for _ in range(self.size(1, 3)):
            sizes = list(x.shape)
            sizes[axis] = self.size(1, 3)
            fitting = [y.tensor for y in self.live if y.rank == x.rank and all(a == b for i, (a, b) in enumerate(zip(y.shape, x.shape)) if i != axis)]
            parts.append(self.weights(*sizes) if self.chance(0.3) else self.choose(*fitting))
        if self.chance(0.3):
            return Drawn(raw.Concat(concat_dim=axis, values=parts))
        return Drawn(tf1.concat(parts, self.choose(axis, axis - x.rank)))

    def packed(self):
        x = self.pick(1, 2, 3, 4)
        if x is None:
            return None
        if self.chance(0.5):
            fitting = [y.tensor for y in self.live if y.shape == x.shape]
            return Drawn(tf1.stack([self.choose(*fitting) for _ in range(self.size(1, 3))], self.size(-x.rank - 1, x.rank)))
        axis = self.size(0, x.rank - 1)
        if x.shape[axis] > 12:
            return None
        parts = tf1.unstack(x.tensor, axis=axis)
        return [Drawn(part, x.exact) for part in parts[:2]]

    def tile(self):
        x = self.pick(1, 2, 3, 4)
        if x is None:
            return None
        times = [self.size(1, 2) for _ in range(x.rank)]
        return Drawn(tf1.tile(x.tensor, times), x.exact)

    def pad(self):
        x = self.pick(2, 3, 4)
        if x is None:
            return None
        sizes = [[0, 0]] + [[self.size(0, 2), self.size(0, 2)] for _ in range(x.rank - 1)]
        form = self.choose("zeros", "value", "REFLECT", "SYMMETRIC")
        if form in ("REFLECT", "SYMMETRIC"):
            most = [size - (1 if form == "REFLECT" else 0) for size in x.shape]
            sizes = [[min(a, m), min(b, m)] for (a, b), m in zip(sizes, most)]
            return Drawn(tf1.pad(x.tensor, sizes, form), x.exact)
        return Drawn(tf1.pad(x.tensor, sizes, constant_values=0 if form == "zeros" else self.choose(0.5, -1.0)), x.exact)

    def sliced(self):
        x = self.pick(1, 2, 3, 4)
        if x is None:
            return None
        begin = [self.size(0, size - 1) for size in x.shape]
        if self.chance(0.4):
            sizes = [self.choose(-1, self.size(1, size - at)) for size, at in zip(x.shape, begin)]
            return Drawn(tf1.slice(x.tensor, begin, sizes), x.exact)
        index = [slice(None)]
        for size in x.shape[1:]:
            at = self.size(0, size - 1)
            index.append(self.choose(slice(None), slice(at, None), slice(None, at + 1), slice(None, None, 2), slice(-at - 1, None),
                                     slice(at, at + 1), at, -at - 1, slice(0, size, 3), tf1.newaxis if x.rank < 4 else slice(None)))
        if self.chance(0.3) and x.rank > 2:
            index = [Ellipsis, *index[-2:]]
        elif self.chance(0.3):
            index = index[:-1] or index
        y = x.tensor[tuple(index)]
        return Drawn(y, x.exact) if len(y.shape) else None

    def split(self):
        x = self.pick(2, 3, 4)
        if x is None:
            return None
        axis = self.size(1, x.rank - 1)
        if x.shape[axis] < 2:
            return None
        if self.chance(0.5):
            sizes = [self.size(1, x.shape[axis] - 1)]
            sizes = sizes + [x.shape[axis] - sizes[0]] if self.chance(0.7) else sizes + [-1]
            parts = tf1.split(x.tensor, sizes, axis)
        else:
            parts = tf1.split(x.tensor, self.choose(*[n for n in range(1, x.shape[axis] + 1) if x.shape[axis] % n == 0]), axis)
        return [Drawn(part, x.exact) for part in parts[:3]]

    def filled(self):
        x = self.pick(1, 2, 3, 4)
        if x is None:
            return None
        form = self.choose("fill", "range", "like", "count")
        if form == "fill":
            return Drawn(x.tensor + tf1.fill([1] * (x.rank - 1) + [x.shape[-1]], 0.25), x.exact)
        if form == "range":
            return Drawn(x.tensor + 0.1 * tf1.cast(tf1.range(0, 2 * x.shape[-1], 2), tf.float32))
        if form == "like":
            return Drawn(x.tensor * self.choose(tf1.ones_like, tf1.zeros_like)(x.tensor) + 0.5, x.exact)
        return Drawn(x.tensor / tf1.cast(self.choose(tf1.size, tf1.rank)(x.tensor), tf.float32))

    def space(self):
        x = self.pick(4)
        if x is None:
            return None
        block = self.choose(2, 3)
        if x.shape[3] % (block * block) == 0:
            return Drawn(tf1.depth_to_space(x.tensor, block), x.exact)
        if x.shape[1] % block == 0 and x.shape[2] % block == 0:
            return Drawn(tf1.space_to_depth(x.tensor, block), x.exact)
        return None

    def blocks(self):
        """Blocks as a batch, something on each, and back: a dilated convolution as TensorFlow 1 wrote it."""
        x = self.pick(3, 4)
        if x is None:
            return None
        count = x.rank - 2
        block = [self.size(1, 3) for _ in range(count)]
        pads = [[self.size(0, 2), 0] for _ in range(count)]
        for pair, side, size in zip(pads, block, x.shape[1:]):
            pair[1] = -(size + pair[0]) % side
        y = tf1.space_to_batch_nd(x.tensor, block, pads)
        y = self.choose(tf1.identity, tf1.nn.relu, lambda t: tf1.multiply(t, self.weights(x.shape[-1])))(y)
        crops = pads if self.chance(0.7) else [[0, 0]] * count
        return Drawn(raw.BatchToSpaceND(input=y, block_shape=block, crops=crops), x.exact)

    def condition(self):
        """A condition that the file settles, as of a network that is not trained now."""
        x = self.pick()
        chosen = self.chance(0.5)
        told = tf1.placeholder_with_default(chosen, [])
        no, yes = raw.Switch(data=x.tensor, pred=told)
        return Drawn(raw.Merge(inputs=[tf1.abs(no), tf1.negative(yes)])[0], x.exact)

    def resize(self):
        x = self.pick(4)
        if x is None:
            return None
        size = [self.size(1, 15), self.size(1, 15)]
        grid = self.choose({}, {"align_corners": True}, {"half_pixel_centers": True})
        if self.chance(0.5):
            return Drawn(raw.ResizeNearestNeighbor(images=x.tensor, size=size, **grid), x.exact)
        return Drawn(raw.ResizeBilinear(images=x.tensor, size=size, **grid))

    # What transformers and their exporters write.

    def einsum(self):
        """An equation that sums over named axes, with a weight or a computed tensor."""
        x = self.pick(2, 3, 4)
        if x is None:
            return None
        sizes, t, out = x.shape, tf1.tanh(x.tensor), self.size(1, 4)
        if x.rank == 2:
            a, b = sizes
            return Drawn(self.choose(
                lambda: tf1.einsum("ab,bc->ac", t, self.weights(b, out)), lambda: tf1.einsum("ab,cb->ac", t, self.weights(out, b)),
                lambda: tf1.einsum("ab,ab->a", t, t), lambda: tf1.einsum("ab->ba", t), lambda: tf1.einsum("ab,bcd->acd", t, self.weights(b, 2, out)),
                lambda: tf1.einsum("...b,bc->...c", t, self.weights(b, out)), lambda: tf1.einsum("ab,ac->bc", t, t))())
        if x.rank == 3:
            a, b, c = sizes
            return Drawn(self.choose(
                lambda: tf1.einsum("abc,cd->abd", t, self.weights(c, out)), lambda: tf1.einsum("abc,cde->abde", t, self.weights(c, 2, out)),
                lambda: tf1.einsum("abc,adc->abd", t, t), lambda: tf1.einsum("abc,bd->adc", t, self.weights(b, out)), lambda: tf1.einsum("abc->ac", t),
                lambda: tf1.einsum("...ij,...kj->...ik", t, t), lambda: tf1.einsum("abc,dc->dab", t, self.weights(out, c)),
                lambda: tf1.einsum("abc,bcd->ad", t, self.weights(b, c, out)))())
        a, b, c, d = sizes
        return Drawn(self.choose(
            lambda: tf1.einsum("abcd,cde->abe", t, self.weights(c, d, out)), lambda: tf1.einsum("aecd,abcd->acbe", t, t),
            lambda: tf1.einsum("acbe,aecd->abcd", tf1.einsum("aecd,abcd->acbe", t, t), t), lambda: tf1.einsum("abcd,de->abce", t, self.weights(d, out)),
            lambda: tf1.einsum("bhwc,bkc->bhwk", t, self.weights(a, out, d)), lambda: tf1.einsum("abcd->dba", t))())

    def layer_norm(self):
        """LayerNormalization as Keras writes it, over the last axis or the last two."""
        x = self.pick(2, 3, 4)
        if x is None or x.shape[-1] < 2:
            return None
        axes = [-1] if x.rank == 2 or self.chance(0.7) else [-2, -1]
        mean, variance = tf1.nn.moments(x.tensor, axes, keep_dims=True)
        scale = tf1.rsqrt(variance + 1e-3)
        if self.chance(0.7):
            scale = scale * self.plain(self.normal(x.shape[-1]))
        return Drawn(x.tensor * scale + (self.plain(self.normal(x.shape[-1])) - mean * scale))

    def gelu(self):
        x = tf1.clip_by_value(self.pick().tensor, -5.0, 5.0)
        if self.chance(0.5):
            return Drawn(0.5 * x * (1.0 + tf1.math.erf(x * 0.7071067811865476)))
        return Drawn(0.5 * x * (1.0 + tf1.tanh(0.7978845608028654 * (x + 0.044715 * tf1.pow(x, 3.0)))))

    def function(self):
        """Functions of one value, where each is flat enough for float32."""
        x = tf1.clip_by_value(self.pick().tensor, -2.0, 2.0)
        inside, above = 0.45 * x, tf1.abs(x) + 1.25
        return Drawn(self.choose(
            lambda: tf1.sin(x), lambda: tf1.cos(x), lambda: tf1.tan(inside), lambda: tf1.asin(inside), lambda: tf1.acos(inside), lambda: tf1.atan(x),
            lambda: tf1.sinh(x), lambda: tf1.cosh(x), lambda: tf1.asinh(x), lambda: tf1.acosh(above), lambda: tf1.atanh(inside), lambda: tf1.log1p(above),
            lambda: tf1.math.expm1(x), lambda: tf1.math.erf(x), lambda: tf1.math.erfc(x), lambda: tf1.nn.selu(x),
            lambda: tf1.atan2(x, above), lambda: tf1.math.divide_no_nan(x, tf1.nn.relu(x)))())

    def log_softmax(self):
        x = self.pick(1, 2, 3, 4)
        return None if x is None else Drawn(tf1.nn.log_softmax(tf1.tanh(x.tensor)))

    def response_norm(self):
        x = self.pick(4)
        return None if x is None else Drawn(tf1.nn.lrn(tf1.tanh(x.tensor), depth_radius=self.size(0, 3), bias=self.choose(1.0, 2.0), alpha=0.5, beta=self.choose(0.5, 0.75)))

    def fake_quant(self):
        """Simulated quantization of the input alone: it jumps."""
        x = self.pick(exact=True)
        low, high, narrow = -float(self.random.uniform(0.2, 2)), float(self.random.uniform(0.2, 2)), self.chance(0.3)
        bits = self.choose(4, 8)
        form = self.size(0, 2) if x.rank in (1, 2, 4) else self.size(0, 1)
        if form == 0:
            y = tf1.quantization.fake_quant_with_min_max_args(x.tensor, low, high, bits, narrow)
        elif form == 1:
            y = tf1.quantization.fake_quant_with_min_max_vars(x.tensor, low, high, bits, narrow)
        else:
            lows, highs = (self.plain(self.random.uniform(0.2, 2, x.shape[-1]).astype(np.float32) * sign) for sign in (-1, 1))
            y = tf1.quantization.fake_quant_with_min_max_vars_per_channel(x.tensor, lows, highs, bits, narrow)
        return Drawn(y)

    def walked(self):
        """An axis from one end to the other, or backwards."""
        x = self.pick(1, 2, 3, 4)
        if x is None:
            return None
        axis = self.size(0, x.rank - 1)
        form = self.choose("cumsum", "reverse", "backwards", "roll")
        if form == "cumsum":
            return Drawn(tf1.cumsum(tf1.tanh(x.tensor), self.choose(axis, axis - x.rank), exclusive=self.chance(0.3), reverse=self.chance(0.3)))
        if form == "reverse":
            axes = sorted(self.random.choice(x.rank, self.size(1, x.rank), replace=False).tolist())
            return Drawn(tf1.reverse(x.tensor, axes), x.exact)
        if form == "roll":
            axes = sorted(self.random.choice(x.rank, self.size(1, x.rank), replace=False).tolist())
            return Drawn(tf1.roll(x.tensor, [self.size(-3, 3) for _ in axes], axes), x.exact)
        index = []
        for size in x.shape:
            first = self.size(0, size - 1)
            index.append(self.choose(slice(None), slice(None, None, -1), slice(None, None, -2), slice(first, None, -1), slice(first - size, None, -1)))
        return Drawn(x.tensor[tuple(index)], x.exact)

    def placed(self):
        """Elements that indices pick or place."""
        x = self.pick(2, 3, 4, exact=True)
        if x is None:
            return None
        form = self.choose("batch", "scatter", "scatter", "update", "hot", "band", "broadcast", "any")
        if form == "batch":
            axis = self.size(1, x.rank - 1)
            batch = self.size(1, axis)
            rows = self.random.integers(0, x.shape[axis], [*x.shape[:batch], self.size(1, 3)])
            return Drawn(tf1.gather(x.tensor, tf1.constant(rows, tf.int32), axis=axis, batch_dims=batch), True)
        if form in ("scatter", "update"):
            depth = self.size(1, x.rank)
            rows = np.stack([self.random.integers(0, size, 3) for size in x.shape[:depth]], 1)
            if form == "update":
                rows = np.unique(rows, axis=0)  # of several updates for one place, any may win
            updates = self.normal(len(rows), *x.shape[depth:])
            index = tf1.constant(rows, self.choose(tf.int32, tf.int64))
            if form == "scatter":
                shape = tf1.constant(x.shape, index.dtype)
                return Drawn(tf1.scatter_nd(index, tf1.constant(updates) * tf1.reduce_mean(tf1.tanh(x.tensor)), shape) + x.tensor)
            update = self.choose(tf1.tensor_scatter_nd_update, tf1.tensor_scatter_nd_add, tf1.tensor_scatter_nd_max)
            return Drawn(update(x.tensor, index, tf1.constant(updates)))
        if form == "hot":
            index = tf1.argmax(x.tensor, self.size(0, x.rank - 1), output_type=self.choose(tf.int32, tf.int64))
            axis = self.size(-1, len(index.shape))
            return Drawn(tf1.one_hot(index, self.size(2, 9), on_value=2.0, off_value=-0.5, axis=axis), True)
        if form == "band":
            below, above = (self.size(-1, min(3, size)) for size in x.shape[-2:])
            return Drawn(tf1.matrix_band_part(x.tensor, below, above), True)
        if form == "broadcast":
            row = x.tensor[:, :1]
            return Drawn(tf1.broadcast_to(row, [2, *x.shape] if x.rank < 4 and self.chance(0.5) else x.shape), True)
        truth, axes = x.tensor > 0.3, self.choose([0], [x.rank - 1], list(range(1, x.rank)))
        reduced = self.choose(tf1.reduce_any, tf1.reduce_all)(truth, axes, keepdims=self.chance(0.5))
        return Drawn(tf1.cast(reduced, tf.float32), True)

    # Reductions and selections.

    def reduce(self):
        x = self.pick(1, 2, 3, 4, 5)
        if x is None:
            return None
        axes = sorted(self.random.choice(x.rank, self.size(1, x.rank), replace=False).tolist())
        if self.chance(0.3):
            axes = [axis - x.rank for axis in axes]
        if self.chance(0.1):
            return Drawn(raw.EuclideanNorm(input=x.tensor, axis=axes, keep_dims=self.chance(0.5)))
        operator, exact = self.choose((tf1.reduce_mean, False), (tf1.reduce_sum, False), (tf1.reduce_max, True), (tf1.reduce_min, True),
                                      (lambda t, a, keepdims: tf1.reduce_prod(tf1.tanh(t) * 0.5 + 1.0, a, keepdims=keepdims), False))
        return Drawn(operator(x.tensor, axes, keepdims=self.chance(0.5)), x.exact and exact)

    def softmax(self):
        x = self.pick(1, 2, 3, 4)
        return None if x is None else Drawn(tf1.nn.softmax(x.tensor))

    def index(self):
        """Indices, and what is read by them."""
        x = self.pick(2, 3, 4, exact=True)
        if x is None:
            return None
        form = self.choose("arg", "gather", "gather_nd", "top", "places")
        if form == "arg":
            index = self.choose(tf1.argmax, tf1.argmin)(x.tensor, self.size(0, x.rank - 1), output_type=self.choose(tf.int32, tf.int64))
            return Drawn(tf1.cast(index, tf.float32), True)
        if form == "gather":
            axis = self.size(0, x.rank - 1)
            rows = self.random.integers(0, x.shape[axis], self.choose([3], [2, 2], [1]))
            return Drawn(tf1.gather(x.tensor, tf1.constant(rows, self.choose(tf.int32, tf.int64)), axis=axis), True)
        flat = tf1.reshape(x.tensor, [-1, x.shape[-1]])
        if form == "gather_nd":
            rows = np.stack([self.random.integers(0, size, 4) for size in x.shape[:self.size(1, x.rank)]], 1)
            return Drawn(tf1.gather_nd(x.tensor, tf1.constant(rows, tf.int32)), True)
        if form == "top":
            values, order = tf1.math.top_k(flat, self.size(1, min(4, x.shape[-1])))
            return [Drawn(values, True), Drawn(tf1.cast(order, tf.float32), True)]
        column = flat[:, 0]
        places = tf1.where(tf1.greater(column, 0.0))
        return Drawn(tf1.reduce_sum(tf1.gather_nd(column, places), 0))

    def suppression(self):
        x = self.pick(exact=True)
        count = int(np.prod(x.shape)) // 5
        if count < 3:
            return None
        rows = tf1.reshape(tf1.reshape(x.tensor, [-1])[:count * 5], [count, 5])
        boxes = tf1.concat([rows[:, :2], rows[:, :2] + tf1.abs(rows[:, 2:4]) + 0.25], 1)
        # Runtimes differ in which of two boxes of one score comes first.
        best, scores = self.size(2, count), tf1.abs(rows[:, 4]) + np.linspace(0.0, 0.01, count, dtype=np.float32)
        form = self.size(2, 5)
        if form < 4:
            limit = {} if form == 2 else {"score_threshold": 0.3}
            chosen = tf1.image.non_max_suppression(boxes, scores, best, 0.4, **limit)
        else:
            limits = dict(boxes=boxes, scores=scores, max_output_size=best, iou_threshold=0.4, score_threshold=0.1)
            if form == 4:
                chosen = raw.NonMaxSuppressionV4(pad_to_max_output_size=True, **limits)[0]
            else:
                chosen = raw.NonMaxSuppressionV5(soft_nms_sigma=0.0, pad_to_max_output_size=True, **limits)[0]
        return Drawn(tf1.reduce_sum(tf1.gather(boxes, chosen), 0))


OPERATORS = ["conv"] * 4 + ["depthwise"] * 2 + ["with_constant"] * 4 + ["matmul"] * 2 + ["stepped"] * 2 + ["reshape"] * 2 + [
    "conv1d", "transposed", "product", "pool", "batch_norm", "group_norm", "activation", "smooth", "copied", "divided", "joined", "added", "axes",
    "blocks", "condition", "transpose", "concat", "packed", "tile", "pad", "sliced", "split", "filled", "space", "resize", "reduce", "softmax", "index",
    "suppression", "einsum", "einsum", "layer_norm", "gelu", "function", "function", "log_softmax", "response_norm", "fake_quant", "walked", "walked",
    "placed", "placed"]


def spell_short(tensor, count):
    """A TensorProto with its first `count` values alone; the last of them stands for the rest."""
    values = tf1.make_ndarray(tensor).reshape(-1)[:count]
    field = {tf.float32.as_datatype_enum: "float_val", tf.float64.as_datatype_enum: "double_val", tf.int32.as_datatype_enum: "int_val",
             tf.int64.as_datatype_enum: "int64_val", tf.float16.as_datatype_enum: "half_val", tf.uint8.as_datatype_enum: "int_val",
             tf.int8.as_datatype_enum: "int_val", tf.bool.as_datatype_enum: "bool_val"}[tensor.dtype]
    for name in ("tensor_content", "float_val", "double_val", "int_val", "int64_val", "half_val", "bool_val"):
        tensor.ClearField(name)
    if field == "half_val":
        values = values.view(np.uint16)
    getattr(tensor, field).extend(values.tolist())
