#!/usr/bin/env python3
"""Judges `inspect --runtimes` against LiteRT: which operators its XNNPACK delegate takes, in how many pieces, and whether the file loads and
runs with and without it. Files: every TFLite file of demo/, shared/models and shared/cases, in every form that `compress` writes, and random
single operators (types, ranks, quantization, attributes).

    check_runtimes.py --tool build/dev/visionpress [--count 400] [--seed 1]

The GPU delegate and Core ML are not judged: no such device is here.
"""
import glob
import json
import multiprocessing
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from judge import DEMO, Judge
from random_operators import make_random_operator

FORMS = [["-w", "fp16"], ["-w", "linear-8"], ["-w", "linear-8-tensor"], ["-w", "linear-4"], ["-w", "linear-2"], ["-w", "linear-8", "--tflite-int8", "weight-only"],
         ["-w", "linear-4", "--tflite-int8", "weight-only"], ["-w", "linear-4", "--tflite-packed"]]


def find_taken(interpreter, count):
    """The operators inside the delegate's nodes, which come after the file's `count` operators and name only what goes in and out."""
    details = interpreter._get_ops_details()
    producer = {int(t): i for i, op in enumerate(details[:count]) for t in op["outputs"]}
    taken = set()
    for node in details[count:]:
        given = {int(t) for t in node["inputs"]}
        todo = [int(t) for t in node["outputs"]]
        while todo:
            tensor = todo.pop()
            index = producer.get(tensor)
            if index is None or index in taken or tensor in given:
                continue
            taken.add(index)
            todo += [int(t) for t in details[index]["inputs"] if int(t) >= 0 and int(t) not in given]
    return sorted(taken), len(details) - count


def find_dead(operators, outputs):
    """Operators that no output of the model depends on: what a delegate took of them cannot be seen."""
    producer = {int(t): i for i, op in enumerate(operators) for t in op["outputs"]}
    live, todo = set(), list(outputs)
    while todo:
        index = producer.get(int(todo.pop()))
        if index is not None and index not in live:
            live.add(index)
            todo += [int(t) for t in operators[index]["inputs"] if int(t) >= 0]
    return [i for i in range(len(operators)) if i not in live]


def fill_inputs(interpreter):
    for detail in interpreter.get_input_details():
        if detail["dtype"] is np.bytes_ or detail["dtype"] is np.str_:
            continue
        interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))


def ask_litert(path, pipe):
    answer = {}
    for name, resolver in (("xnnpack", OpResolverType.AUTO), ("builtin", OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)):
        try:
            interpreter = Interpreter(path, experimental_op_resolver_type=resolver, num_threads=1)
            count = len(interpreter._get_ops_details())
            interpreter.allocate_tensors()
            if name == "xnnpack":
                details = interpreter._get_ops_details()
                answer["dead"] = find_dead(details[:count], [d["index"] for d in interpreter.get_output_details()])
                answer["taken"], answer["partitions"] = find_taken(interpreter, count)
            fill_inputs(interpreter)
            interpreter.invoke()
            answer[name] = ""
        except Exception as error:  # LiteRT says in words of its own why a file does not run
            answer[name] = str(error).strip() or "refused"
    pipe.send(answer)


def run_litert(path):
    """In a process of its own, since LiteRT ends the process on some files."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=ask_litert, args=(path, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        return {"ended": True}
    finally:
        process.join()


def check_file(judge, path, is_random=False):
    """is_random: LiteRT may refuse the scales and sizes of a made-up operator; only what visionpress refuses is compared then."""
    ours = json.loads(judge.run("inspect", "--runtimes", "--json", "--quiet", path))
    theirs = run_litert(path)
    if "ended" in theirs:
        return  # LiteRT's own fault: no answer to compare with
    columns = {runtime["id"]: runtime for runtime in ours["runtimes"]}
    for name in ("xnnpack", "builtin"):
        says, does = columns[name]["refused_because"], theirs[name]
        agrees = not says or does if is_random else bool(says) == bool(does)
        assert agrees, f"{name}: visionpress says {says or 'it runs'!r}, LiteRT {does or 'runs it'!r}"
    if "taken" not in theirs:
        return
    dead = set(theirs["dead"])
    for index, row in enumerate(ours["operators"]):
        if index in dead:
            continue
        answer = row["runtimes"]["xnnpack"]
        says, does = answer["takes"] == "yes", index in theirs["taken"]
        assert says == does, (f"operator {index}, {row['type']} \"{row['name']}\": visionpress says {answer['takes']} ({answer['because']}), "
                              f"XNNPACK {'takes it' if does else 'leaves it'}")
    if not dead:
        assert columns["xnnpack"]["partitions"] == theirs["partitions"], (
            f"{columns['xnnpack']['partitions']} pieces, LiteRT makes {theirs['partitions']}")


def list_files(judge):
    folders = [DEMO]
    if judge.shared:
        folders += [os.path.join(judge.shared, "models"), os.path.join(judge.shared, "cases")]
    return sorted(path for folder in folders for path in glob.glob(os.path.join(folder, "**", "*.tflite"), recursive=True))


def try_compress(judge, path, form):
    """returns: the file in that form, or nothing where `compress` refuses."""
    try:
        return judge.compress(path, *form)
    except AssertionError:
        return None


def main():
    judge = Judge(__doc__, count=400, seed=1)
    for path in list_files(judge):
        label = os.path.basename(path)
        if judge.wants(label):
            judge.case(label, check_file, judge, path)
        for form in FORMS:
            name = f"{label} {' '.join(form[1:])}"
            written = try_compress(judge, path, form) if judge.wants(name) else None
            if written is not None:
                judge.case(name, check_file, judge, written)
                os.remove(written)
    for seed in range(judge.seed, judge.seed + judge.count):
        path = judge.path("random.tflite")
        name = f"random operator {seed}"
        if judge.wants(name):
            kind = make_random_operator(seed, path)
            judge.case(f"{name} {kind}", check_file, judge, path, True)
    judge.close()


if __name__ == "__main__":
    main()
