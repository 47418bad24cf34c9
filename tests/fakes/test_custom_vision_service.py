#!/usr/bin/env python3
"""The fake's own test: what the SDKs of tests/makers do not reach, that is limits, faults, the log, keys. Standard library only."""
import base64
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zlib
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
TRAINING, PREDICTION = {"Training-Key": "a-training-key"}, {"Prediction-Key": "a-prediction-key"}
DETECTOR, CLASSIFIER = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b", "0732100f-1a38-4e49-a514-c9b44c697ab5"
RESOURCE = quote("/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a")


def png(number, width=300, height=200):
    """A PNG of which only the header is read; each number has bytes of its own."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + zlib.crc32(header).to_bytes(4, "big") + f"image {number}".encode()


class Fake:
    def __init__(self, *options):
        environment = {**os.environ, "FAKE_TRAINING_KEY": "a-training-key", "FAKE_PREDICTION_KEY": "a-prediction-key"}
        command = [sys.executable, os.path.join(HERE, "custom_vision_service.py"), "--train-seconds", "0", "--export-seconds", "0", *options]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().split()[-1]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def call(self, method, path, body=None, headers=None, version="v3.3", area="training"):
        """`body`: a document or bytes. returns: (status, headers, document or bytes)."""
        if not path.startswith("http"):
            path = f"{self.base}/customvision/{version}/{area}/{path}"
        headers = dict({"training": TRAINING, "prediction": PREDICTION}[area] if headers is None else headers)
        data = body
        if isinstance(body, dict):
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        elif body is not None:
            headers["Content-Type"] = "application/octet-stream"
        try:
            answer = urllib.request.urlopen(urllib.request.Request(path, data, headers, method=method), timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            content = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers, json.loads(content) if is_json else content

    def state(self):
        return self.call("GET", self.base + "/__state", headers={})[2]

    def project(self, domain=DETECTOR, tags=("cat",)):
        """returns: the project's path and its tags' ids."""
        status, _, project = self.call("POST", f"projects?name=p&domainId={domain}")
        assert status == 200, project
        path = f"projects/{project['id']}"
        return path, [self.call("POST", f"{path}/tags?name={tag}")[2]["id"] for tag in tags]


def entry(number, tag=None, **more):
    regions = [{"tagId": tag, "left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}] if tag else []
    return {"name": f"{number}.png", "contents": base64.b64encode(png(number)).decode(), "regions": regions, **more}


class FakeTest(unittest.TestCase):
    def fake(self, *options):
        fake = Fake(*options)
        self.addCleanup(fake.close)
        return fake

    def refused(self, answer, status, code):
        self.assertEqual((answer[0], answer[2].get("code")), (status, code), answer[2])
        self.assertTrue(answer[2]["message"])

    def statuses(self, answer):
        return [image["status"] for image in answer[2]["images"]]

    def test_a_key_is_asked_for_and_the_gateway_has_an_error_shape_of_its_own(self):
        fake = self.fake()
        for headers in ({}, {"Training-Key": "wrong"}, PREDICTION):
            status, _, document = fake.call("GET", "projects", headers=headers)
            self.assertEqual((status, document["error"]["code"]), (401, "401"))
        self.assertEqual(fake.call("GET", "projects", headers={"Ocp-Apim-Subscription-Key": "a-training-key"})[0], 200)

    def test_versions_and_routes_that_are_not_there_are_not_found(self):
        fake = self.fake()
        for path, version in (("projects", "v9.9"), ("nowhere", "v3.3")):
            self.assertEqual(fake.call("GET", path, version=version)[0], 404)
        self.assertEqual(fake.call("GET", "domains", version="v2.2")[0], 200)

    def test_limits_of_a_batch_are_kept(self):
        fake = self.fake()
        path, tags = fake.project(tags=[f"tag{number}" for number in range(21)])
        self.refused(fake.call("POST", path + "/images/files", {"images": [entry(n) for n in range(65)]}), 400, "BadRequestExceededBatchSize")
        self.refused(fake.call("POST", path + "/images/files", {"images": [entry(1)], "tagIds": tags}), 400, "BadRequestImageTags")
        self.refused(fake.call("POST", path + "/images/files", {"images": []}), 400, "BadRequestImageBatch")
        self.refused(fake.call("POST", path + "/images/files", {"images": [entry(1)], "metadata": {str(n): "" for n in range(11)}}), 400,
                     "BadRequestImageMetadataKey")
        self.assertEqual(fake.call("POST", path + "/images/files", {"images": [entry(n) for n in range(64)], "tagIds": tags[:20]})[0], 200)

    def test_each_image_of_a_batch_has_a_status_of_its_own(self):
        fake = self.fake()
        path, (tag,) = fake.project()
        many = [{"tagId": tag, "left": n / 400, "top": 0, "width": 0.1, "height": 0.1} for n in range(301)]
        outside = [{"tagId": tag, "left": 0.6, "top": 0, "width": 0.5, "height": 0.1}]
        wide = base64.b64encode(png(7, width=5200, height=200)).decode()
        large = base64.b64encode(png(8) + bytes(6 << 20)).decode()
        images = [entry(1, tag), entry(2, contents=base64.b64encode(b"text").decode()), entry(3, regions=many), entry(4, regions=outside),
                  entry(5, "no such tag"), entry(1, tag), entry(7, contents=wide), entry(8, contents=large)]
        answer = fake.call("POST", path + "/images/files", {"images": images})
        self.assertEqual(self.statuses(answer), ["OK", "ErrorImageFormat", "ErrorRegionLimitExceed", "ErrorInvalidRegion", "ErrorInvalidTag",
                                                 "OKDuplicate", "ErrorImageDimensions", "ErrorImageSize"])
        self.assertEqual((answer[0], answer[2]["isBatchSuccessful"]), (207, False))
        self.assertEqual(answer[2]["images"][0]["image"]["id"], answer[2]["images"][5]["image"]["id"])
        self.assertEqual((fake.state()["images"], fake.state()["regions"]), (1, 1))

    def test_training_asks_for_15_images_a_tag_of_a_detector_and_5_of_a_classifier(self):
        for domain, tags, least, code in ((DETECTOR, ["a"], 15, "Detection"), (CLASSIFIER, ["a", "b"], 5, "MultiClassClassification")):
            fake = self.fake()
            path, ids = fake.project(domain, tags)
            for count in (least - 1, least):
                images = [entry(f"{tag} {n}", tag) if domain == DETECTOR else entry(f"{tag} {n}", tagIds=[tag]) for tag in ids for n in range(count)]
                fake.call("POST", path + "/images/files", {"images": images})
                answer = fake.call("POST", path + "/train")
                if count < least:
                    self.refused(answer, 400, f"BadRequest{code}TrainingValidationFailed")
            self.assertEqual(answer[0], 200)
            self.refused(fake.call("POST", path + "/train"), 400, "BadRequestTrainingNotNeeded")
            self.assertEqual(fake.call("POST", path + "/train?forceTrain=true")[2]["name"], "Iteration 2")

    def trained(self, fake):
        """returns: the path of a project with a trained iteration, and the iteration's."""
        path, (tag,) = fake.project()
        fake.call("POST", path + "/images/files", {"images": [entry(n, tag) for n in range(15)]})
        iteration = fake.call("POST", path + "/train")[2]
        return path, f"{path}/iterations/{iteration['id']}"

    def test_a_training_can_be_told_to_fail(self):
        fake = self.fake("--train", "failed")
        path, iteration = self.trained(fake)
        self.assertEqual(fake.call("GET", iteration)[2]["status"], "Failed")
        self.refused(fake.call("POST", iteration + "/export?platform=CoreML"), 400, "BadRequestIterationIsNotTrained")
        self.assertEqual(fake.call("POST", path + "/train")[0], 200)  # a failed training counts as none

    def test_an_export_can_be_told_to_fail(self):
        fake = self.fake("--export", "failed")
        _, iteration = self.trained(fake)
        fake.call("POST", iteration + "/export?platform=CoreML")
        self.assertEqual(fake.call("GET", iteration + "/export")[2][0]["status"], "Failed")

    def test_storage_hands_a_package_to_its_signature_and_refuses_a_key(self):
        fake = self.fake()
        _, iteration = self.trained(fake)
        fake.call("POST", iteration + "/export?platform=TensorFlow&flavor=TensorFlowLite")
        uri = fake.call("GET", iteration + "/export")[2][0]["downloadUri"]
        status, _, whole = fake.call("GET", uri, headers={})
        self.assertEqual((status, whole[:2]), (200, b"PK"))
        status, headers, rest = fake.call("GET", uri, headers={"Range": "bytes=10-"})
        self.assertEqual((status, headers["Content-Range"], rest), (206, f"bytes 10-{len(whole) - 1}/{len(whole)}", whole[10:]))
        self.assertEqual(fake.call("GET", uri, headers=TRAINING)[0], 403)
        self.assertEqual(fake.call("GET", uri.replace("sig=", "sig=0"), headers={})[0], 403)
        self.assertEqual(fake.state()["keysSentToStorage"], 1)

    def test_in_a_virtual_network_a_package_is_an_artifact(self):
        fake = self.fake("--relative-downloads")
        path, iteration = self.trained(fake)
        fake.call("POST", iteration + "/export?platform=ONNX")
        uri = fake.call("GET", iteration + "/export")[2][0]["downloadUri"]
        self.assertNotIn("://", uri)
        self.assertEqual(fake.call("GET", f"{path}/artifacts?path={quote(uri)}")[2][:2], b"PK")

    def test_a_given_model_goes_into_the_packages_of_its_extension(self):
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "mine.tflite")
            with open(model, "wb") as file:
                file.write(b"these bytes and no others")
            fake = self.fake("--model", model)
            _, iteration = self.trained(fake)
            fake.call("POST", iteration + "/export?platform=TensorFlow&flavor=TensorFlowLite")
            uri = fake.call("GET", iteration + "/export")[2][0]["downloadUri"]
            package = os.path.join(folder, "package.zip")
            urllib.request.urlretrieve(uri, package)
            listed = subprocess.run([sys.executable, "-m", "zipfile", "-e", package, folder], check=True, capture_output=True)
            self.assertEqual(listed.returncode, 0)
            with open(os.path.join(folder, "model.tflite"), "rb") as file:
                self.assertEqual(file.read(), b"these bytes and no others")

    def test_a_prediction_takes_no_more_than_4_megabytes(self):
        fake = self.fake()
        path, iteration = self.trained(fake)
        fake.call("POST", f"{iteration}/publish?publishName=a&predictionId={RESOURCE}")
        url = f"{path.split('/')[1]}/detect/iterations/a/image"
        self.assertEqual(fake.call("POST", url, png(1), version="v3.1", area="prediction")[0], 200)
        self.refused(fake.call("POST", url, png(1) + bytes(4 << 20), version="v3.1", area="prediction"), 400, "BadRequestImageSizeBytes")

    def test_too_many_calls_are_told_when_to_come_again(self):
        fake = self.fake("--fail", "429=1", "--retry-after", "7")
        status, headers, document = fake.call("GET", "domains")
        self.assertEqual((status, headers["Retry-After"], document["error"]["code"]), (429, "7", "429"))
        self.assertIn("retry after 7 second(s)", document["error"]["message"])
        self.assertEqual(fake.state()["requestsBeforeRetryAfter"], 0)
        fake.call("GET", "domains")
        self.assertEqual(fake.state()["requestsBeforeRetryAfter"], 1)

    def test_a_500_does_nothing(self):
        fake = self.fake("--fail", "500=1")
        self.refused(fake.call("POST", "projects?name=p"), 500, "ErrorUnknown")
        self.assertEqual((fake.state()["projects"], fake.state()["faults"]), (0, {"500": 1}))

    def test_connections_are_cut_before_after_and_within_an_answer(self):
        for kind, done in (("cut-before", 0), ("cut-after", 1), ("cut-body", 1)):
            fake = self.fake("--fail", f"{kind}=1")
            with self.assertRaises((http.client.HTTPException, urllib.error.URLError, ConnectionError), msg=kind):
                fake.call("POST", "projects?name=p")
            self.assertEqual((fake.state()["projects"], fake.state()["unanswered"]), (done, 1), kind)

    def test_a_slow_answer_comes(self):
        fake = self.fake("--fail", "slow=1", "--slow-seconds", "0.3")
        began = time.monotonic()
        self.assertEqual(fake.call("GET", "domains")[0], 200)
        self.assertGreater(time.monotonic() - began, 0.29)

    def test_some_images_of_a_partial_batch_are_not_stored(self):
        fake = self.fake("--fail", "partial=1")
        path, _ = fake.project()
        answer = fake.call("POST", path + "/images/files", {"images": [entry(n) for n in range(60)]})
        failed = self.statuses(answer).count("ErrorStorage")
        self.assertTrue(0 < failed < 60)
        self.assertEqual((answer[0], fake.state()["images"], self.statuses(answer).count("OK")), (207, 60 - failed, 60 - failed))

    def test_only_an_image_whose_storing_was_answered_counts_as_sent_again(self):
        fake = self.fake()
        path, _ = fake.project()
        for _ in range(2):
            fake.call("POST", path + "/images/files", {"images": [entry(1)]})
        self.assertEqual((fake.state()["sentAgainAfterAnswer"], fake.state()["duplicateUploads"]), (1, 1))

    def test_the_same_seed_draws_the_same_faults_and_ids(self):
        def run():
            fake = self.fake("--seed", "5", "--fail", "429=0.5", "--retry-after", "0")
            return [fake.call("POST", f"projects?name={number}")[2].get("id") for number in range(20)]
        first = run()
        self.assertEqual(first, run())
        self.assertTrue(any(first) and not all(first))

    def test_the_log_has_every_request_and_no_key_or_signature(self):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            fake = self.fake("--log", log)
            _, iteration = self.trained(fake)
            fake.call("POST", iteration + "/export?platform=CoreML")
            fake.call("GET", fake.call("GET", iteration + "/export")[2][0]["downloadUri"], headers={})
            with open(log, encoding="utf-8") as file:
                text = file.read()
            self.assertEqual(len(text.splitlines()), fake.state()["requests"])
            self.assertIn("/train 200\n", text)
            self.assertIn("sig=...", text)
            self.assertNotRegex(text, "a-training-key|sig=[0-9a-f]")

    def test_a_key_outside_its_header_is_counted(self):
        fake = self.fake()
        fake.call("GET", "projects?subscription-key=a-training-key")
        self.assertEqual(fake.state()["keysMisplaced"], 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])  # run_judge adds options, which are the judges'
