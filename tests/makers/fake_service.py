"""What the judges with Custom Vision's SDKs share: the fake service as a process, data sets, an exported package read back."""
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import urllib.request
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from judge import DEMO

TRAINING_KEY, PREDICTION_KEY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
PREDICTION_RESOURCE = "/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/fake-Prediction"


class FakeService:
    """The fake in a process of its own. A context manager."""

    def __init__(self, program, *options):
        environment = {**os.environ, "FAKE_TRAINING_KEY": TRAINING_KEY, "FAKE_PREDICTION_KEY": PREDICTION_KEY}
        self._process = subprocess.Popen([sys.executable, program, "--port", "0", *options], env=environment, stdout=subprocess.PIPE, text=True)
        self.endpoint = self._process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def state(self):
        with urllib.request.urlopen(self.endpoint + "/__state", timeout=10) as answer:
            return json.load(answer)


class DataSet:
    """A COCO data set as the notebook uploads it: per image the regions, normalised; those under a tenth of a side left out."""

    def __init__(self, annotations, folder):
        with open(annotations, encoding="utf-8") as file:
            document = json.load(file)
        self.folder = folder
        self.tags = [category["name"] for category in document["categories"]]
        names = {category["id"]: category["name"] for category in document["categories"]}
        self.images = {image["file_name"]: [] for image in document["images"]}
        sizes = {image["id"]: image for image in document["images"]}
        for annotation in document["annotations"]:
            image = sizes[annotation["image_id"]]
            left, top, width, height = (value / image[side] for value, side in zip(annotation["bbox"], ("width", "height") * 2))
            left, top = max(left, 0), max(top, 0)
            if width >= 0.1 and height >= 0.1:
                box = {"left": left, "top": top, "width": min(width, 1 - left), "height": min(height, 1 - top)}
                self.images[image["file_name"]].append((names[annotation["category_id"]], box))
        self.images = {name: regions for name, regions in self.images.items() if regions}

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def batches(self, size=50):
        names = sorted(self.images)
        return [names[at : at + size] for at in range(0, len(names), size)]


def data_sets(shared):
    """returns: {name: DataSet}."""
    found = {"demo": DataSet(os.path.join(DEMO, "annotations.json"), os.path.join(DEMO, "images"))}
    pets = os.path.join(shared or "", "data", "pets")
    if shared and os.path.isdir(pets):
        found["pets"] = DataSet(os.path.join(pets, "instances_val2017_cat_dog.json"), os.path.join(pets, "images"))
    return found


def download(uri):
    """returns: the zip, opened. No key goes along."""
    with urllib.request.urlopen(uri, timeout=30) as answer:
        return zipfile.ZipFile(io.BytesIO(answer.read()))


def check_package(package, tags, model_file):
    """That manifest, labels and model file of an exported package agree with each other and with the project."""
    manifest = json.loads(package.read("cvexport.manifest"))
    assert manifest["ModelFileName"] == model_file, manifest
    assert hashlib.sha1(package.read(model_file)).hexdigest() == manifest["ModelFileSHA1"], "the SHA-1 is of another file"
    labels = package.read(manifest["LabelFileName"]).decode().split()
    assert labels == sorted(tags), labels
    assert manifest["DomainType"] == "ObjectDetection", manifest


@contextlib.contextmanager
def served(folder, host="127.0.0.1"):
    """Serves a folder on an address of this machine, loopback. Yields its url."""
    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((host, 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def predictions_of(answer):
    """The predictions of an SDK's ImagePrediction, as plain data: [{probability, tag, box or None}]."""
    sides = ("left", "top", "width", "height")
    return [{"probability": one.probability, "tag": one.tag_name,
             "box": one.bounding_box and {side: getattr(one.bounding_box, side) for side in sides}} for one in answer.predictions]
