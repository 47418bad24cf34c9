#!/usr/bin/env python3
"""Judges random small graphs (random_graphs.py) by TensorFlow and LiteRT, each of a seed of its own.

    check_generated.py --tool build/dev/visionpress --probe build/dev/src/run/run_probe [--count 50] [--seed 1]

Of each graph:
  predict     our run of the frozen graph, against TensorFlow
  convert     the file that `convert` writes: in LiteRT and in our run, against TensorFlow
  tflite      the file that TensorFlow's own converter writes: our run, against LiteRT
  compressed  that file by one scheme of ours after another: LiteRT loads and runs it
Largest difference: 1e-4 of the range of the output (and a tenth of its largest value, which counts where it hardly varies). Beyond it
the graph in float64 tells whose rounding it is (is_their_rounding).
scripts/generated-graphs runs 500.
"""
import collections
import contextlib
import os
import re
import subprocess

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from check_graphdef import run_probe
from exact_graphs import in_double
from judge import Judge
from random_graphs import RandomGraph

tf1 = tf.compat.v1
TOLERANCE = 1e-4  # of an output's range: float32 sums in another order
SCHEMES = ["fp16", "linear-8", "linear-8-tensor"]


@contextlib.contextmanager
def silence():
    """The converter writes what it cannot convert to the process's standard error, past Python."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


class Refused(Exception):
    """The tool says that it does not do this: with a reason, and without a result."""


def outputs_of(graph):
    return [node.name for node in graph.node if node.name.startswith("out")]


def run_tensorflow(graph, given):
    """returns: values by name. Nothing of the graph is rewritten first."""
    config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf1.Graph().as_default() as built:
        tf1.import_graph_def(graph, name="")
        names = outputs_of(graph)
        with tf1.Session(graph=built, config=config) as session:
            return dict(zip(names, session.run([name + ":0" for name in names], {"image:0": given})))


def run_exactly(graph, given):
    """The same in float64; None where TensorFlow does not compute it so."""
    try:
        return run_tensorflow(in_double(graph), given.astype(np.float64))
    except (tf.errors.OpError, ValueError):
        return None


def convert_by_tensorflow(graph):
    """returns: the bytes of TensorFlow's own conversion; None where TFLite's operators do not suffice."""
    def load():
        tf1.import_graph_def(graph, name="")
    wrapped = tf1.wrap_function(load, [])
    function = wrapped.prune("image:0", [name + ":0" for name in outputs_of(graph)])
    with silence():
        try:
            return tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
        except Exception:  # of many types, none of which is promised
            return None


def reads_beyond_bias(written):
    """TensorFlow's converter gives TRANSPOSE_CONV a bias of one value for several channels; LiteRT adds what lies behind it in memory."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(written, 0))
    tensors = model.subgraphs[0].tensors
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode != schema.BuiltinOperator.TRANSPOSE_CONV or len(operator.inputs) < 4:
            continue
        if operator.inputs[3] >= 0 and np.prod(tensors[operator.inputs[3]].shape) != tensors[operator.outputs[0]].shape[-1]:
            return True
    return False


def run_litert(path, given):
    net = Interpreter(path, num_threads=1)
    entry = net.get_input_details()[0]
    if list(entry["shape"]) != list(given.shape):
        net.resize_tensor_input(entry["index"], given.shape)
    net.allocate_tensors()
    net.set_tensor(entry["index"], given)
    net.invoke()
    return [(detail["name"], net.get_tensor(detail["index"])) for detail in net.get_output_details()]


