#!/usr/bin/env python3
"""A fake of Microsoft's Custom Vision: its training and prediction REST service, with everything in memory, for tests.

It keeps the documented limits, answers with the documented error shapes, and can be told to fail. It does not learn: predictions come
from a file (--predictions) or are made up out of the image's SHA-1, the same each time; performance is made up out of tag names.

Training:   /customvision/{v2.0 .. v2.2, v3.0 .. v3.3, v3.4-preview}/training
Prediction: /customvision/{v2.0, v3.0, v3.1}/prediction
GET /__state: counts as JSON, for tests (see custom_vision_state.py `summary` and `Service.state` here).

Keys are taken from FAKE_TRAINING_KEY and FAKE_PREDICTION_KEY (by default "fake-training-key", "fake-prediction-key").
Needs Python 3.10 and its standard library only. Prints `listening on http://127.0.0.1:PORT`, then serves until it is ended.

Faults (--fail KIND=RATE, RATE a share of calls, the rates together at most 1):
  429         refused, with Retry-After and the gateway's text; nothing is done
  500         refused with the service's error; nothing is done
  cut-before  the connection is closed before anything is done
  cut-after   all is done, and the connection is closed without an answer
  cut-body    all is done, and the connection is closed in the middle of the answer's body
  cut         one of the three above
  slow        all is done, and the answer waits --slow-seconds
  partial     (of uploads only, drawn apart) about a third of the batch's images are refused with ErrorStorage
"""
import argparse
import hashlib
import json
import os
import random
import re
import select
import socket
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from custom_vision_state import MAX_UPLOAD_BYTES, Refusal, State, Upload, bad, file_uploads, read_answers, url_uploads

