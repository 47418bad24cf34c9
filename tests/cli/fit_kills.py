#!/usr/bin/env python3
"""Kills `fit` at many moments: no half of a result appears, and the same command goes on to the file that one run gives."""
import argparse
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("demo", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = folder / "model.mlmodel"
        shutil.copy(options.demo / "model" / "model.mlmodel", model)

        def command(output):
            return [options.tool, "fit", str(model), "--max-drop", "3", "--candidates", "3", "--data", str(options.demo / "annotations.json"), "-o",
                    str(folder / output), "-q"]

        begin = time.monotonic()
        whole = subprocess.run(command("whole.mlmodel"), capture_output=True, text=True)
        seconds = time.monotonic() - begin
        assert whole.returncode == 0, whole.stderr
        kept = 0
        for kill in range(options.kills):
            process = subprocess.Popen(command("parts.mlmodel"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(seconds * (kill + 1) / (options.kills + 1))
                break  # what was kept made it faster than the first run
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            assert not (folder / "parts.mlmodel").exists(), "a result of a killed run"
            work = folder / "parts.mlmodel.work"
            kept = max(kept, len(list(work.glob("candidate-*"))) if work.exists() else 0)
        if not (folder / "parts.mlmodel").exists():
            last = subprocess.run(command("parts.mlmodel"), capture_output=True, text=True)
            assert last.returncode == 0, last.stderr
            assert last.stdout.replace("parts.mlmodel", "whole.mlmodel") == whole.stdout, f"{last.stdout}\nexpected\n{whole.stdout}"
        assert (folder / "parts.mlmodel").read_bytes() == (folder / "whole.mlmodel").read_bytes(), "another file than one run gives"
        assert sorted(path.name for path in folder.iterdir()) == ["model.mlmodel", "parts.mlmodel", "whole.mlmodel"], "something is left behind"
        print(f"killed {options.kills} times; {kept} candidates were kept meanwhile")


if __name__ == "__main__":
    main()
