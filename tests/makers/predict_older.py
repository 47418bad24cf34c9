"""Predicts with Custom Vision's Python SDK 0.4.0 (route v2.0) and prints the predictions as JSON; a program of its own, since this
version and the current one have the same modules.

usage: predict_older.py ENDPOINT IMAGE [URL]
prints: {call: [{probability, tag, box or null}]}
"""
import json
import os
import sys
import uuid

sys.path.insert(0, os.path.join(sys.prefix, "older"))
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.version import VERSION

from fake_service import PREDICTION_KEY, predictions_of

assert VERSION == "0.4.0", f"this is version {VERSION} of the SDK"
endpoint, image, *urls = sys.argv[1:]
predictor, project, iteration = CustomVisionPredictionClient(PREDICTION_KEY, endpoint), str(uuid.uuid4()), str(uuid.uuid4())
with open(image, "rb") as file:
    content = file.read()
answers = {
    "v2.0 image": predictor.predict_image(project, content),
    "v2.0 image of an iteration": predictor.predict_image(project, content, iteration_id=iteration, application="judge"),
    "v2.0 image/nostore": predictor.predict_image_with_no_store(project, content),
}
for url in urls:
    answers["v2.0 url"] = predictor.predict_image_url(project, url=url)
    answers["v2.0 url/nostore"] = predictor.predict_image_url_with_no_store(project, url=url)
for name, answer in answers.items():
    assert answer.project == project and answer.created is not None and answer.id, f"{name}: {answer}"
assert answers["v2.0 image of an iteration"].iteration == iteration, answers["v2.0 image of an iteration"]
print(json.dumps({name: predictions_of(answer) for name, answer in answers.items()}))
