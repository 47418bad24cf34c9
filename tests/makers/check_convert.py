#!/usr/bin/env python3
"""Judges the TFLite files that `visionpress convert` writes: LiteRT gives what TensorFlow gives for the frozen graph.

    check_convert.py --tool build/release/visionpress [--shared DIR]

Real graphs where they are at hand; pieces of the other generations are written by TensorFlow here (check_graphdef.py). Every
output lies within 1e-3 of the range of TensorFlow's. The 8-bit form of TensorFlow 1.12 has the size of the original project's file.
"""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from check_graphdef import PIECES, REAL, Pieces, fold_bitcasts, load, run_tensorflow
from judge import DEMO, Judge

TOLERANCE = 1e-3
ORIGINAL_BYTES = 11_047_480  # of the original project's 8-bit file
SMALLEST = 1024  # elements of a weight that TensorFlow 1.12 stores in 8 bits


def convert(judge, path, size=(), options=()):
    out = judge.path(f"converted-{len(os.listdir(judge.folder))}.tflite")
    sizes = ["--input-size", f"{size[1]}x{size[0]}"] if size else []
    judge.run("convert", path, "-o", out, *sizes, *options)
    return out


def run_litert(path, given):
    net = Interpreter(path)
    entry = net.get_input_details()[0]
    net.allocate_tensors()
    net.set_tensor(entry["index"], given.astype(np.float32))
    net.invoke()
    return [net.get_tensor(detail["index"]) for detail in net.get_output_details()]


def check(judge, path, given, size=()):
    theirs, ours = run_tensorflow(load(path), given), run_litert(convert(judge, path, size), given)
    assert len(theirs) == len(ours), f"{len(ours)} outputs, TensorFlow's {len(theirs)}"
    for index, (mine, other) in enumerate(zip(ours, theirs)):
        other = np.asarray(other)
        assert list(mine.shape) == list(other.shape), f"output {index} has shape {mine.shape}, TensorFlow's {other.shape}"
        if other.size == 0:
            continue
        other = other.astype(np.float64)
        span = max(float(np.ptp(other)), 1e-6)
        worst = float(np.max(np.abs(mine - other)))
        assert np.isfinite(mine).all() and worst <= TOLERANCE * span, f"output {index} differs by {worst / span:.2e} of its range"


def judge_piece(judge, name, build, shape, size):
    make = Pieces(1)
    with tf.compat.v1.Graph().as_default() as graph:
        build(make)
    path = judge.path(f"{name}.pb")
    with open(path, "wb") as file:
        file.write(fold_bitcasts(graph.as_graph_def()).SerializeToString())
    judge.case(name, check, judge, path, make.random.normal(0, 1, shape).astype(np.float32), size)


def check_1_12(judge, path, given):
    """One scale a tensor, signed bytes typed UINT8, versions of 1, the leaky ReLU as MUL and MAXIMUM."""
    out = convert(judge, path, (), ["--weights", "linear-8-tensor", "--compatibility", "tf-1.12"])
    bytes_written = os.path.getsize(out)
    assert abs(bytes_written - ORIGINAL_BYTES) <= 0.0005 * ORIGINAL_BYTES, f"{bytes_written} bytes, the original has {ORIGINAL_BYTES}"
    with open(out, "rb") as file:
        model = schema.ModelT.InitFromPackedBuf(file.read(), 0)
    codes = {(code.builtinCode, code.version) for code in model.operatorCodes}
    wanted = {(schema.BuiltinOperator.CONV_2D, 1), (schema.BuiltinOperator.MUL, 1), (schema.BuiltinOperator.MAXIMUM, 1),
              (schema.BuiltinOperator.MAX_POOL_2D, 1)}
    assert codes == wanted, f"operators {codes}"
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        is_kernel = data is not None and tensor.shape is not None and len(tensor.shape) == 4
        if not is_kernel or int(np.prod(tensor.shape)) < SMALLEST:
            continue
        quantization = tensor.quantization
        assert tensor.type == schema.TensorType.UINT8, f"{tensor.name} has type {tensor.type}"
        assert len(quantization.scale) == 1 and list(quantization.zeroPoint) == [0], f"{tensor.name}: {quantization.scale}"
        assert np.abs(np.asarray(data, np.uint8).view(np.int8).astype(int)).max() == 127, f"{tensor.name} does not reach 127"
    theirs, ours = run_tensorflow(load(path), given)[0], run_litert(out, given)[0]
    worst = float(np.max(np.abs(ours - theirs))) / float(np.ptp(theirs))
    assert worst < 0.1, f"the output differs by {worst:.3f} of its range"  # 8-bit weights and activations; nonsense differs by 1


def main():
    judge = Judge(__doc__)
    for name, build, shape, size in PIECES:
        if judge.wants(name):
            judge_piece(judge, name, build, shape, size)
    real = [(name, os.path.join(judge.shared, "models", path), shape, size) for name, path, shape, size in REAL] if judge.shared else []
    demo = os.path.join(DEMO, "classifier", "model.pb")
    if os.path.exists(demo):
        entry = next(node for node in load(demo).node if node.op == "Placeholder")
        sizes = [dim.size if dim.size > 0 else 1 for dim in entry.attr["shape"].shape.dim]
        real.append(("demo classifier", demo, tuple(sizes), ()))
    for name, path, shape, size in real:
        given = np.random.default_rng(3).uniform(0, 255, shape).astype(np.float32)
        if judge.wants(name):
            judge.case(name, check, judge, path, given, size)
        if name == "reference detector" and judge.wants(name + " 1.12"):
            judge.case(name + " 1.12", check_1_12, judge, path, given)
    judge.close()


if __name__ == "__main__":
    main()
