"""What the judges share: running the tool, counting verdicts, finding models and an image."""
import argparse
import os
import subprocess
import sys
import tempfile
import traceback

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(ROOT, "demo")


class Judge:
    def __init__(self, description, count=None, seed=None):
        """count, seed: of a judge of random cases, how many it judges where the command line does not say, and the first one's seed."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--tool", required=True, help="the visionpress program")
        parser.add_argument("--probe", default="", help="the program run_probe of the same build, where the judge runs tensors through it")
        parser.add_argument("--shared", default="", help="folder with models/ and data/; where absent only demo/ is judged")
        parser.add_argument("--only", default="", help="judge only the files whose name (as in \"demo linear-8 hybrid\") contains this")
        if count is not None:
            parser.add_argument("--count", type=int, default=count, help="how many random cases to judge")
            parser.add_argument("--seed", type=int, default=seed, help="of the first of them; the others follow")
        options = parser.parse_args()
        if count is not None:
            self.count, self.seed = options.count, options.seed
        self.tool, self.only = os.path.abspath(options.tool), options.only
        self.probe = os.path.abspath(options.probe) if options.probe else self.tool
        self.shared = options.shared if options.shared and os.path.isdir(os.path.join(options.shared, "models")) else None
        self.passed, self.failed = 0, []
        self._folder = tempfile.TemporaryDirectory(prefix="visionpress-judge-")
        self.folder = self._folder.name

    def wants(self, name):
        return self.only in name

    def case(self, name, check, *arguments):
        """Runs `check`; an AssertionError or any other exception is a failure of that case alone. returns: what it returned."""
        try:
            result = check(*arguments)
        except AssertionError as error:
            self.failed.append(name)
            print(f"FAILED {name}: {error}", flush=True)
            return None
        except Exception:  # the judged file may make a maker's tool throw anything
            self.failed.append(name)
            print(f"FAILED {name}:\n{traceback.format_exc()}", flush=True)
            return None
        self.passed += 1
        return result

    def run(self, *arguments):
        done = subprocess.run([self.tool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"visionpress {' '.join(arguments)} exits {done.returncode}: {done.stderr.strip()}"
        return done.stdout

    def path(self, name):
        return os.path.join(self.folder, name)

    def compress(self, model, *options):
        """returns: the path of the compressed copy."""
        extension = os.path.splitext(model)[1]
        out = self.path(f"written-{len(os.listdir(self.folder))}{extension}")
        self.run("compress", model, "-o", out, *options)
        return out

    def raw(self, model, image, *options):
        """returns: the paths of the tensor the network was given and of its first raw output."""
        stem = self.path(f"raw-{len(os.listdir(self.folder))}")
        self.run("predict", model, image, "--save-input", f"{stem}-in.npy", "--save-raw", f"{stem}-out.npy", *options)
        return f"{stem}-in.npy", f"{stem}-out.npy"

    def close(self):
        self._folder.cleanup()
        print(f"{self.passed} passed, {len(self.failed)} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def signal_to_noise(exact, other):
    """In decibels, over all elements."""
    exact, other = exact.astype(np.float64), other.astype(np.float64)
    noise = np.sum((exact - other) ** 2)
    return np.inf if noise == 0 else 10 * np.log10(np.sum(exact**2) / noise)


# name, options of compress, and what they may cost the reference detector's raw outputs, all weights decoded to float.
# Half weights round to 73.7 dB in each layer; in the first, on pixels of 0..255, that alone takes the outputs to 68 dB in any runtime.
NOISE_CASES = [("fp16, first and last kept", ["-w", "fp16", "--keep-first-last"], 75.0), ("linear-8", ["-w", "linear-8"], 54.0)]


def judge_noise(judge, label, model, images):
    for name, options, least in NOISE_CASES:
        if judge.wants(f"{label} noise {name}"):
            judge.case(f"{label} noise {name}", _check_noise, judge, model, options, least, images)


def _check_noise(judge, model, options, least, images):
    written = judge.compress(model, *options)
    exact, other = ([np.load(judge.raw(file, image, "--arithmetic", "float")[1]) for image in images] for file in (model, written))
    decibels = signal_to_noise(np.stack(exact), np.stack(other))
    os.remove(written)
    assert decibels >= least, f"{decibels:.1f} dB over {len(images)} images, {least} are asked for"


def demo_image(number=1):
    return os.path.join(DEMO, "images", f"scene-{number:02d}.jpg")
