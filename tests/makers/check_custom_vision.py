"""Custom Vision's Python SDK 3.1.1 does a notebook's work against the fake service of tests/fakes: every step's answer is checked.

--tool names the fake: tests/fakes/custom_vision_service.py.
"""
import json
import time

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException as PredictionError
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException, ImageFileCreateBatch, ImageFileCreateEntry, ImageRegionCreateEntry, ImageUrlCreateBatch, ImageUrlCreateEntry, Region)
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import HttpOperationError

from fake_service import PREDICTION_KEY, PREDICTION_RESOURCE, TRAINING_KEY, FakeService, check_package, data_sets, download, served
from judge import Judge

TRUTH = [{"probability": 0.987654, "tagName": None, "boundingBox": {"left": 0.25, "top": 0.125, "width": 0.5, "height": 0.0625}}]


class Round:
    """A detector's project from its first call to its last."""

    def __init__(self, judge, service, name, data):
        self.judge, self.service, self.name, self.data = judge, service, name, data
        self.trainer = CustomVisionTrainingClient(service.endpoint, ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY}))
        self.predictor = CustomVisionPredictionClient(service.endpoint, ApiKeyCredentials(in_headers={"Prediction-key": PREDICTION_KEY}))
        self.trainer.config.retry_policy.policy.total = self.predictor.config.retry_policy.policy.total = 0  # what the service says counts
        self.project = self.iteration = None
        self.tags = {}

    def run(self):
        for step in (self.create, self.refuse_too_few_images, self.upload, self.upload_again, self.add_regions, self.list_images, self.train,
                     self.refuse_training_again, self.performance, self.publish, self.predict, self.quick_test, self.export,
                     self.refuse_export_again, self.wrong_key, self.leave):
            if self.judge.wants(f"{self.name} {step.__name__}"):
                self.judge.case(f"{self.name} {step.__name__}", step)

    def create(self):
        domains = self.trainer.get_domains()
        domain = next(d for d in domains if d.type == "ObjectDetection" and d.name == "General (compact)")
        assert domain.exportable and domain.enabled and "TensorFlow" in domain.exportable_platforms, domain
        assert domain.model_information.estimated_model_size_in_megabytes == 45, domain.model_information
        self.project = self.trainer.create_project(f"judge {self.name}", domain_id=domain.id, description="a & b")
        again = self.trainer.get_project(self.project.id)
        assert (again.name, again.description, again.settings.domain_id, again.status) == (
            f"judge {self.name}", "a & b", domain.id, "Succeeded"), again
        assert again.created.year >= 2020, again.created
        for name in self.data.tags:
            tag = self.trainer.create_tag(self.project.id, name)
            assert (tag.name, tag.type, tag.image_count) == (name, "Regular", 0), tag
            self.tags[name] = tag.id
        refused(lambda: self.trainer.create_tag(self.project.id, self.data.tags[0]), "BadRequestTagNameNotUnique")

    def refuse_too_few_images(self):
        refused(lambda: self.trainer.train_project(self.project.id), "BadRequestDetectionTrainingValidationFailed")

    def entry(self, name):
        regions = [Region(tag_id=self.tags[tag], **box) for tag, box in self.data.images[name]]
        return ImageFileCreateEntry(name=name, contents=self.data.read(name), regions=regions)

    def upload(self):
        regions = 0
        for batch in self.data.batches():
            summary = self.trainer.create_images_from_files(self.project.id, ImageFileCreateBatch(images=[self.entry(name) for name in batch]))
            assert summary.is_batch_successful and len(summary.images) == len(batch), summary
            for name, result in zip(batch, summary.images):
                assert (result.status, result.source_url) == ("OK", f'"{name}"'), result
                assert len(result.image.regions) == len(self.data.images[name]) and result.image.width > 0, result.image
                regions += len(result.image.regions)
        assert regions == sum(len(boxes) for boxes in self.data.images.values())
        too_many = [self.entry(self.data.batches()[0][0])] * 65
        try:
            self.trainer.create_images_from_files(self.project.id, ImageFileCreateBatch(images=too_many))
        except CustomVisionErrorException as error:
            assert error.error.code == "BadRequestExceededBatchSize", error
        else:
            raise AssertionError("65 images in a batch were taken")

    def upload_again(self):
        name = self.data.batches()[0][0]
        bad = ImageFileCreateEntry(name="not an image", contents=b"plain text", regions=[])
        out = self.entry(self.data.batches()[0][1])
        out.contents = out.contents + b"\0"  # other bytes, so not a duplicate
        out.regions = [Region(tag_id=self.tags[self.data.tags[0]], left=0.8, top=0.1, width=0.4, height=0.1)]
        summary = self.trainer.create_images_from_files(self.project.id, ImageFileCreateBatch(images=[self.entry(name), bad, out]))
        assert [result.status for result in summary.images] == ["OKDuplicate", "ErrorImageFormat", "ErrorInvalidRegion"], summary.images
        assert not summary.is_batch_successful and summary.images[0].image.id and summary.images[1].image is None

    def add_regions(self):
        image = self.trainer.get_tagged_images(self.project.id, take=1)[0]
        region = image.regions[0]
        same = ImageRegionCreateEntry(image_id=image.id, tag_id=region.tag_id, left=region.left, top=region.top, width=region.width, height=region.height)
        new = ImageRegionCreateEntry(image_id=image.id, tag_id=region.tag_id, left=0.5, top=0.5, width=0.25, height=0.125)
        summary = self.trainer.create_image_regions(self.project.id, [same, new])
        assert (len(summary.created), len(summary.duplicated), len(summary.exceeded)) == (1, 1, 0), summary
        assert (summary.created[0].left, summary.created[0].image_id) == (0.5, image.id), summary.created[0]
        self.trainer.delete_image_regions(self.project.id, [summary.created[0].region_id])

    def list_images(self):
        count = len(self.data.images)
        assert self.trainer.get_tagged_image_count(self.project.id) == count and self.trainer.get_untagged_image_count(self.project.id) == 0
        listed = []
        while page := self.trainer.get_images(self.project.id, take=20, skip=len(listed), tagging_status="Tagged"):
            listed += page
        assert len({image.id for image in listed}) == count
        for tag in self.trainer.get_tags(self.project.id):
            assert tag.image_count == sum(any(name == tag.name for name, _ in boxes) for boxes in self.data.images.values()), tag
        with served(self.data.folder) as url:
            name = self.data.batches()[0][0]
            entries = [ImageUrlCreateEntry(url=f"{url}/{name}"), ImageUrlCreateEntry(url=f"{url}/absent.jpg")]
            summary = self.trainer.create_images_from_urls(self.project.id, ImageUrlCreateBatch(images=entries))
        assert [(one.status, one.source_url) for one in summary.images] == [
            ("OKDuplicate", f"{url}/{name}"), ("ErrorSource", f"{url}/absent.jpg")], summary.images
        summary = self.trainer.create_images_from_data(self.project.id, self.data.read(name))
        assert summary.images[0].status == "OKDuplicate", summary.images

    def train(self):
        iteration = self.trainer.train_project(self.project.id)
        assert iteration.status == "Training" and not iteration.exportable, iteration
        refused(lambda: self.trainer.train_project(self.project.id), "BadRequestTrainingAlreadyInProgress")
        refused(lambda: self.trainer.get_iteration_performance(self.project.id, iteration.id), "BadRequestIterationIsNotTrained")
        while iteration.status != "Completed":
            time.sleep(0.1)
            iteration = self.trainer.get_iteration(self.project.id, iteration.id)
        assert iteration.exportable and "CoreML" in iteration.exportable_to and iteration.training_type == "Regular", iteration
        assert [one.id for one in self.trainer.get_iterations(self.project.id)] == [iteration.id]
        self.iteration = self.trainer.update_iteration(self.project.id, iteration.id, "the first")
        assert self.iteration.name == "the first", self.iteration

    def refuse_training_again(self):
        error = refused(lambda: self.trainer.train_project(self.project.id), "BadRequestTrainingNotNeeded")
        assert error.message == "Nothing changed since last training", error.message

    def performance(self):
        result = self.trainer.get_iteration_performance(self.project.id, self.iteration.id, threshold=0.5, overlap_threshold=0.3)
        assert sorted(tag.name for tag in result.per_tag_performance) == sorted(self.data.tags), result
        assert all(0 < value <= 1 for value in (result.precision, result.recall, result.average_precision)), result

    def publish(self):
        refused(lambda: self.trainer.publish_iteration(self.project.id, self.iteration.id, "a name", "no resource id"),
                "BadRequestInvalidPublishTarget")
        assert self.trainer.publish_iteration(self.project.id, self.iteration.id, "a name", PREDICTION_RESOURCE) is True
        assert self.trainer.get_iteration(self.project.id, self.iteration.id).publish_name == "a name"

    def predict(self):
        first, second = sorted(self.data.images)[:2]
        with served(self.data.folder) as url:
            answers = [self.predictor.detect_image(self.project.id, "a name", self.data.read(first)),
                       self.predictor.detect_image_with_no_store(self.project.id, "a name", self.data.read(first)),
                       self.predictor.detect_image_url(self.project.id, "a name", f"{url}/{first}"),
                       self.predictor.detect_image_url_with_no_store(self.project.id, "a name", f"{url}/{first}")]
        for answer in answers:
            assert (answer.project, answer.iteration) == (self.project.id, self.iteration.id), answer
            assert len(answer.predictions) == 1, answer.predictions
            found, expected = answer.predictions[0], TRUTH[0]
            assert (found.probability, found.tag_name, found.tag_id) == (expected["probability"], self.data.tags[0], self.tags[self.data.tags[0]]), found
            box = {name: getattr(found.bounding_box, name) for name in expected["boundingBox"]}
            assert box == expected["boundingBox"], box
        made_up = [self.predictor.detect_image(self.project.id, "a name", self.data.read(second)) for _ in range(2)]
        assert made_up[0].predictions[0].as_dict() == made_up[1].predictions[0].as_dict() and made_up[0].id != made_up[1].id
        refused(lambda: self.predictor.detect_image(self.project.id, "no such name", self.data.read(first)), "NotFoundIteration", PredictionError)
        refused(lambda: self.predictor.classify_image(self.project.id, "a name", self.data.read(first)), "BadRequest", PredictionError)
        refused(lambda: self.predictor.detect_image(self.project.id, "a name", b"no image"), "BadRequestImageFormat", PredictionError)

    def quick_test(self):
        answer = self.trainer.quick_test_image(self.project.id, self.data.read(sorted(self.data.images)[0]), iteration_id=self.iteration.id)
        assert answer.predictions[0].tag_name == self.data.tags[0], answer

    def export(self):
        for platform, flavor, model_file in (("TensorFlow", None, "model.pb"), ("TensorFlow", "TensorFlowLite", "model.tflite"),
                                             ("CoreML", None, "model.mlmodel"), ("ONNX", None, "model.onnx")):
            made = self.trainer.export_iteration(self.project.id, self.iteration.id, platform, flavor=flavor)
            assert (made.platform, made.flavor, made.status, made.download_uri) == (platform, flavor, "Exporting", None), made
            while made.status == "Exporting":
                time.sleep(0.1)
                made = next(one for one in self.trainer.get_exports(self.project.id, self.iteration.id)
                            if (one.platform, one.flavor) == (platform, flavor))
            assert made.status == "Done", made
            check_package(download(made.download_uri), self.data.tags, model_file)

    def refuse_export_again(self):
        refused(lambda: self.trainer.export_iteration(self.project.id, self.iteration.id, "CoreML", flavor=""), "BadRequestExportAlreadyInProgress")

    def wrong_key(self):
        stranger = CustomVisionTrainingClient(self.service.endpoint, ApiKeyCredentials(in_headers={"Training-key": "wrong"}))
        try:
            stranger.get_projects()
        except (CustomVisionErrorException, HttpOperationError) as error:
            assert error.response.status_code == 401 and "error" in error.response.json(), error.response.text
        else:
            raise AssertionError("a wrong key was taken")

    def leave(self):
        refused(lambda: self.trainer.delete_iteration(self.project.id, self.iteration.id), "BadRequestIterationIsPublished")
        self.trainer.unpublish_iteration(self.project.id, self.iteration.id)
        self.trainer.delete_project(self.project.id)
        assert self.project.id not in [project.id for project in self.trainer.get_projects()]


