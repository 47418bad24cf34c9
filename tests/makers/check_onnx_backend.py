#!/usr/bin/env python3
"""Runs ONNX's own backend tests (node, simple and light models of the onnx package) through our reader and runner.

    check_onnx_backend.py --tool build/dev/src/run/part_probe [--only Resize] [--table docs/formats/onnx.md]

Inputs that an exporter writes as constants (shapes, axes, kernels, scales: every input but the operands of PARAMETERS_FROM)
become initializers, since the tool reads a file's parameters before it runs it. The others are given to the run.
A case passes if each output is within the test's own tolerance (1e-3 relative, 1e-7 absolute; 1e-3 of the range where
float16 is computed in float32). It does not apply where an input or output is no tensor of numbers (strings, sequences,
maps, optionals, complex and 8- or 4-bit floats), where the operator is one of training or random, or where its types are
ones that the tool refuses by name (float64 arithmetic).
--table writes the counts by operator between the marks in that page.
"""
import collections
import os
import pathlib
import re
import subprocess

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from judge import Judge

DATA = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"
MARKS = ("<!-- check_onnx_backend: begin -->", "<!-- check_onnx_backend: end -->")
NUMBERS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.UINT8,
           TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16, TensorProto.UINT32, TensorProto.INT32, TensorProto.UINT64,
           TensorProto.INT64, TensorProto.UINT4, TensorProto.INT4, TensorProto.UINT2, TensorProto.INT2}
# Operators whose operands are all values of a run. Of every other operator only the first input is.
ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Max", "Min", "Sum", "Mean", "And", "Or", "Xor", "Equal", "Greater", "GreaterOrEqual",
               "Less", "LessOrEqual", "Where", "Concat", "MatMul", "PRelu", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Gather", "GatherElements",
               "GatherND", "ArrayFeatureExtractor"}
# Random numbers and training: what they give is not a function of a picture.
OUTSIDE = {"Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Adagrad", "Adam", "Momentum", "Gradient",
           "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "ImageDecoder"}
# Of the networks in shared/models and of those that people ship (docs/formats/onnx.md); the tool reads all of their node tests.
SHIPPED = """Conv Transpose MaxPool Add Reshape Relu Concat Pad Constant ConstantOfShape Resize Sigmoid GlobalAveragePool Slice Gemm Flatten
BatchNormalization Mul PRelu ArgMax ArrayFeatureExtractor Shape Clip Neg Softmax Squeeze Unsqueeze LeakyRelu Split Gather AveragePool Cast MatMul
LayerNormalization Gelu Erf GatherND TopK Mod HardSwish HardSigmoid ReduceMean ReduceMax ReduceSum ReduceMin LpNormalization Sub Div Exp Sqrt Pow Tanh
Max Min Floor Expand Tile Where Equal Greater Less Not And Identity Dropout Upsample ConvTranspose DepthToSpace SpaceToDepth QuantizeLinear
DequantizeLinear InstanceNormalization""".split()


def load(path):
    proto = TensorProto()
    proto.ParseFromString(path.read_bytes())
    return proto


def is_number(value):
    return value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.elem_type in NUMBERS


def to_numpy(tensor):
    return np.asarray(numpy_helper.to_array(tensor))


def operator_of(model, name):
    """The operator that the case is about: of cases that spell an operator out, the one in its name."""
    if "_expanded" in name:
        return "expanded"
    return model.graph.node[0].op_type if len(model.graph.node) else "none"


class Outside(Exception):
    """The case is not about what the tool does; the reason."""


class Refused(Exception):
    """The tool says that it does not run this."""


def prepare(model, tensors):
    """Makes parameters initializers, and gives the other inputs their shapes. returns: the values that the run is given."""
    graph = model.graph
    if any(not is_number(v) for v in list(graph.input) + list(graph.output)):
        raise Outside("types")
    if any(node.op_type in OUTSIDE or node.domain.startswith("ai.onnx.preview") for node in graph.node):
        raise Outside("random or training")
    if any(t.data_type not in NUMBERS for t in tensors):
        raise Outside("types")
    readers = collections.defaultdict(list)
    for node in graph.node:
        for place, name in enumerate(node.input):
            readers[name].append((node, place))
    given, kept = {}, []
    for value, tensor in zip(list(graph.input), tensors):
        is_operand = any(place == 0 or node.op_type in ELEMENTWISE or len(graph.node) > 1 and tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
                         for node, place in readers[value.name])
        node, place = readers[value.name][0] if readers[value.name] else (None, 0)
        is_shape = node is not None and place == 0 and node.op_type in ("ConstantOfShape", "Range", "If")
        if is_operand and not is_shape:
            array = to_numpy(tensor)
            value.type.tensor_type.ClearField("shape")
            value.type.tensor_type.shape.SetInParent()
            for size in array.shape:
                value.type.tensor_type.shape.dim.add().dim_value = size
            given[value.name] = array.astype(np.float32)
            kept.append(value)
        else:
            tensor.name = value.name
            graph.initializer.append(tensor)
    del graph.input[:]
    graph.input.extend(kept)
    return given


def run(judge, model, given):
    path = judge.path("model.onnx")
    onnx.save(model, path)
    words = [judge.tool, path, judge.path("out.bin")]
    for i, (name, array) in enumerate(given.items()):
        array.tofile(judge.path(f"in-{i}.bin"))
        words += [name, judge.path(f"in-{i}.bin")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 3:
        raise Refused(done.stderr.strip().replace(path + ": ", ""))
    assert done.returncode == 0, f"exits {done.returncode}: {done.stderr.strip()[-300:]}"
    raw, at, found = np.fromfile(judge.path("out.bin"), np.float32), 0, {}
    for line in done.stdout.splitlines():
        name, shape = line.rsplit(" ", 1)
        sizes = [int(size) for size in shape.strip("[]").split(",") if size]
        count = int(np.prod(sizes))
        found[name] = raw[at:at + count].reshape(sizes)
        at += count
    return found


def compare(model, found, tensors):
    halves = any(v.type.tensor_type.elem_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
                 for v in list(model.graph.input) + list(model.graph.output)) or any(t.data_type in (10, 16) for t in model.graph.initializer)
    for value, tensor in zip(model.graph.output, tensors):
        exact = to_numpy(tensor).astype(np.float64)
        assert value.name in found, f"no output {value.name}"
        ours = found[value.name]
        assert ours.shape == exact.shape, f"{value.name}: shape {ours.shape}, expected {exact.shape}"
        if not exact.size:
            continue
        finite = exact[np.isfinite(exact)]
        spread = (np.ptp(finite) if finite.size else 0) * (1e-2 if halves else 0)
        np.testing.assert_allclose(ours, exact, rtol=1e-2 if halves else 1e-3, atol=max(1e-5, spread), err_msg=value.name)


def cases():
    for kind in ("node", "simple"):
        for folder in sorted((DATA / kind).iterdir()):
            if (folder / "model.onnx").exists():
                yield kind, folder.name, folder / "model.onnx", sorted(folder.glob("test_data_set_*"))
    for path in sorted((DATA / "light").glob("*.onnx")):
        yield "light", path.stem, path, None


def tensors_of(folder, kind):
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda p: int(re.search(r"_(\d+)\.pb$", p.name)[1]))
    return [load(path) for path in files]


def judge_light(judge, path):
    """A light model: its input is 1 everywhere (onnx's own runner), its output lies beside it."""
    model = onnx.load(path)
    names = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in names]
    sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    given = {inputs[0].name: np.ones(sizes, np.float32)}
    compare(model, run(judge, model, given), [load(path.with_name(path.stem + "_output_0.pb"))])


