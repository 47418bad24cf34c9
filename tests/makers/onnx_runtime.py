"""ONNX Runtime for the judges and benches: in a folder of its own, since its releases change more often than the makers' tools."""
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "peers"
PINS = ["onnxruntime==1.22.1", "flatbuffers==25.12.19", "coloredlogs==15.0.1", "humanfriendly==10.0"]


def load():
    """returns: the module; installs it first where it is missing."""
    if not (FOLDER / "onnxruntime").is_dir():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", FOLDER, *PINS], check=True)
    # Behind the others: it comes without what it needs, which the makers have.
    sys.path.append(str(FOLDER))
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime
