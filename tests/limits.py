#!/usr/bin/env python3
"""Every command under limits of memory and threads: done, or exit 5 with a word; no signal, no exit 1.

Exit 1 says that a result misses --max-drop, and a script would believe it. Memory is limited as
`ulimit -v` does it, in steps from what the program needs to begin with; threads as `ulimit -u`, as
another user where the superuser runs this, since no limit holds for him.
usage: limits.py TOOL DEMO   exits: 0 all right, 1 not
"""

import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile

NOBODY = 65534
MEGABYTE = 1 << 20
# Input, output and usage are other things than too little memory, but a file that cannot be mapped
# or a library's own word for it may show so: only these are never right.
NEVER = {1: "says that a result misses --max-drop"}


def list_commands(demo):
    model = "model.tflite"
    return {
        "inspect": ["inspect", model],
        "compress": ["compress", model, "-w", "linear-8", "-o", "out.tflite", "--force"],
        "compress fp16": ["compress", "model.mlmodel", "-w", "fp16", "-o", "out.mlmodel", "--force"],
        "predict": ["predict", model, "scene.jpg"],
        "evaluate": ["evaluate", model, "--data", "annotations.json", "--images", str(demo / "images"), "--max-images", "2"],
        "experiment": ["experiment", model, "--data", "annotations.json", "--images", str(demo / "images"), "--max-images", "2", "-o", "results"],
        "convert": ["convert", "graph.pb", "-o", "made.tflite", "--force"],
        "convert large": ["convert", "large.pb", "--input-size", "64x64", "-o", "made.tflite", "--force"],
        "help": ["--help"],
    }


def run(tool, arguments, folder, memory=None, processes=None):
    def limit():
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if processes is not None:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))

    return subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True,
                          preexec_fn=limit, timeout=120)


def judge(done, what):
    """A fault, or None."""
    code = done.returncode
    last = done.stderr.strip().splitlines()[-1:] or [""]
    if code < 0 or code > 128:
        return f"{what}: ended by signal {abs(code)}: {last[0]}"
    if code in NEVER:
        return f"{what}: exit {code} {NEVER[code]}: {last[0]}"
    # Before main the loader ends a program with 127 where it cannot map the libraries.
    if code not in (0, 127) and not last[0]:
        return f"{what}: exit {code} without a word"
    return None


def find_least(tool, folder):
    """The smallest limit, in megabytes, under which the program says its version."""
    low, high = 1, 4096
    while high - low > 1:
        middle = (low + high) // 2
        if run(tool, ["--version"], folder, memory=middle * MEGABYTE).returncode == 0:
            high = middle
        else:
            low = middle
    return high


def main():
    tool, demo = os.path.realpath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    faults, codes = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o777)
        for file in ("model/model.tflite", "model/model.mlmodel", "model/labels.txt", "annotations.json"):
            shutil.copy(demo / file, folder)
        shutil.copy(demo / "images" / "scene-01.jpg", folder / "scene.jpg")
        shutil.copy(demo / "classifier" / "model.pb", folder / "graph.pb")
        shared = pathlib.Path(os.environ.get("VP_SHARED", demo.parent.parent / "shared"))
        commands = list_commands(demo)
        if (shared / "models/other/starry_night.pb").exists():
            shutil.copy(shared / "models/other/starry_night.pb", folder / "large.pb")
        else:
            del commands["convert large"]
        for command, arguments in commands.items():
            done = run(tool, arguments, folder)
            assert done.returncode == 0, f"{command} without limits: exit {done.returncode}: {done.stderr}"
        least = find_least(tool, folder)
        # Of threads: none besides the first, then a few; a user may have others running.
        trials = [(f"{least + more} MB", {"memory": (least + more) * MEGABYTE}) for more in (0, 2, 6, 16, 40, 90)]
        trials += [(f"{count} processes", {"processes": count}) for count in (0, 1, 2, 3)]
        for what, limits in trials:
            for command, arguments in commands.items():
                for path in ("results", "out.tflite", "out.mlmodel", "made.tflite"):
                    shutil.rmtree(folder / path, ignore_errors=True)
                    (folder / path).unlink(missing_ok=True)
                done = run(tool, arguments, folder, **limits)
                codes[done.returncode] = codes.get(done.returncode, 0) + 1
                fault = judge(done, f"{command} with {what}")
                if fault:
                    faults.append(fault)
    for fault in faults:
        print(fault)
    print(f"{sum(codes.values())} runs, exits {dict(sorted(codes.items()))}, {len(faults)} faults")
    sys.exit(1 if faults or len(codes) < 2 else 0)


if __name__ == "__main__":
    main()
