"""Custom Vision's Python SDK 0.4.0 (training v2.2, prediction v2.0) does a notebook's work against the fake service of tests/fakes.

That generation has a default iteration in place of publishing. --tool names the fake: tests/fakes/custom_vision_service.py.
scripts/makers-env keeps it in a folder of its own, for it has the same modules as the current version.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(sys.prefix, "older"))
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import ImageFileCreateEntry, Region
from azure.cognitiveservices.vision.customvision.version import VERSION
from msrest.exceptions import HttpOperationError

from fake_service import PREDICTION_KEY, TRAINING_KEY, FakeService, check_package, data_sets, download, served
from judge import Judge


def refused(call, code):
    try:
        call()
    except HttpOperationError as error:
        assert error.response.json()["code"] == code, f"{code} is expected, found {error.response.text}"
        return
    raise AssertionError(f"{code} is expected, but the call was done")


def create(trainer, name, data):
    """returns: the project's id and {tag: id}."""
    domain = next(d for d in trainer.get_domains() if d.type == "ObjectDetection" and d.name == "General (compact)")
    project = trainer.create_project(name, domain_id=domain.id)
    assert (project.name, project.settings.domain_id) == (name, domain.id), project
    return project.id, {tag: trainer.create_tag(project.id, tag).id for tag in data.tags}


def upload(trainer, project_id, tags, data):
    """Twice: the second time all are duplicates, which this client's 200 carries."""
    for status in ("OK", "OKDuplicate"):
        for batch in data.batches():
            entries = [ImageFileCreateEntry(name=name, contents=data.read(name), regions=[Region(tag_id=tags[tag], **box)
                                                                                          for tag, box in data.images[name]]) for name in batch]
            summary = trainer.create_images_from_files(project_id, images=entries)
            assert {result.status for result in summary.images} == {status}, summary.images
            assert summary.is_batch_successful == (status == "OK"), summary
            assert [result.source_url for result in summary.images] == batch, summary.images
    listed = []
    while page := trainer.get_tagged_images(project_id, take=50, skip=len(listed)):
        listed += page
    assert len(listed) == len(data.images) and sum(len(image.regions) for image in listed) == sum(map(len, data.images.values()))


def train(trainer, project_id):
    """returns: the iteration, made the default."""
    iteration = trainer.train_project(project_id)
    while iteration.status != "Completed":
        assert iteration.status == "Training", iteration.status
        time.sleep(0.1)
        iteration = trainer.get_iteration(project_id, iteration.id)
    assert iteration.exportable and iteration.is_default is False, iteration
    refused(lambda: trainer.train_project(project_id), "BadRequestTrainingNotNeeded")
    return iteration


def predict(trainer, predictor, project_id, iteration, tags, data, answer):
    name = sorted(data.images)[0]
    refused(lambda: predictor.predict_image(project_id, data.read(name)), "NotFoundProjectDefaultIteration")
    assert trainer.update_iteration(project_id, iteration.id, name="default", is_default=True).is_default is True
    with served(data.folder) as url:
        for found in (predictor.predict_image(project_id, data.read(name)), predictor.predict_image_with_no_store(project_id, data.read(name)),
                      predictor.predict_image(project_id, data.read(name), iteration_id=iteration.id),
                      predictor.predict_image_url(project_id, url=f"{url}/{name}"),
                      predictor.predict_image_url_with_no_store(project_id, url=f"{url}/{name}")):
            one = found.predictions[0]
            assert (found.iteration, one.tag_name, one.tag_id, one.probability) == (
                iteration.id, answer["tagName"], tags[answer["tagName"]], answer["probability"]), found
            assert one.bounding_box.as_dict() == answer["boundingBox"], one.bounding_box


def export(trainer, project_id, iteration, data):
    for platform, flavor, model_file in (("CoreML", None, "model.mlmodel"), ("TensorFlow", None, "model.pb")):
        made = trainer.export_iteration(project_id, iteration.id, platform, flavor=flavor)
        while made.status == "Exporting":
            time.sleep(0.1)
            made = next(one for one in trainer.get_exports(project_id, iteration.id) if one.platform == platform)
        check_package(download(made.download_uri), data.tags, model_file)
    refused(lambda: trainer.export_iteration(project_id, iteration.id, "CoreML"), "BadRequestExportAlreadyInProgress")


def check_round(judge, name, data):
    answer = {"probability": 0.75, "tagName": data.tags[0], "boundingBox": {"left": 0.25, "top": 0.125, "width": 0.5, "height": 0.0625}}
    path = judge.path(f"{name}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({data.path(sorted(data.images)[0]): [answer]}, file)
    with FakeService(judge.tool, "--predictions", path, "--train-seconds", "0.5") as service:
        trainer, predictor = CustomVisionTrainingClient(TRAINING_KEY, service.endpoint), CustomVisionPredictionClient(PREDICTION_KEY, service.endpoint)
        project_id, tags = create(trainer, name, data)
        upload(trainer, project_id, tags, data)
        iteration = train(trainer, project_id)
        performance = trainer.get_iteration_performance(project_id, iteration.id)
        assert sorted(tag.name for tag in performance.per_tag_performance) == sorted(data.tags) and 0 < performance.precision <= 1, performance
        predict(trainer, predictor, project_id, iteration, tags, data, answer)
        export(trainer, project_id, iteration, data)
        trainer.delete_project(project_id)
        assert trainer.get_projects() == []


def main():
    judge = Judge(__doc__)
    assert VERSION == "0.4.0", f"this is version {VERSION} of the SDK"
    for name, data in data_sets(judge.shared).items():
        if judge.wants(name):
            judge.case(name, check_round, judge, name, data)
    judge.close()


if __name__ == "__main__":
    main()