def check_classifier(service, data):
    """A classifier's project, from its first call to a published prediction. Every image gets the tag of its first region."""
    trainer = CustomVisionTrainingClient(service.endpoint, ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY}))
    predictor = CustomVisionPredictionClient(service.endpoint, ApiKeyCredentials(in_headers={"Prediction-key": PREDICTION_KEY}))
    domain = next(d for d in trainer.get_domains() if d.type == "Classification" and d.name == "General (compact)")
    project = trainer.create_project("classifier", domain_id=domain.id, classification_type="Multiclass")
    assert project.settings.classification_type == "Multiclass", project.settings
    tags = {name: trainer.create_tag(project.id, name).id for name in data.tags}
    for batch in data.batches():
        entries = [ImageFileCreateEntry(name=name, contents=data.read(name), tag_ids=[tags[data.images[name][0][0]]]) for name in batch]
        assert trainer.create_images_from_files(project.id, ImageFileCreateBatch(images=entries)).is_batch_successful
    iteration = trainer.train_project(project.id)
    while iteration.status == "Training":
        time.sleep(0.1)
        iteration = trainer.get_iteration(project.id, iteration.id)
    assert (iteration.status, iteration.classification_type) == ("Completed", "Multiclass"), iteration
    trainer.publish_iteration(project.id, iteration.id, "a/b", PREDICTION_RESOURCE)
    image = data.read(sorted(data.images)[1])
    for answer in (predictor.classify_image(project.id, "a/b", image), predictor.classify_image_with_no_store(project.id, "a/b", image)):
        assert sorted(one.tag_name for one in answer.predictions) == sorted(data.tags), answer.predictions
        assert all(one.bounding_box is None and 0 < one.probability < 1 for one in answer.predictions), answer.predictions


def refused(call, code, kind=CustomVisionErrorException):
    """That `call` is refused with this code. returns: the service's error."""
    try:
        call()
    except kind as error:
        assert error.error.code == code and error.error.message, f"{code} is expected, found {error.error.code}: {error.error.message}"
        return error.error
    raise AssertionError(f"{code} is expected, but the call was done")


def main():
    judge = Judge(__doc__)
    for name, data in data_sets(judge.shared).items():
        predictions = judge.path(f"{name}.json")
        with open(predictions, "w", encoding="utf-8") as file:
            json.dump({data.path(sorted(data.images)[0]): [{**TRUTH[0], "tagName": data.tags[0]}]}, file)
        with FakeService(judge.tool, "--predictions", predictions, "--train-seconds", "1") as service:
            Round(judge, service, name, data).run()
            judge.case(f"{name} classifier", check_classifier, service, data)
    judge.close()


if __name__ == "__main__":
    main()
