"""A child process with its time and memory, and the figures over several of them."""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


class Ran:
    """One finished child: seconds of wall clock, peak bytes, what it printed."""

    def __init__(self, command):
        begin = time.perf_counter()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.seconds = time.perf_counter() - begin
            out.seek(0)
            self.text = out.read().decode()
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
        if child.returncode != 0:
            sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {command[0]} ended with {child.returncode}: {''.join(last)}\n"
                     f"{' '.join(map(str, command))}")
        self.peak = usage.ru_maxrss * 1024


def median(values):
    return statistics.median(values)


def spread(values):
    return f"{median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"
