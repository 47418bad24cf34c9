"""Custom Vision's Python SDKs, 3.1.1 and 0.4.0, predict against `visionpress serve`: each route gives what `visionpress predict` gives."""
import json
import os
import re
import subprocess
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "fakes"))
import public_network  # noqa: E402

FAR = public_network.enter()  # before other modules start threads; false: addresses cannot be judged

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import HttpOperationError

from fake_service import PREDICTION_KEY, predictions_of, served
from judge import DEMO, Judge, demo_image

CUT = 0.1  # answers above this probability are compared
NEAR = 1e-3  # of the image's sides and of probabilities


class Endpoint:
    """`visionpress serve` in a process of its own. A context manager."""

    def __init__(self, tool, model, *options):
        environment = {**os.environ, "VISIONPRESS_SERVE_KEYS": PREDICTION_KEY}
        self._process = subprocess.Popen([tool, "serve", model, "--port", "0", *options], stdout=subprocess.PIPE, text=True, env=environment)
        line = self._process.stdout.readline()
        found = re.search(r"http://[\w.]+:\d+", line)
        assert found, f"serve prints no address: {line!r}"
        self.url = found.group()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        code = self._process.wait(30)
        self._process.stdout.close()
        assert code == 0, f"serve ends with {code}"

    def client(self, version, key=PREDICTION_KEY):
        predictor = CustomVisionPredictionClient(self.url, ApiKeyCredentials(in_headers={"Prediction-key": key}))
        predictor.config.base_url = predictor._client.config.base_url = f"{{Endpoint}}/customvision/{version}/prediction"
        predictor.config.retry_policy.policy.total = 0
        return predictor


def expected_of(judge, model, image):
    """returns: [{probability, tag, box}] of `visionpress predict`, boxes in shares of the image and cut to it."""
    found = json.loads(judge.run("predict", model, image, "--json", "--probability", str(CUT / 2), "--top", "1000"))["images"][0]
    result = []
    for one in found["predictions"]:
        box = one.get("box")
        if box:
            right, bottom = min(box["left"] + box["width"], found["width"]), min(box["top"] + box["height"], found["height"])
            left, top = max(box["left"], 0), max(box["top"], 0)
            box = {"left": left / found["width"], "top": top / found["height"],
                   "width": (right - left) / found["width"], "height": (bottom - top) / found["height"]}
        result.append({"probability": one["probability"], "tag": one["tag"], "box": box})
    return result


def distance(one, other):
    if one["tag"] != other["tag"] or (one["box"] is None) != (other["box"] is None):
        return 1.0
    sides = [abs(one["box"][side] - other["box"][side]) for side in one["box"]] if one["box"] else []
    return max([abs(one["probability"] - other["probability"]), *sides])


def compare(name, found, expected):
    """That each prediction above CUT has its like on the other side. returns: the largest distance."""
    worst = 0.0
    for ones, others, which in ((found, expected, "serve's"), (expected, found, "predict's")):
        for one in ones:
            if one["probability"] > CUT:
                nearest = min((distance(one, other) for other in others), default=1.0)
                assert nearest <= NEAR, f"{name}: {which} {one} is {nearest} from its nearest"
                worst = max(worst, nearest)
    assert any(one["probability"] > CUT for one in expected), f"{name}: nothing to compare"
    assert [one["probability"] for one in found] == sorted((one["probability"] for one in found), reverse=True), f"{name}: out of order"
    return worst


def check_answer(answer, project):
    assert answer.project == project and answer.id and answer.created is not None, answer
    assert all(uuid.UUID(one.tag_id) and one.tag_type == "Regular" for one in answer.predictions), answer.predictions


def check_routes(judge, endpoint, verb, version, model, image, url):
    predictor, project, expected = endpoint.client(version), str(uuid.uuid4()), expected_of(judge, model, image)
    with open(image, "rb") as file:
        content = file.read()
    worst = 0.0
    calls = [("image", content), ("image_with_no_store", content)]
    if FAR:
        calls += [("image_url", url), ("image_url_with_no_store", url)]
    for ending, body in calls:
        answer = getattr(predictor, f"{verb}_{ending}")(project, "a name/with all", body, application="judge")
        check_answer(answer, project)
        worst = max(worst, compare(f"{version} {verb}_{ending}", predictions_of(answer), expected))
    return worst


