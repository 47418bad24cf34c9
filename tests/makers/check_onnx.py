#!/usr/bin/env python3
"""Judges ONNX files by ONNX Runtime: raw outputs of whole networks, of random small graphs, and of the files that `compress` writes.

    check_onnx.py --tool build/dev/visionpress --probe build/dev/src/run/part_probe [--count 300] [--seed 1] [--only yolox]

networks    each file of shared/models and demo that ONNX Runtime runs: our raw outputs
written     each of them in each scheme: onnx's checker takes the file, and ONNX Runtime and we give the same
generated   random graphs of one operator, with random parameters, ranks and opsets
Largest difference: 1e-4 of the range of the output, for float32 sums in another order.
"""
import collections
import os
import pathlib
import re
import subprocess

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import onnx_runtime
from judge import DEMO, Judge
from random_onnx import GENERATORS, Network

ort = onnx_runtime.load()
LIMIT = 1e-4  # of the output's range
SCHEMES = ["fp16", "linear-8", "linear-8-tensor", "linear-6", "linear-4"]


class Refused(Exception):
    """The tool says that it does not run this."""


class NotRun(Exception):
    """ONNX Runtime does not run the file."""


def run_ours(judge, path, given):
    words = [judge.probe, path, judge.path("out.bin")]
    for i, (name, array) in enumerate(given.items()):
        array.astype(np.float32).tofile(judge.path(f"in-{i}.bin"))
        words += [name, judge.path(f"in-{i}.bin")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode == 3:
        raise Refused(done.stderr.strip())
    assert done.returncode == 0, f"exits {done.returncode}: {done.stderr.strip()[-300:]}"
    raw, at, found = np.fromfile(judge.path("out.bin"), np.float32), 0, {}
    for line in done.stdout.splitlines():
        name, shape = line.rsplit(" ", 1)
        sizes = [int(size) for size in shape.strip("[]").split(",") if size]
        count = int(np.prod(sizes))
        found[name] = raw[at:at + count].reshape(sizes)
        at += count
    return found


def run_theirs(model, given):
    """returns: the outputs that are tensors of numbers, by name."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        values = session.run(None, given)
    except Exception as error:
        raise NotRun(str(error)) from error
    return {output.name: value for output, value in zip(session.get_outputs(), values) if isinstance(value, np.ndarray) and value.dtype.kind in "fiub"}


def compare(ours, theirs, limit=LIMIT):
    assert theirs, "no output to compare"
    for name, exact in theirs.items():
        assert name in ours, f"no output {name}"
        found = ours[name]
        assert found.shape == exact.shape, f"{name}: shape {found.shape}, ONNX Runtime's is {exact.shape}"
        if not exact.size:
            continue
        exact = exact.astype(np.float64)
        assert np.array_equal(np.isnan(found), np.isnan(exact)), f"{name}: NaN in other places"
        finite = np.isfinite(exact)
        assert np.array_equal(found[~finite & ~np.isnan(exact)], exact[~finite & ~np.isnan(exact)]), f"{name}: other infinities"
        if not finite.any():
            continue
        span = max(np.ptp(exact[finite]), 0.1 * np.abs(exact[finite]).max(), 1e-6)
        worst = np.abs(found[finite] - exact[finite]).max() / span
        assert worst <= limit, f"{name}: differs by {worst:.2e} of its range"


def input_of(path, rng):
    """One image of noise for the network's one input."""
    graph = onnx.load(path).graph
    names = {t.name for t in graph.initializer}
    value = next(v for v in graph.input if v.name not in names)
    shape = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
    return {value.name: rng.uniform(0, 255, shape).astype(np.float32)}


def fix_batch(judge, path):
    """A copy whose open first size is 1, for the probe, and without what ONNX Runtime lacks. returns: its path."""
    model = onnx.load(path)
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if len(dims) and not dims[0].dim_value:
            dims[0].dim_value = 1
    copy = judge.path(f"fixed-{pathlib.Path(path).stem}.onnx")
    onnx.save(model, copy)
    return copy


def networks(judge):
    found = [os.path.join(DEMO, "classifier", "model.onnx")]
    if judge.shared:
        found += [str(p) for p in sorted(pathlib.Path(judge.shared, "models").rglob("*.onnx"))]
    return found


def without_maps(theirs, path):
    """ZipMap gives maps, which ONNX Runtime returns as lists; the tensor before it is compared instead."""
    return theirs


def judge_network(judge, path):
    fixed = fix_batch(judge, path)
    given = input_of(fixed, np.random.default_rng(1))
    model = onnx.load(fixed)
    # The tensor that ZipMap reads is the result.
    for node in model.graph.node:
        if node.op_type == "ZipMap":
            del model.graph.output[:]
            model.graph.output.extend([helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None)])
    onnx.save(model, fixed)
    compare(run_ours(judge, fixed, given), run_theirs(fixed, given))


def judge_written(judge, path, scheme):
    try:
        written = judge.compress(path, "-w", scheme)
    except AssertionError as error:
        raise AssertionError(f"compress: {error}") from error
    model = onnx.load(written)
    if all(o.domain in ("", "ai.onnx.ml") for o in model.opset_import) and all(o.version >= 7 for o in model.opset_import if not o.domain):
        custom = {"ImageScaler"}
        if not any(node.op_type in custom for node in model.graph.node):
            onnx.checker.check_model(model)
    judge_network(judge, written)
    os.remove(written)


def judge_generated(judge, make, rng):
    network = Network(rng)
    make(network)
    model = network.finish()
    data = model.SerializeToString()
    theirs = run_theirs(data, network.given)
    path = judge.path("generated.onnx")
    pathlib.Path(path).write_bytes(data)
    compare(run_ours(judge, path, network.given), theirs, network.limit)


def main():
    judge = Judge(__doc__, count=300, seed=1)
    unknown = collections.Counter()
    for path in networks(judge):
        name = os.path.relpath(path, judge.shared) if judge.shared and path.startswith(judge.shared) else os.path.basename(os.path.dirname(path))
        if "currency" in name:
            continue  # LegacyPadding: ONNX Runtime lacks it; formats_twins_test compares it with its Core ML twin
        if judge.wants(name):
            judge.case(name, judge_network, judge, path)
        for scheme in SCHEMES:
            if judge.wants(f"{name} {scheme}"):
                judge.case(f"{name} {scheme}", judge_written, judge, path, scheme)
    for index in range(judge.count):
        operator, make = GENERATORS[index % len(GENERATORS)]
        seed = judge.seed + index
        name = f"generated {operator} {seed}"
        if not judge.wants(name):
            continue
        try:
            judge_generated(judge, make, np.random.default_rng(seed))
            judge.passed += 1
        except NotRun as error:
            unknown[f"ONNX Runtime: {operator}: {str(error)[:120]}"] += 1
        except Refused as error:
            unknown[f"refused: {operator}: {re.sub(r'^[^ ]*: ', '', str(error))[:160]}"] += 1
        except AssertionError as error:
            judge.failed.append(name)
            print(f"FAILED {name}: {error}", flush=True)
    for text, count in sorted(unknown.items()):
        print(f"{count} x {text}")
    refused = sum(count for text, count in unknown.items() if text.startswith("refused"))
    judge.case("at most one in ten generated graphs is refused", lambda: exec("assert refused * 10 <= max(judge.count, 1)", {}, {"refused": refused, "judge": judge}))
    judge.close()


if __name__ == "__main__":
    main()
