#!/usr/bin/env python3
"""`visionpress cloud` goes the whole way (create, upload, train, publish, performance, export, predict, delete) against the fake service
of tests/fakes while it fails in every way it can: nothing may be lost, nothing done twice, no key may be seen.

usage: round_trip.py --tool VISIONPRESS [--shared FOLDER] [--seed N]
Takes the pets of FOLDER, where they are, else the demo's scenes. Standard library only.
"""
import argparse
import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAKE = os.path.join(ROOT, "tests", "fakes", "custom_vision_service.py")
RESOURCE = "/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/fake-Prediction"
# Of every 100 calls 5 fail in each way; batches are few, so nearly all are partial. A slow answer comes after the client's patience.
FAULTS = ["429=0.05", "500=0.05", "cut=0.05", "slow=0.05", "partial=0.9"]


class Truth:
    """What must be in the project in the end: {SHA-1 of an image: its regions}, and what the service is told to answer."""

    def __init__(self, annotations, folder, seed):
        with open(annotations, encoding="utf-8") as file:
            document = json.load(file)
        self.annotations, self.folder = annotations, folder
        tags = {category["id"]: category["name"] for category in document["categories"]}
        self.tags = sorted(tags.values())
        images = {image["id"]: image for image in document["images"]}
        self.regions = {}
        for annotation in document["annotations"]:
            image = images[annotation["image_id"]]
            left, top, width, height = (value / image[side] for value, side in zip(annotation["bbox"], ("width", "height") * 2))
            if not annotation.get("iscrowd"):
                region = (tags[annotation["category_id"]], left, top, width, height)
                self.regions.setdefault(image["file_name"], []).append(region)
        self.digests = {name: self.digest(name) for name in self.regions}
        rng = random.Random(seed)
        self.answers = {os.path.join(folder, image["file_name"]): [self._answer(rng) for _ in range(rng.randrange(1, 4))]
                        for image in images.values()}
        self.images = len(images)

    def _answer(self, rng):
        left, top = rng.uniform(0, 0.5), rng.uniform(0, 0.5)
        return {"probability": round(rng.uniform(0.01, 1), 6), "tagName": rng.choice(self.tags),
                "boundingBox": {"left": left, "top": top, "width": rng.uniform(0.1, 0.5), "height": rng.uniform(0.1, 0.5)}}

    def digest(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return hashlib.sha1(file.read()).hexdigest()


class Trip:
    def __init__(self, tool, truth, folder, seed):
        self.tool, self.truth, self.folder = os.path.abspath(tool), truth, folder
        rng = random.Random(f"keys {seed}")
        self.keys = [f"{rng.getrandbits(128):032x}" for _ in range(2)]
        self.log, self.said = os.path.join(folder, "log"), ""
        answers, model = os.path.join(folder, "answers.json"), os.path.join(folder, "given.tflite")
        with open(answers, "w", encoding="utf-8") as file:
            json.dump(truth.answers, file)
        self.model = rng.randbytes(100_000)
        with open(model, "wb") as file:
            file.write(self.model)
        options = ["--seed", str(seed), "--train-seconds", "2", "--export-seconds", "1", "--slow-seconds", "4", "--log", self.log,
                   "--model", model, "--predictions", answers]
        for fault in FAULTS:
            options += ["--fail", fault]
        environment = {**os.environ, "FAKE_TRAINING_KEY": self.keys[0], "FAKE_PREDICTION_KEY": self.keys[1]}
        self.fake = subprocess.Popen([sys.executable, FAKE, *options], env=environment, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.fake.stdout.readline().split()[-1]

    def close(self):
        self.fake.terminate()
        self.fake.wait(10)
        self.fake.stdout.close()

    def cloud(self, *arguments):
        """returns: what `visionpress cloud` prints."""
        environment = {**os.environ, "VISIONPRESS_CV_ENDPOINT": self.endpoint, "VISIONPRESS_CV_TRAINING_KEY": self.keys[0],
                       "VISIONPRESS_CV_PREDICTION_KEY": self.keys[1]}
        done = subprocess.run([self.tool, "cloud", *arguments, "--timeout", "2"], env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        self.said += done.stdout + done.stderr
        assert done.returncode == 0, f"visionpress cloud {' '.join(arguments)} exits {done.returncode}: {done.stderr.strip()}"
        return done.stdout

    def state(self):
        with urllib.request.urlopen(self.endpoint + "/__state", timeout=10) as answer:
            return json.load(answer)

    def get(self, url):
        """Asks the fake itself, until it does not fail. returns: the body."""
        request = urllib.request.Request(url, headers={"Training-Key": self.keys[0]})
        for _ in range(50):
            with contextlib.suppress(OSError, http.client.HTTPException):  # refusals, cut connections, half a body
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.read()
        raise AssertionError(f"no answer after 50 requests for {url}")

    def get_json(self, path):
        return json.loads(self.get(f"{self.endpoint}/customvision/v3.3/training/{path}"))

    def go(self):
        truth = self.truth
        self.cloud("create", "round trip")
        self.cloud("upload", "--data", truth.annotations, "--images", truth.folder, "--project", "round trip")
        self.cloud("train", "--project", "round trip")
        self.cloud("publish", "--project", "round trip", "--name", "a name", "--resource", RESOURCE)
        self.cloud("performance", "--project", "round trip")
        self.cloud("export", "--project", "round trip", "--platform", "TensorFlow", "--flavor", "TensorFlowLite", "-o", "package.zip")
        self.cloud("predict", "--project", "round trip", "--published", "a name", "--data", truth.annotations, "--images", truth.folder,
                   "--save-predictions", "predictions.json")
        self.check_counts(self.state())
        self.check_images()
        self.check_package()
        self.check_predictions()
        self.cloud("publish", "--project", "round trip", "--undo")  # what is published is not deleted
        self.cloud("delete", "--project", "round trip", "--yes")
        assert self.state()["projects"] == 0, self.state()
        self.check_keys()

    def check_counts(self, state):
        regions = sum(map(len, self.truth.regions.values()))
        expected = {"projects": 1, "tags": len(self.truth.tags), "images": len(self.truth.regions), "regions": regions, "iterations": 1,
                    "trainings": 1, "published": 1, "exports": 1}
        found = {name: state[name] for name in expected}
        assert found == expected, f"the service has {found}, expected {expected}"
        for name in ("sentAgainAfterAnswer", "requestsBeforeRetryAfter", "keysMisplaced", "keysSentToStorage", "storedPredictions"):
            assert state[name] == 0, f"{name} is {state[name]}"
        assert all(state["faults"].values()), f"a fault never came: {state['faults']}"
        self.summary = f"{state['requests']} requests, {state['unanswered']} unanswered, faults {state['faults']}"

    def check_images(self):
        """Each image, by its content, with its very regions."""
        project = self.get_json("projects")[0]["id"]
        names = {digest: name for name, digest in self.truth.digests.items()}
        listed = []
        while page := self.get_json(f"projects/{project}/images/tagged?take=256&skip={len(listed)}"):
            listed += page
        assert len(listed) == len(names), f"{len(listed)} images are listed, {len(names)} expected"
        for image in listed:
            name = names.pop(hashlib.sha1(self.get(image["originalImageUri"])).hexdigest())
            found = sorted((region["tagName"], *(region[side] for side in ("left", "top", "width", "height"))) for region in image["regions"])
            expected = sorted(self.truth.regions[name])
            assert len(found) == len(expected), f"{name} has {len(found)} regions, {len(expected)} expected"
            for one, other in zip(found, expected):
                assert one[0] == other[0] and all(abs(a - b) < 1e-5 for a, b in zip(one[1:], other[1:])), f"{name} has {one}, expected {other}"
        assert not names, f"not there: {sorted(names.values())}"

    def check_package(self):
        with zipfile.ZipFile(os.path.join(self.folder, "package.zip")) as package:
            assert package.read("model.tflite") == self.model, "the package has another model file"
            assert package.read("labels.txt").decode().split() == self.truth.tags, package.read("labels.txt")

    def check_predictions(self):
        """Each image has the very answers that were given for it: tag, probability, box."""
        with open(self.truth.annotations, encoding="utf-8") as file:
            document = json.load(file)
        images = {image["id"]: image for image in document["images"]}
        tags = {category["id"]: category["name"] for category in document["categories"]}
        left_over = {os.path.basename(name): list(answers) for name, answers in self.truth.answers.items()}
        with open(os.path.join(self.folder, "predictions.json"), encoding="utf-8") as file:
            for one in json.load(file):
                image = images[one["image_id"]]
                name, sides = os.path.basename(image["file_name"]), ("width", "height") * 2
                box = [value / image[side] for value, side in zip(one["bbox"], sides)]
                matching = [given for given in left_over[name] if given["tagName"] == tags[one["category_id"]]
                            and abs(given["probability"] - one["score"]) < 2e-6
                            and all(abs(given["boundingBox"][side] - value) < 1e-4 for side, value in zip(("left", "top", "width", "height"), box))]
                assert matching, f"a prediction of {name} was never given: {one}"
                left_over[name].remove(matching[0])
        assert not any(left_over.values()), f"answers that are not saved: {left_over}"

    def check_keys(self):
        with open(self.log, encoding="utf-8") as file:
            seen = {"the service's log": file.read(), "what the commands print": self.said}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    seen[os.path.join(folder, name)] = file.read().decode(errors="replace")
        for place, text in seen.items():
            assert not any(key in text for key in self.keys), f"a key is in {place}"
        signature = re.search(r"sig=[0-9a-f]{32}", self.said)
        assert signature is None, "a download's signature is in what the commands print"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--shared", default="")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pets = os.path.join(options.shared, "data", "pets")
    demo = os.path.join(ROOT, "demo")
    if os.path.isdir(pets):
        truth = Truth(os.path.join(pets, "instances_val2017_cat_dog.json"), os.path.join(pets, "images"), options.seed)
    else:
        truth = Truth(os.path.join(demo, "annotations.json"), os.path.join(demo, "images"), options.seed)
    with tempfile.TemporaryDirectory(prefix="visionpress-round-trip-") as folder:
        trip = Trip(options.tool, truth, folder, options.seed)
        try:
            trip.go()
        finally:
            trip.close()
        print(f"{len(truth.regions)} images, {trip.summary}")


if __name__ == "__main__":
    main()