def check_older(judge, endpoint, model, image, url):
    addresses = [url] if FAR else []
    done = subprocess.run([sys.executable, os.path.join(HERE, "predict_older.py"), endpoint.url, image, *addresses], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip()
    expected = expected_of(judge, model, image)
    answers = json.loads(done.stdout)
    assert len(answers) == (5 if FAR else 3), answers
    return max(compare(name, found, expected) for name, found in answers.items())


def check_container(judge, endpoint, verb, model, image, url):
    """The routes of a Docker export: an application that asks a container has no path before the project."""
    predictor, project, expected = endpoint.client("v3.1"), str(uuid.uuid4()), expected_of(judge, model, image)
    predictor.config.base_url = predictor._client.config.base_url = "{Endpoint}"
    with open(image, "rb") as file:
        content = file.read()
    worst = 0.0
    for ending, body in (("image", content), ("image_with_no_store", content), ("image_url", url))[:3 if FAR else 2]:
        answer = getattr(predictor, f"{verb}_{ending}")(project, "a name", body)
        assert answer.created is not None and answer.id == answer.project == answer.iteration == "", answer
        worst = max(worst, compare(f"container's {verb}_{ending}", predictions_of(answer), expected))
    return worst


def check_refusals(endpoint, verb):
    """That this SDK understands what serve says of a body that is no image and of a url with nothing behind it."""
    predictor, project = endpoint.client("v3.1"), str(uuid.uuid4())
    for call in (lambda: getattr(predictor, f"{verb}_image")(project, "a", b"no image"),
                 lambda: getattr(predictor, f"{verb}_image_url")(project, "a", "http://127.0.0.1:1/absent.jpg")):
        try:
            call()
        except CustomVisionErrorException as error:
            assert error.error.code.startswith("BadRequestImage") and error.error.message, error.error
            assert error.response.status_code == 400, error.response.status_code
        else:
            raise AssertionError("it was answered")


def check_key(endpoint, verb, image):
    with open(image, "rb") as file:
        content = file.read()
    assert getattr(endpoint.client("v3.1"), f"{verb}_image")(str(uuid.uuid4()), "a", content).predictions
    try:
        getattr(endpoint.client("v3.1", key="wrong"), f"{verb}_image")(str(uuid.uuid4()), "a", content)
    except (CustomVisionErrorException, HttpOperationError) as error:
        assert error.response.status_code == 401, error.response.status_code
    else:
        raise AssertionError("a wrong key was taken")


def judge_model(judge, label, verb, model, image):
    host = public_network.ADDRESS if FAR else "127.0.0.1"
    with served(os.path.dirname(image), host) as folder, Endpoint(judge.tool, model, "--allow-url") as endpoint:
        url = f"{folder}/{os.path.basename(image)}"
        worst = [judge.case(f"{label} {version}", check_routes, judge, endpoint, verb, version, model, image, url) for version in ("v3.0", "v3.1")]
        worst.append(judge.case(f"{label} v2.0", check_older, judge, endpoint, model, image, url))
        worst.append(judge.case(f"{label} container", check_container, judge, endpoint, verb, model, image, url))
        judge.case(f"{label} refusals", check_refusals, endpoint, verb)
        judge.case(f"{label} key", check_key, endpoint, verb, image)
        print(f"{label}: largest distance to predict", max((one for one in worst if one is not None), default="none"))


def main():
    judge = Judge(__doc__)
    for kind, verb in (("model", "detect"), ("classifier", "classify")):
        for extension in ("tflite", "mlmodel"):
            if judge.wants(f"demo {kind} {extension}"):
                judge_model(judge, f"demo {kind} {extension}", verb, os.path.join(DEMO, kind, f"model.{extension}"), demo_image())
    if judge.shared and judge.wants("reference detector"):
        image = os.path.join(judge.shared, "data", "pets", "images", "000000001675.jpg")
        judge_model(judge, "reference detector", "detect", os.path.join(judge.shared, "models", "reference-detector", "model.tflite"), image)
    judge.close()


if __name__ == "__main__":
    main()