class Checker:
    def __init__(self, judge):
        self.judge, self.worst = judge, collections.defaultdict(float)
        self.counts, self.refusals = collections.Counter(), collections.Counter()

    def compare(self, route, ours, theirs, find_exact=None):
        """Both: pairs of a name and values. find_exact: gives the graph's values in float64 by name, or None."""
        assert len(ours) == len(theirs), f"{route}: {len(ours)} outputs, expected {len(theirs)}"
        for (name, mine), (_, other) in zip(ours, theirs):
            mine, other = np.asarray(mine, np.float64), np.asarray(other, np.float64)
            assert mine.shape == other.shape, f"{route}: {name} has shape {mine.shape}, expected {other.shape}"
            if other.size == 0:
                continue
            span = max(float(np.ptp(other)) + 0.1 * float(np.max(np.abs(other))), 1e-6)
            worst = float(np.max(np.abs(mine - other))) / span
            if worst > TOLERANCE and find_exact and self.is_their_rounding(route, name, mine, other, span, find_exact()):
                continue
            self.worst[route] = max(self.worst[route], worst)
            assert worst <= TOLERANCE, f"{route}: {name} differs by {worst:.2e} of its range"  # false for NaN
        self.counts[route] += 1

    def is_their_rounding(self, route, name, mine, other, span, exact):
        """Two float32 results may lie on either side of the exact one, and a graph may amplify roundings: the relative error of a product
        of n factors is up to the sum of theirs, a difference of neighbours keeps the error of the larger. Then their distance says nothing
        of ours. From the graph's values in float64 ours may be as far as TOLERANCE, or as far as the maker's own."""
        if exact is None:
            return False
        off, their_off = (float(np.max(np.abs(values - exact[name]))) / span for values in (mine, other))
        print(f"{route}: {name} is off the float64 result by {off:.2e} of its range, the maker's by {their_off:.2e}", flush=True)
        self.counts[f"{route}, told by float64"] += 1
        return off <= max(TOLERANCE, their_off)

    def check_routes(self):
        """Refusals pass, but not of everything."""
        for route in ("predict", "convert, LiteRT", "convert, our run", "tflite", "compressed"):
            assert self.counts[route] * 4 >= self.judge.count, f"{route}: {self.counts[route]} of {self.judge.count} graphs were judged"

    def check(self, seed):
        drawn = RandomGraph(seed)
        given = np.random.default_rng(seed).normal(0, 1, drawn.given_shape).astype(np.float32)
        path = self.judge.path(f"{seed}.pb")
        with open(path, "wb") as file:
            file.write(drawn.graph.SerializeToString())
        try:
            theirs = run_tensorflow(drawn.graph, given)
        except tf.errors.InvalidArgumentError:  # TensorFlow builds graphs that its kernels then refuse
            self.counts["not run by TensorFlow"] += 1
            return
        if not all(np.isfinite(values).all() for values in theirs.values()):
            self.counts["not finite"] += 1
            return
        faults = []
        for route in (self.predict, self.convert, self.tflite):
            try:
                route(seed, drawn.graph, path, given, theirs)
            except Refused as refused:
                self.refusals[f"{route.__name__}: {refused}"] += 1
            except AssertionError as error:
                faults.append(str(error))
            except Exception as error:  # a file of ours may make LiteRT throw anything
                faults.append(f"{route.__name__}: {type(error).__name__}: {error}")
        assert not faults, f"{'; '.join(faults)} [{', '.join(drawn.drawn)}]"

    def probe(self, path, given):
        try:
            return run_probe(self.judge, path, given, ())
        except AssertionError as error:
            raise_refusal(str(error), "cannot be run")
            raise

    def predict(self, _, graph, path, given, theirs):
        ours = self.probe(path, given)
        self.compare("predict", ours, [(name, theirs[name]) for name, _ in ours], lambda: run_exactly(graph, given))
        assert len(ours) == len(theirs), f"predict: {len(ours)} outputs, expected {len(theirs)}"

    def convert(self, seed, graph, path, given, theirs):
        out = self.judge.path(f"{seed}.converted.tflite")
        try:
            self.judge.run("convert", path, "-o", out)
        except AssertionError as error:
            raise_refusal(str(error), "cannot be converted")
            raise_refusal(str(error), "TFLite has no operator for")
            raise
        lite = run_litert(out, given)
        assert sorted(name for name, _ in lite) == sorted(theirs), f"convert: outputs {[name for name, _ in lite]}"
        self.compare("convert, LiteRT", lite, [(name, theirs[name]) for name, _ in lite], lambda: run_exactly(graph, given))
        ours = run_probe(self.judge, out, given, ())
        self.compare("convert, our run", ours, [(name, theirs[name]) for name, _ in ours], lambda: run_exactly(graph, given))

    def tflite(self, seed, graph, path, given, theirs):
        written = convert_by_tensorflow(graph)
        if written is None:
            self.counts["not converted by TensorFlow"] += 1
            return
        if reads_beyond_bias(written):
            self.counts["converted by TensorFlow, LiteRT reads beyond a bias"] += 1
            return
        path = self.judge.path(f"{seed}.tflite")
        with open(path, "wb") as file:
            file.write(written)
        try:
            lite = run_litert(path, given)
        except RuntimeError:
            self.counts["converted by TensorFlow, not run by LiteRT"] += 1
            return
        out = self.judge.path(f"{seed}.compressed.tflite")
        scheme = SCHEMES[seed % len(SCHEMES)]
        done = subprocess.run([self.judge.tool, "compress", path, "-w", scheme, "--min-elements", "0", "-o", out], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, f"compress -w {scheme} exits {done.returncode}: {done.stderr.strip()}"
        for (name, mine), (_, other) in zip(run_litert(out, given), lite):
            counted = mine.shape[1:] == other.shape[1:]  # what is found differs with the weights
            assert counted and np.isfinite(mine).all(), f"compressed, {scheme}: {name} has shape {mine.shape} or NaN"
        self.counts["compressed"] += 1
        self.compare("tflite", self.probe(path, given), lite)


def raise_refusal(message, words):
    """Raises Refused where the message says so, by the reason alone."""
    at = message.find(words)
    if at >= 0:
        reason = re.sub(r"(subgraphs|operators|node)\[\d+\]\.?", "", message[at + len(words):]).strip(": ")
        raise Refused(re.sub(r'"[^"]*"', "", reason)[:160])


def main():
    judge = Judge(__doc__, count=50, seed=1)
    checker = Checker(judge)
    print(f"seeds {judge.seed}..{judge.seed + judge.count - 1}")
    for seed in range(judge.seed, judge.seed + judge.count):
        if judge.wants(f"seed {seed}"):
            judge.case(f"seed {seed}", checker.check, seed)
    for route, count in sorted(checker.counts.items()):
        print(f"{route}: {count}" + (f", largest difference {checker.worst[route]:.1e} of the range" if route in checker.worst else ""))
    for reason, count in checker.refusals.most_common():
        print(f"refused {count} times: {reason}")
    if judge.count >= 50 and not judge.only:
        judge.case("every route is judged", checker.check_routes)
    judge.close()


if __name__ == "__main__":
    main()