def judge_case(judge, path, sets):
    if sets is None:
        return judge_light(judge, path)
    try:
        model = onnx.load(path)
    except Exception as error:
        raise Outside(f"not loaded by onnx: {error}") from error
    for folder in sets:
        fresh = onnx.ModelProto()
        fresh.CopyFrom(model)
        if any(not is_number(v) for v in list(fresh.graph.input) + list(fresh.graph.output)):
            raise Outside("types")
        given = prepare(fresh, tensors_of(folder, "input"))
        compare(fresh, run(judge, fresh, given), tensors_of(folder, "output"))
    return None


def write_table(page, counts, reasons):
    lines = [MARKS[0], "| operator | passed | failed | refused | not applicable |", "|---|---|---|---|---|"]
    for operator, row in sorted(counts.items()):
        lines.append(f"| {operator} | {row['passed'] or ''} | {row['failed'] or ''} | {row['refused'] or ''} | {row['outside'] or ''} |")
    total = sum(counts.values(), collections.Counter())
    lines += [f"| all | {total['passed']} | {total['failed']} | {total['refused']} | {total['outside']} |", MARKS[1]]
    text = pathlib.Path(page).read_text()
    begin, end = text.index(MARKS[0]), text.index(MARKS[1]) + len(MARKS[1])
    pathlib.Path(page).write_text(text[:begin] + "\n".join(lines) + text[end:])


def main():
    table = None
    import sys
    if "--table" in sys.argv:
        at = sys.argv.index("--table")
        table = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    judge = Judge(__doc__)
    counts, refusals = collections.defaultdict(collections.Counter), collections.Counter()
    for kind, name, path, sets in cases():
        model = onnx.load(path, load_external_data=False)
        operator = operator_of(model, name) if kind == "node" else f"{kind} models"
        if judge.only and judge.only not in (operator, name, kind):
            continue
        try:
            judge_case(judge, path, sets)
            counts[operator]["passed"] += 1
        except Outside:
            counts[operator]["outside"] += 1
        except Refused as error:
            counts[operator]["refused"] += 1
            refusals[re.sub(r'"[^"]*"|\d+', "_", str(error))] += 1
            print(f"refused {name}: {error}"[:300], flush=True)
        except AssertionError as error:
            counts[operator]["failed"] += 1
            judge.failed.append(name)
            print(f"FAILED {name}: {' '.join(str(error).split())}"[:400], flush=True)
    total = sum(counts.values(), collections.Counter())
    print(dict(total))
    shipped = sum((counts[op] for op in SHIPPED), collections.Counter())
    judged = shipped["passed"] + shipped["failed"] + shipped["refused"]
    print(f"operators that networks use: {shipped['passed']} of {judged} pass")
    judge.passed = total["passed"]
    if table:
        write_table(table, counts, refusals)
    if judged:
        judge.case("95 % of the node tests of the operators that networks use",
                   lambda: (_ for _ in ()).throw(AssertionError(f"{shipped['passed']} of {judged}")) if shipped["passed"] < 0.95 * judged else None)
    judge.close()


if __name__ == "__main__":
    main()