TRAINING_VERSIONS = ("v2.0", "v2.1", "v2.2", "v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
PREDICTION_VERSIONS = ("v2.0", "v3.0", "v3.1")
KEY_HEADERS = ("training-key", "prediction-key", "ocp-apim-subscription-key")
FAULTS = ("429", "500", "cut", "cut-before", "cut-after", "cut-body", "slow", "partial")
MAX_BODY = 1 << 30


class Faults:
    """Draws which calls fail. Safe for threads; the same seed and order of calls draw the same."""

    def __init__(self, seed, rates):
        self._random = random.Random(f"faults {seed}")
        self._lock = threading.Lock()
        self.rates = rates
        self.counts = {kind: 0 for kind in rates}

    def draw(self):
        """returns: the kind of fault of the next call, or None."""
        with self._lock:
            at = self._random.random()
            for kind, rate in self.rates.items():
                if kind == "partial":
                    continue
                if at < rate:
                    self.counts[kind] += 1
                    return self._random.choice(("cut-before", "cut-after", "cut-body")) if kind == "cut" else kind
                at -= rate
            return None

    def partial(self):
        """returns: a function that says of each image of a batch whether it is to be refused."""
        with self._lock:
            if self._random.random() >= self.rates.get("partial", 0):
                return lambda: False
            self.counts["partial"] += 1
            return lambda: self._random.random() < 1 / 3


class Call:
    """One request to a route: what was asked, and what it stored."""

    def __init__(self, version, query, headers, body, base):
        self.version, self.query, self.headers, self.body, self.base = version, query, headers, body, base
        self.fetched = {}  # url -> bytes, or None where it could not be had
        self.stored = None  # (project id, SHA-1s) of images that the answer calls stored

    def json(self):
        try:
            document = json.loads(self.body) if self.body else {}
        except ValueError as error:
            raise bad("BadRequest", "The body is not JSON") from error
        if not isinstance(document, dict):
            raise bad("BadRequest", "The body is not a JSON object")
        return document

    def images(self):
        """The images of a multipart or octet-stream body."""
        kind = self.headers.get("Content-Type", "")
        if not kind.lower().startswith("multipart/form-data"):
            return [self.body] if self.body else []
        boundary = re.search(r'boundary="?([^";]+)"?', kind)
        if boundary is None:
            raise bad("BadRequestImageStream", "The multipart body names no boundary")
        parts = self.body.split(b"--" + boundary.group(1).encode())[1:-1]
        images = []
        for part in parts:
            head, _, content = part.partition(b"\r\n\r\n")
            if b'name="imagedata"' in head.lower() or b"name=imagedata" in head.lower():
                images.append(content[: -len(b"\r\n")])
        return images

    def fetch_urls(self):
        document = self.json()
        for url in [document.get("url"), *(entry.get("url") for entry in document.get("images") or [])]:
            if url:
                self.fetched[url] = fetch(url)


def fetch(url):
    """returns: the bytes, at most one more than an upload may have; None where they could not be had."""
    if urlsplit(url).scheme not in ("http", "https"):
        return None
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read(MAX_UPLOAD_BYTES + 1)
    except (OSError, ValueError):
        return None


class Service:
    """Routes calls to the state, under one lock."""

    def __init__(self, state, faults, training_key, prediction_key, retry_after=1):
        self.state, self.faults, self.retry_after = state, faults, retry_after
        self.keys = {"training": training_key, "prediction": prediction_key}
        self.lock = threading.RLock()
        self.not_before = {}  # (method, path, SHA-1 of the body) -> when the client was told to come again
        self.counts = {"requests": 0, "requestsBeforeRetryAfter": 0, "keysMisplaced": 0, "keysSentToStorage": 0, "unanswered": 0}

    def summary(self):
        with self.lock:
            return {**self.state.summary(), **self.counts, "faults": self.faults.counts}

    def route(self, method, area, rest, call):
        """returns: (status, document); a document of bytes is sent as it is. Raises Refusal."""
        path = [unquote(part) for part in rest.strip("/").split("/")]
        if method == "POST" and {"url", "urls"} & set(path[-2:]):
            call.fetch_urls()
        with self.lock:
            found = self._training(method, path, call) if area == "training" else self._prediction(method, path, call)
            if found is None:
                raise Refusal(404, None, "Resource not found")
            return found

    # Training routes. Each returns (status, document), or None where there is no such route.

    def _training(self, method, path, call):
        state = self.state
        match method, path:
            case "GET", ["domains"]:
                return 200, state.domains(call.version)
            case "GET", ["domains", domain_id]:
                return 200, state.domain(domain_id, call.version)
            case "GET", ["projects"]:
                return 200, [state.project_json(project, call.version) for project in state.projects.values()]
            case "POST", ["projects"]:
                return 200, state.project_json(state.create_project(call.query), call.version)
            case _, ["projects", project_id]:
                return self._project(method, state.project(project_id), call)
            case _, ["projects", project_id, "tags", *rest]:
                return self._tags(method, state.project(project_id), rest, call)
            case _, ["projects", project_id, "images", *rest]:
                return self._images(method, state.project(project_id), rest, call)
            case "POST", ["projects", project_id, "train"]:
                project = state.project(project_id)
                return 200, state.iteration_json(project, state.train(project, call.query, call.json()), call.version)
            case _, ["projects", project_id, "iterations", *rest]:
                return self._iterations(method, state.project(project_id), rest, call)
            case "GET", ["projects", project_id, "artifacts"] if call.version >= "v3.2":
                state.project(project_id)
                package = state.packages.get(call.query.get("path", ""))
                if package is None:
                    raise bad("BadRequestInvalidArtifactUri", "No artifact of this path")
                return 200, package[1]
            case "POST", ["projects", project_id, "quicktest", ("image" | "url") as form]:
                return self._quick_test(state.project(project_id), form, call)
        return None

    def _project(self, method, project, call):
        if method == "GET":
            return 200, self.state.project_json(project, call.version)
        if method == "PATCH":
            return 200, self.state.project_json(self.state.update_project(project, call.json()), call.version)
        if method == "DELETE":
            self.state.delete_project(project)
            return 204, None
        return None

    def _tags(self, method, project, rest, call):
        state = self.state
        match method, rest:
            case "GET", []:
                return 200, [state.tag_json(project, tag) for tag in project.tags.values()]
            case "POST", []:
                return 200, state.tag_json(project, state.create_tag(project, call.query))
            case "GET", [tag_id]:
                return 200, state.tag_json(project, state.tag(project, tag_id))
            case "DELETE", [tag_id]:
                state.delete_tag(project, state.tag(project, tag_id))
                return 204, None
        return None

    def _images(self, method, project, rest, call):
        state = self.state
        match method, rest:
            case "POST", ["files"]:
                body = call.json()
                return self._upload(project, file_uploads(body), body.get("metadata") or {}, call)
            case "POST", ["urls"]:
                body = call.json()
                return self._upload(project, url_uploads(body, call.fetched), body.get("metadata") or {}, call)
            case "POST", []:
                tag_ids = [tag_id for tag_id in call.query.get("tagIds", "").split(",") if tag_id]
                return self._upload(project, [Upload(None, content, tag_ids, []) for content in call.images()], {}, call)
            case "DELETE", []:
                state.delete_images(project, call.query)
                return 204, None
            case "POST", ["regions"]:
                return 200, state.create_regions(project, call.json())
            case "DELETE", ["regions"]:
                state.delete_regions(project, call.query)
                return 204, None
            case "POST", ["tags"]:
                return 200, state.create_image_tags(project, call.json())
            case "GET", ["id"]:
                ids = call.query.get("imageIds", "").split(",")
                return 200, [state.image_json(project, project.images[image_id], call.version, call.base)
                             for image_id in ids if image_id in project.images]
            case "GET", [("tagged" | "untagged") as which]:
                return self._image_list(project, which == "tagged", call)
            case "GET", [("tagged" | "untagged") as which, "count"]:
                return 200, len(state.select_images(project, call.query, which == "tagged"))
            case "GET", [] if call.version >= "v3.3":
                return self._image_list(project, {"Tagged": True, "Untagged": False}.get(call.query.get("taggingStatus")), call)
            case "GET", ["count"] if call.version >= "v3.3":
                return 200, len(state.select_images(project, call.query, None))
        return None

    def _image_list(self, project, tagged, call):
        images = self.state.page(self.state.select_images(project, call.query, tagged), call.query)
        return 200, [self.state.image_json(project, image, call.version, call.base) for image in images]

    def _upload(self, project, uploads, metadata, call):
        """The service calls a batch with duplicates not successful: github.com/Azure-Samples/cognitive-services-python-sdk-samples,
        issue 98. v2.x answers 200 in any case: github.com/microsoft/Cognitive-CustomVision-Windows, issue 20; the SDK 0.4.0 takes nothing else.
        """
        results = self.state.upload(project, uploads, metadata, self.faults.partial())
        call.stored = (project.id, [upload.digest for upload, status, _ in results if status.startswith("OK")])
        quoted = not call.version.startswith("v2")
        successful = all(status == "OK" for _, status, _ in results)
        images = [{"sourceUrl": f'"{upload.name}"' if quoted and upload.name and upload.name not in call.fetched else upload.name,
                   "status": status, "image": self.state.image_json(project, image, call.version, call.base) if image else None}
                  for upload, status, image in results]
        return 200 if successful or not quoted else 207, {"isBatchSuccessful": successful, "images": images}

    def _iterations(self, method, project, rest, call):
        state = self.state
        if method == "GET" and not rest:
            return 200, [state.iteration_json(project, iteration, call.version) for iteration in project.iterations.values()]
        if not rest:
            return None
        iteration = state.iteration(project, rest[0])
        match method, rest[1:]:
            case "GET", []:
                return 200, state.iteration_json(project, iteration, call.version)
            case "PATCH", []:
                state.update_iteration(project, iteration, call.json(), call.version)
                return 200, state.iteration_json(project, iteration, call.version)
            case "DELETE", []:
                state.delete_iteration(project, iteration)
                return 204, None
            case "POST", ["publish"] if call.version >= "v3":
                return 200, state.publish(project, iteration.id, call.query)
            case "DELETE", ["publish"] if call.version >= "v3":
                state.unpublish(iteration)
                return 204, None
            case "GET", ["performance"]:
                return 200, state.performance(project, iteration.id, call.query)
            case "POST", ["export"]:
                return 200, state.export_json(project, iteration, state.export(project, iteration.id, call.query), call.base)
            case "GET", ["export"]:
                return 200, [state.export_json(project, iteration, made, call.base) for made in iteration.exports]
        return None

    def _quick_test(self, project, form, call):
        iteration = self.state.default_iteration(project, call.query.get("iterationId"))
        return 200, self._predict(project, iteration, form, call, call.query.get("store", "true").lower() == "true")

    # Prediction routes.

    def _prediction(self, method, path, call):
        stored = path[-1] != "nostore"
        if method != "POST":
            return None
        match path if stored else path[:-1]:
            case [project_id, ("detect" | "classify") as verb, "iterations", name, ("image" | "url") as form] if call.version >= "v3":
                project = self.state.project(project_id)
                kind = "ObjectDetection" if verb == "detect" else "Classification"
                return 200, self._predict(project, self.state.published(project, name, kind), form, call, stored)
            case [project_id, ("image" | "url") as form] if call.version < "v3":
                project = self.state.project(project_id)
                iteration = self.state.default_iteration(project, call.query.get("iterationId"))
                return 200, self._predict(project, iteration, form, call, stored)
        return None

    def _predict(self, project, iteration, form, call, stored):
        if form == "url":
            content = call.fetched.get(call.json().get("url"))
        else:
            images = call.images()
            if len(images) != 1:
                raise bad("BadRequestImageStream", f"One image is asked for, {len(images)} were sent")
            content = images[0]
        return self.state.predict(project, iteration, content, stored)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    service = log_file = None
    slow_seconds = 0.5
    log_lock = threading.Lock()

    def handle_any(self):
        url = urlsplit(self.path)
        body = self.read_body()
        if url.path == "/__state":
            self.send(200, {"Content-Type": "application/json"}, json.dumps(self.service.summary(), indent=2).encode())
            return
        self.watch_client(url, body)
        fault = self.service.faults.draw()
        if fault == "cut-before":
            self.cut(url, fault)
            return
        if fault in ("429", "500"):
            status, headers, content, call = *self.refusal_of(fault, url, body), None
        else:
            status, headers, content, call = self.answer(url, body)
        if fault == "slow":
            time.sleep(self.slow_seconds)
        if fault == "cut-after" or self.client_left():
            self.cut(url, fault or "client left")
            return
        half = fault == "cut-body" and len(content) > 1
        self.log(url, status, fault)
        if call and call.stored and fault != "cut-body":
            with self.service.lock:  # before the answer, which the next request of this client may overtake
                self.service.state.mark_answered(*call.stored)
        self.send(status, headers, content, len(content) // 2 if half else None)
        if fault == "cut-body":
            self.unanswered()

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def answer(self, url, body):
        """returns: (status, headers, bytes, Call or None)."""
        base = f"http://{self.headers.get('Host', '127.0.0.1')}"
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        call = Call(None, query, self.headers, body, base)
        try:
            if url.path.startswith("/export-storage/"):
                return *self.from_storage(url.path.rsplit("/", 1)[1], query), None
            if url.path.startswith("/image-storage/"):
                return 200, {"Content-Type": "application/octet-stream"}, self.stored_image(url.path), None
            match = re.fullmatch(r"/customvision/(v[\d.]+(?:-preview)?)/(training|prediction)(/.+)", url.path, re.IGNORECASE)
            area = match and match.group(2).lower()
            if match is None or match.group(1) not in (TRAINING_VERSIONS if area == "training" else PREDICTION_VERSIONS):
                raise Refusal(404, None, "Resource not found")
            self.check_key(area)
            call.version = match.group(1)
            status, document = self.service.route(self.command, area, match.group(3), call)
        except Refusal as refusal:
            return *refused(refusal), None
        if isinstance(document, bytes):
            return status, {"Content-Type": "application/octet-stream"}, document, call
        content = b"" if document is None else json.dumps(document).encode()
        return status, {"Content-Type": "application/json; charset=utf-8"} if content else {}, content, call

    def check_key(self, area):
        sent = self.headers.get(f"{area.capitalize()}-Key") or self.headers.get("Ocp-Apim-Subscription-Key")
        if sent != self.service.keys[area]:
            raise Refusal(401, None, "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid "
                          "key for an active subscription and use a correct regional API endpoint for your resource.")

    def from_storage(self, name, query):
        """A package, as blob storage hands it out: to the signature alone, whole or from an offset on."""
        package = self.service.state.packages.get(name)
        if package is None:
            return storage_refusal(404, "BlobNotFound", "The specified blob does not exist.")
        if query.get("sig") != package[0] or any(header in self.headers for header in KEY_HEADERS):
            return storage_refusal(403, "AuthenticationFailed", "Server failed to authenticate the request.")
        content, headers = package[1], {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes",
                                        "ETag": f'"{hashlib.sha1(package[1]).hexdigest()}"'}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start is None:
            return 200, headers, content
        at = int(start.group(1))
        if at >= len(content):
            return 416, {"Content-Range": f"bytes */{len(content)}"}, b""
        return 206, {**headers, "Content-Range": f"bytes {at}-{len(content) - 1}/{len(content)}"}, content[at:]

    def stored_image(self, path):
        _, _, project_id, image_id = path.split("/", 3)
        project = self.service.state.projects.get(project_id)
        if project is None or image_id not in project.images:
            raise Refusal(404, "NotFoundImage", "Image not found")
        return project.images[image_id].content

    def refusal_of(self, kind, url, body):
        """returns: (status, headers, bytes) of the fault 429 or 500."""
        if url.path.startswith("/export-storage/"):
            return storage_refusal(503, "ServerBusy", "The server is busy.")
        if kind == "500":
            return refused(Refusal(500, "ErrorUnknown", "The service could not do this call: it was told to fail"))
        seconds = self.service.retry_after
        with self.service.lock:
            self.service.not_before[self.identity(body)] = time.monotonic() + seconds
        text = (f"Requests to the {url.path.rsplit('/', 1)[-1]} Operation under Custom Vision API have exceeded rate limit of your current "
                f"CustomVision F0 pricing tier. Please retry after {seconds} second(s). Please contact Azure support service if you would "
                "like to further increase the default rate limit.")
        status, headers, content = refused(Refusal(429, None, text))
        return status, {**headers, "Retry-After": str(seconds)}, content

    def identity(self, body):
        return self.command, self.path, hashlib.sha1(body).digest()

    def watch_client(self, url, body):
        """Counts what a client must not do: keys in the wrong place, coming again before it was told to."""
        keys = self.service.keys.values()
        elsewhere = [unquote(self.path), *(value for name, value in self.headers.items() if name.lower() not in KEY_HEADERS)]
        misplaced = any(key in text for key in keys for text in elsewhere) or any(key.encode() in body for key in keys)
        to_storage = url.path.startswith("/export-storage/") and any(header in self.headers for header in KEY_HEADERS)
        with self.service.lock:
            counts = self.service.counts
            counts["requests"] += 1
            counts["keysMisplaced"] += misplaced
            counts["keysSentToStorage"] += to_storage
            counts["requestsBeforeRetryAfter"] += time.monotonic() < self.service.not_before.pop(self.identity(body), 0)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():  # trailers
                pass
            return b"".join(chunks)
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the client left in the middle of its request")
        return body

    def client_left(self):
        ready, _, _ = select.select([self.connection], [], [], 0)
        return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)

    def cut(self, url, fault):
        self.log(url, "-", fault)
        self.unanswered()

    def unanswered(self):
        with self.service.lock:
            self.service.counts["unanswered"] += 1
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def send(self, status, headers, content, only=None):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers_with(content if only is None else content[:only])

    def end_headers_with(self, content):
        self._headers_buffer += [b"\r\n", content]  # one write: else the client's delayed acknowledgement costs 40 ms
        self.flush_headers()

    def log(self, url, status, fault):
        if self.log_file is None:
            return
        query = re.sub(r"(^|&)sig=[^&]*", r"\1sig=...", url.query)
        line = f"{self.command} {url.path}{'?' if query else ''}{query} {status}{' ' + fault if fault else ''}\n"
        with self.log_lock:
            self.log_file.write(line)
            self.log_file.flush()

    def log_message(self, *_):  # the base class would print to stderr
        pass


def refused(refusal):
    """returns: (status, headers, bytes). A refusal with no code is the gateway's, which has a shape of its own."""
    if refusal.code is None:
        document = {"error": {"code": str(refusal.status), "message": str(refusal)}}
    else:
        document = {"code": refusal.code, "message": str(refusal)}
    return refusal.status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(document).encode()


def storage_refusal(status, code, message):
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, {"Content-Type": "application/xml"}, text.encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # a client that leaves is nobody's error


def start(service, *, port=0, log_path=None, slow_seconds=0.5):
    """returns: a Server on loopback, not yet serving."""
    log_file = open(log_path, "a", encoding="utf-8") if log_path else None  # pylint: disable=consider-using-with
    handler = type("Handler", (Handler,), {"service": service, "log_file": log_file, "slow_seconds": slow_seconds})
    return Server(("127.0.0.1", port), handler)


def rate(text):
    kind, _, share = text.partition("=")
    try:
        value = float(share)
    except ValueError:
        value = -1
    if kind not in FAULTS or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"KIND=RATE with a kind of {', '.join(FAULTS)} and a rate of 0 to 1 is expected, found '{text}'")
    return kind, value


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="of ids and faults")
    parser.add_argument("--fail", type=rate, action="append", default=[], metavar="KIND=RATE", help="see above; may be repeated")
    parser.add_argument("--retry-after", type=int, default=1, metavar="SECONDS", help="what a 429 says")
    parser.add_argument("--slow-seconds", type=float, default=0.5)
    parser.add_argument("--tier", choices=("F0", "S0"), default="S0", help="limits of projects, images and tags")
    parser.add_argument("--train", choices=("completed", "failed"), default="completed", help="how trainings end")
    parser.add_argument("--train-seconds", type=float, default=0.2)
    parser.add_argument("--export", choices=("done", "failed"), default="done", help="how exports end")
    parser.add_argument("--export-seconds", type=float, default=0.1)
    parser.add_argument("--relative-downloads", action="store_true", help="downloadUri is a path of GetArtifact, as in a virtual network")
    parser.add_argument("--model", action="append", default=[], metavar="FILE",
                        help="goes into export packages whose model file has the same extension; may be repeated")
    parser.add_argument("--predictions", metavar="FILE", help="JSON {image: [{probability, tagName, boundingBox}]}, an image being the "
                        "SHA-1 of its bytes or a path relative to FILE; other images get made-up answers")
    parser.add_argument("--log", metavar="FILE", help="a line a request: method, path, status or -, fault; never a key")
    options = parser.parse_args()
    if sum(value for kind, value in options.fail if kind != "partial") > 1:
        parser.error("the rates of --fail are more than 1 together")
    return options


def main():
    options = arguments()
    answers = {}
    if options.predictions:
        with open(options.predictions, encoding="utf-8") as file:
            answers = read_answers(json.load(file), os.path.dirname(os.path.abspath(options.predictions)))
    state = State(seed=options.seed, tier=options.tier, train_seconds=options.train_seconds, training=options.train,
                  export_seconds=options.export_seconds, exporting=options.export, relative_downloads=options.relative_downloads,
                  model_files=options.model, answers=answers)
    service = Service(state, Faults(options.seed, dict(options.fail)), os.environ.get("FAKE_TRAINING_KEY", "fake-training-key"),
                      os.environ.get("FAKE_PREDICTION_KEY", "fake-prediction-key"), options.retry_after)
    server = start(service, port=options.port, log_path=options.log, slow_seconds=options.slow_seconds)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
