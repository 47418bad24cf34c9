#!/usr/bin/env python3
"""Starts `visionpress serve` on the demo models and asks it what applications and their faults ask.

usage: serve.py TOOL        (the standard library alone)
"""
import contextlib
import gzip
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
import uuid
import zlib

TOOL = os.path.abspath(sys.argv[1])
DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
DETECTOR = DEMO / "model" / "model.tflite"
CLASSIFIER = DEMO / "classifier" / "model.tflite"
PROJECT = "6d5c2f9e-3a59-4c5b-9f2e-0a1b2c3d4e5f"
IMAGES = [path.read_bytes() for path in sorted((DEMO / "images").glob("*.jpg"))[:12]]
V3 = f"/customvision/v3.1/prediction/{PROJECT}/detect/iterations/Iteration1"
V2 = f"/customvision/v2.0/Prediction/{PROJECT}"
OCTETS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
LIMIT = 4 << 20


class Server:
    def __init__(self, *arguments, model=DETECTOR, keys=None, **how):
        environment = {**os.environ, "no_proxy": "*"}
        environment.pop("VISIONPRESS_SERVE_KEYS", None)
        if keys is not None:
            environment["VISIONPRESS_SERVE_KEYS"] = keys
        self.process = subprocess.Popen([TOOL, "serve", str(model), "--port", "0", "--quiet", *arguments], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if not found:
            raise RuntimeError(f"said {line!r} and {self.process.stderr.read()!r}")
        self.port = int(found[1])

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers

    def ask_json(self, *request):
        status, body, headers = self.ask(*request)
        assert headers["Content-Type"] == "application/json; charset=utf-8", headers
        return status, json.loads(body)

    def send_raw(self, data, close_after=False, timeout=30):
        """Sends bytes as they are; all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            try:
                connection.sendall(data)
                if close_after:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has answered and closed already
            received = b""
            try:
                while part := connection.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def parse(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def strip(answer):
    """What stays the same from call to call."""
    return {key: answer[key] for key in ("project", "iteration", "predictions")}


class Images(http.server.BaseHTTPRequestHandler):
    """Somebody else's web server."""

    def do_GET(self):
        places = {"/ok.jpg": IMAGES[0], "/text": b"hello", "/big": b"x" * (LIMIT + 1)}
        if self.path in ("/turn", "/file"):
            self.send_response(302)
            self.send_header("Location", "/ok.jpg" if self.path == "/turn" else "file:///etc/hostname")
            self.end_headers()
        elif self.path in places:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(places[self.path])
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


class Detector(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--receive-seconds", "1.5")
        cls.expected = strip(cls.server.ask_json("POST", V3 + "/image", IMAGES[0], OCTETS)[1])

    @classmethod
    def tearDownClass(cls):
        code, errors = cls.server.stop()
        assert code == 0 and errors == "", (code, errors)

    def refused(self, status, code, *request):
        found, answer = self.server.ask_json(*request)
        self.assertEqual((found, answer["code"]), (status, code), answer)
        self.assertTrue(answer["message"])
        return answer["message"]

    def alive(self):
        status, answer = self.server.ask_json("POST", V3 + "/image", IMAGES[0], OCTETS)
        self.assertEqual((status, strip(answer)), (200, self.expected))

    def test_an_answer_has_the_services_fields(self):
        status, answer = self.server.ask_json("POST", V3 + "/image", IMAGES[0], OCTETS)
        self.assertEqual(status, 200)
        self.assertEqual(list(answer), ["id", "project", "iteration", "created", "predictions"])
        uuid.UUID(answer["id"]), uuid.UUID(answer["iteration"])
        self.assertEqual(answer["project"], PROJECT)
        self.assertRegex(answer["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertTrue(answer["predictions"])
        tags = {}
        for one in answer["predictions"]:
            self.assertEqual(list(one), ["probability", "tagId", "tagName", "boundingBox", "tagType"])
            self.assertTrue(0.01 < one["probability"] <= 1)
            self.assertEqual(one["tagType"], "Regular")
            box = one["boundingBox"]
            for low, size in (("left", "width"), ("top", "height")):
                self.assertTrue(0 <= box[low] and box[size] >= 0 and box[low] + box[size] <= 1 + 1e-9, box)
            uuid.UUID(one["tagId"])
            self.assertEqual(tags.setdefault(one["tagName"], one["tagId"]), one["tagId"])
        scores = [one["probability"] for one in answer["predictions"]]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_an_answer_is_what_predict_says(self):
        path = sorted((DEMO / "images").glob("*.jpg"))[0]
        seen = json.loads(subprocess.check_output(
            [TOOL, "predict", str(DETECTOR), str(path), "--json", "--probability", "0.01"]))["images"][0]
        said = self.expected["predictions"]
        self.assertEqual(len(said), len(seen["predictions"]))
        for ours, one in zip(said, seen["predictions"]):
            self.assertEqual(ours["tagName"], one["tag"])
            self.assertAlmostEqual(ours["probability"], one["probability"], places=5)

    def test_every_form_of_the_routes_gives_the_same(self):
        for version in ("v3.0", "v3.1", "V3.0"):
            for end in ("/image", "/image/nostore", "/image?application=app"):
                route = V3.replace("v3.1", version) + end
                self.assertEqual(strip(self.server.ask_json("POST", route, IMAGES[0], OCTETS)[1]), self.expected)
        for end in ("/image", "/image/nostore?application=app&iterationId=" + PROJECT):
            status, answer = self.server.ask_json("POST", V2 + end, IMAGES[0], OCTETS)
            self.assertEqual(status, 200)
            self.assertEqual(answer["predictions"], self.expected["predictions"])
        self.assertEqual(answer["iteration"], PROJECT)

    def test_any_project_and_published_name_will_do(self):
        for project, name in (("x", "a%20b"), ("%F0%9F%90%88", "a%2Fb%3Fc"), ("..", "%00"), ("p", "(a+)+" * 500)):
            route = f"/customvision/v3.0/prediction/{project}/detect/iterations/{name}/image"
            status, answer = self.server.ask_json("POST", route, IMAGES[0], OCTETS)
            self.assertEqual((status, answer["predictions"]), (200, self.expected["predictions"]), route)

    def test_a_multipart_body_is_an_image_too(self):
        for form in ('name="imageData"; filename="imageData"', "filename*=x; name=imageData", 'name="f"; filename="f"'):
            body = (b'--B0\r\nContent-Disposition: form-data; name="other"\r\n\r\nvalue\r\n--B0\r\n'
                    b"Content-Disposition: form-data; " + form.encode() +
                    b"\r\nContent-Type: application/octet-stream\r\n\r\n" + IMAGES[0] + b"\r\n--B0--\r\n")
            status, answer = self.server.ask_json("POST", V3 + "/image", body,
                                                  {"Content-Type": "multipart/form-data; boundary=B0"})
            self.assertEqual((status, strip(answer)), (200, self.expected), form)

    def test_a_chunked_or_compressed_body_is_an_image_too(self):
        chunks = iter([IMAGES[0][:1000], IMAGES[0][1000:]])
        self.assertEqual(strip(self.server.ask_json("POST", V3 + "/image", chunks, OCTETS)[1]), self.expected)
        packed = gzip.compress(IMAGES[0])
        answer = self.server.ask_json("POST", V3 + "/image", packed, {**OCTETS, "Content-Encoding": "gzip"})[1]
        self.assertEqual(strip(answer), self.expected)

    def test_a_client_that_waits_for_leave_gets_it_or_the_refusal(self):
        head = f"POST {V3}/image HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: "
        raw = self.server.send_raw(head.encode() + b"%d\r\n\r\n" % len(IMAGES[0]) + IMAGES[0])
        first, _, rest = raw.partition(b"\r\n\r\n")
        self.assertTrue(first.startswith(b"HTTP/1.1 100"), raw[:200])
        self.assertEqual(strip(parse(rest)[1]), self.expected)
        status, answer = parse(self.server.send_raw(head.encode() + b"5000000\r\n\r\n"))
        self.assertEqual((status, answer["code"]), (400, "BadRequestImageSizeBytes"))

    def test_a_connection_serves_one_call_after_the_other(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        with contextlib.closing(connection):
            for turn in range(20):
                # Refusals that leave nothing unread keep the connection too.
                good = turn % 3 != 2
                connection.request("POST", V3 + "/image", IMAGES[0] if good else b"no image", OCTETS)
                held = connection.sock
                reply = connection.getresponse()
                reply.read()
                self.assertEqual(reply.status, 200 if good else 400)
                self.assertIs(connection.sock, held)

    def test_calls_at_the_same_time_give_what_single_ones_give(self):
        single = [strip(self.server.ask_json("POST", V3 + "/image", image, OCTETS)[1]) for image in IMAGES]
        wrong = []

        def client(start):
            for turn in range(24):
                index = (start + turn) % len(IMAGES)
                status, answer = self.server.ask_json("POST", V3 + "/image", IMAGES[index], OCTETS)
                if status != 200 or strip(answer) != single[index]:
                    wrong.append((index, status, answer))

        clients = [threading.Thread(target=client, args=(start,)) for start in range(16)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        self.assertEqual(wrong, [])
        self.assertGreater(len({json.dumps(one) for one in single}), 6)

    def test_malformed_images_are_refused(self):
        jpeg = IMAGES[0]
        huge = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", 10241, 1, 8, 2, 0, 0, 0)), (b"IEND", b"")))
        for image in (b"hello", b"\xff\xd8\xff", jpeg[:2000], jpeg[:-3000], b"BM" + bytes(60), b"RIFF\0\0\0\0WEBP",
                      b"GIF89a" + bytes(40), b"\x89PNG\r\n\x1a\n", bytes(1000)):
            self.refused(400, "BadRequestImageFormat", "POST", V3 + "/image", image, OCTETS)
            self.refused(400, "BadRequestImageFormat", "POST", V2 + "/image", image, OCTETS)
        self.refused(400, "BadRequestImageDimensions", "POST", V3 + "/image", huge, OCTETS)
        self.alive()

    def test_an_empty_body_is_refused(self):
        self.refused(400, "BadRequestImageStream", "POST", V3 + "/image", b"", OCTETS)
        raw = self.server.send_raw(f"POST {V3}/image HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        self.assertEqual(parse(raw)[1]["code"], "BadRequestImageStream")

    def test_a_body_that_nobody_reads_is_not_the_next_request(self):
        inner = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        plain = b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner)
        chunked = b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for head in (plain, chunked):
            self.assertEqual(self.server.send_raw(head + inner).count(b"HTTP/1.1 "), 1)

    def test_malformed_multipart_bodies_are_refused(self):
        form = {"Content-Type": "multipart/form-data; boundary=B0"}
        for body in (b"x", b"--B0", b"--B0--", b"--B0\r\n\r\n", b"--B0\r\nContent-Disposition: " + b"a" * 3000000,
                     b'--B0\r\nContent-Disposition: form-data; name="imageData"\r\n\r\nx'):
            self.refused(400, "BadRequestImageStream", "POST", V3 + "/image", body, form)
        self.refused(400, "BadRequestImageStream", "POST", V3 + "/image", b"x", {"Content-Type": "multipart/form-data"})
        self.alive()

    def test_oversized_bodies_are_refused_with_the_services_code(self):
        for size in (LIMIT + 1, 3 * LIMIT):
            self.refused(400, "BadRequestImageSizeBytes", "POST", V3 + "/image", bytes(size), OCTETS)
        chunks = (bytes(1 << 20) for _ in range(5))
        self.refused(400, "BadRequestImageSizeBytes", "POST", V3 + "/image", chunks, OCTETS)
        bomb = gzip.compress(bytes(64 << 20))
        self.refused(400, "BadRequestImageSizeBytes", "POST", V3 + "/image", bomb,
                     {**OCTETS, "Content-Encoding": "gzip"})
        self.refused(400, "BadRequestImageFormat", "POST", V3 + "/image", bytes(LIMIT), OCTETS)
        self.alive()

    def test_half_sent_requests_are_answered_and_let_go(self):
        head = f"POST {V3}/image HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n".encode()
        start = time.monotonic()
        status, answer = parse(self.server.send_raw(head + b"\xff\xd8\xff"))
        self.assertEqual((status, answer["code"]), (408, "BadRequestImageStream"))
        self.assertLess(time.monotonic() - start, 8)
        status, answer = parse(self.server.send_raw(head + b"\xff\xd8\xff", close_after=True))
        self.assertEqual((status, answer["code"]), (400, "BadRequestImageStream"))
        for cut in (b"POST", head[:40], head[:-2]):
            status, answer = parse(self.server.send_raw(cut))
            self.assertIn(status, (400, 408))
            self.assertTrue(answer["code"].startswith("BadRequest"))
            self.server.send_raw(cut, close_after=True)
        self.alive()

    def test_clients_that_drip_or_vanish_hold_nobody_up(self):
        head = f"POST {V3}/image HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n".encode()
        held = []
        for _ in range(150):
            one = socket.create_connection(("127.0.0.1", self.server.port))
            one.sendall(head)
            held.append(one)
        for one in held[::2]:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()  # a reset
        self.alive()
        for one in held[1::2]:
            one.close()

    def test_what_is_no_http_is_refused(self):
        long_line = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        many = b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20000)) + b"\r\n"
        route = f"POST {V3}/image HTTP/1.1\r\nHost: x\r\n".encode()
        for raw in (b"\0\0\0\0\r\n\r\n", b"\x16\x03\x01\x02\0\x01", b"GET\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n",
                    b"GET / HTTP/9.9\r\n\r\n", long_line, many, b"GET /" + b"b" * 200000,
                    b"GET /health HTTP/1.1\r\nX: " + b"c" * 200000,
                    route + b"Content-Length: -1\r\n\r\n", route + b"Content-Length: 99999999999999999999\r\n\r\n",
                    route + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                    route + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
                    route + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", route + b"Transfer-Encoding: gzip\r\n\r\n"):
            status, answer = parse(self.server.send_raw(raw, close_after=True))
            self.assertTrue(400 <= status < 500, (raw[:60], status))
            self.assertTrue(answer["code"].startswith("BadRequest"), answer)
        for value in (b"bytes=" + b"1" * 8000, b"bytes=0-0," + b"1-2," * 1500, b"bytes=9-1"):
            self.server.send_raw(b"GET /health HTTP/1.1\r\nConnection: close\r\nRange: " + value + b"\r\n\r\n")
        self.alive()

    def test_unknown_routes_and_wrong_methods_are_refused(self):
        for path in ("/nothing", V3, V3 + "/image/x", V3.replace("v3.1", "v1.1") + "/image", "/customvision",
                     "/customvision/v3.3/training/projects", "/%2e%2e/%2e%2e/etc/passwd", "/favicon.ico", "*"):
            for method in ("GET", "POST"):
                self.refused(404, "NotFound", method, path, b"x" * 100000 if method == "POST" else None, OCTETS)
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.refused(405, "BadRequestOperationNotSupported", method, V3 + "/image")
        self.assertEqual(self.server.ask("GET", V3 + "/image")[2]["Allow"], "POST")
        self.assertEqual(self.server.ask("HEAD", V3 + "/image")[:2], (405, b""))
        self.refused(405, "BadRequestOperationNotSupported", "POST", "/health", b"x")

    def test_the_other_task_is_refused_as_the_service_does(self):
        message = self.refused(400, "BadRequest", "POST", V3.replace("detect", "classify") + "/image", IMAGES[0], OCTETS)
        self.assertEqual(message, "Invalid project type for operation.")

    def test_pages_of_other_origins_are_refused(self):
        self.refused(403, "Forbidden", "POST", V3 + "/image", IMAGES[0], {**OCTETS, "Origin": "http://elsewhere"})
        own = {**OCTETS, "Origin": f"http://127.0.0.1:{self.server.port}"}
        self.assertEqual(self.server.ask("POST", V3 + "/image", IMAGES[0], own)[0], 200)

    def test_images_are_fetched_by_their_address(self):
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Images)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{web.server_address[1]}"

        def body(url):
            return json.dumps({"url": url}).encode()

        for route in (V3, V2):
            for end, place in (("/url", "/ok.jpg"), ("/url/nostore", "/turn")):
                status, answer = self.server.ask_json("POST", route + end, body(base + place), JSON)
                self.assertEqual((status, answer["predictions"]), (200, self.expected["predictions"]))
        for url in (base + "/none", base + "/big", base + "/file", "file:///etc/hostname", "gopher://x", "", "x",
                    "http://127.0.0.1:1/", "http://"):
            self.refused(400, "BadRequestImageUrl", "POST", V3 + "/url", body(url), JSON)
        self.refused(400, "BadRequestImageFormat", "POST", V3 + "/url", body(base + "/text"), JSON)
        for bad in (b"", b"{", b"[]", b'{"url": 1}', b"[" * 100000):
            self.refused(400, "BadRequestImageUrl", "POST", V3 + "/url", bad, JSON)
        self.refused(415, "UnsupportedMediaType", "POST", V3 + "/url", body(base), {"Content-Type": "text/plain"})
        web.shutdown()
        web.server_close()

    def test_health_says_what_is_served(self):
        status, answer = self.server.ask_json("GET", "/health")
        self.assertEqual(status, 200)
        self.assertEqual((answer["status"], answer["model"], answer["task"]), ("ok", "model.tflite", "detection"))
        self.assertGreaterEqual(answer["uptimeSeconds"], 0)
        before = answer["predictions"]
        self.alive()
        self.assertEqual(self.server.ask_json("GET", "/health")[1]["predictions"], before + 1)

    def test_the_page_is_whole_in_itself(self):
        status, body, headers = self.server.ask("GET", "/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        text = body.decode()
        self.assertIn("model.tflite", text)
        self.assertNotIn("{{", text)
        self.assertIsNone(re.search(r'(src|href)="?https?:', text))


class Others(unittest.TestCase):
    def stop(self, server, how=signal.SIGTERM):
        self.assertEqual(server.stop(how), (0, ""))

    def test_a_classifier_answers_every_tag_without_boxes(self):
        server = Server(model=CLASSIFIER)
        route = V3.replace("detect", "classify") + "/image"
        status, answer = server.ask_json("POST", route, IMAGES[0], OCTETS)
        self.assertEqual(status, 200)
        tags = (DEMO / "classifier" / "labels.txt").read_text().split()
        self.assertEqual({one["tagName"] for one in answer["predictions"]}, set(tags))
        self.assertNotIn("boundingBox", answer["predictions"][0])
        self.assertEqual(server.ask_json("POST", V3 + "/image", IMAGES[0], OCTETS)[0], 400)
        self.assertEqual(server.ask_json("POST", V2 + "/image", IMAGES[0], OCTETS)[1]["predictions"],
                         answer["predictions"])
        self.stop(server)

    def test_keys_are_asked_for_where_they_are_set(self):
        server = Server(keys="first, second")
        for headers in ({}, {"Prediction-Key": ""}, {"Prediction-Key": "firs"}, {"Prediction-Key": "first, second"},
                        {"Training-Key": "first"}):
            status, answer = server.ask_json("POST", V3 + "/image", IMAGES[0], {**OCTETS, **headers})
            self.assertEqual(status, 401)
            self.assertEqual(answer["error"]["code"], "401")
            self.assertEqual(answer["message"], answer["error"]["message"])
            self.assertNotIn("first", json.dumps(answer))
        for headers in ({"Prediction-Key": "first"}, {"prediction-key": "second"},
                        {"Ocp-Apim-Subscription-Key": "second"}):
            self.assertEqual(server.ask("POST", V3 + "/image", IMAGES[0], {**OCTETS, **headers})[0], 200)
        self.assertEqual(server.ask("GET", "/health")[0], 200)
        self.stop(server)

    def test_keys_come_from_a_descriptor_too(self):
        readable, writable = os.pipe()
        os.write(writable, b"third\nfourth\n")
        os.close(writable)
        server = Server("--keys-fd", str(readable), keys="first", pass_fds=[readable])
        os.close(readable)
        for key, status in (("first", 401), ("third", 200), ("fourth", 200)):
            self.assertEqual(server.ask("POST", V3 + "/image", IMAGES[0], {**OCTETS, "Prediction-Key": key})[0], status)
        self.stop(server)

    def test_addresses_can_be_refused(self):
        server = Server("--no-url")
        status, answer = server.ask_json("POST", V3 + "/url", b'{"url": "http://127.0.0.1/"}', JSON)
        self.assertEqual((status, answer["code"]), (403, "Forbidden"))
        self.stop(server)

    def test_a_call_in_flight_is_answered_before_the_end(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            server = Server()
            head = f"POST {V3}/image HTTP/1.1\r\nHost: x\r\nContent-Length: {len(IMAGES[0])}\r\n\r\n".encode()
            idle = socket.create_connection(("127.0.0.1", server.port))
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
                connection.sendall(head + IMAGES[0][:5000])
                time.sleep(0.3)
                server.process.send_signal(how)
                time.sleep(0.3)
                connection.sendall(IMAGES[0][5000:])
                raw = b""
                while part := connection.recv(65536):
                    raw += part
            self.assertEqual(parse(raw)[0], 200)
            self.assertIn(b"Connection: close", raw)
            _, errors = server.process.communicate(timeout=30)
            self.assertEqual((server.process.returncode, errors), (0, ""))
            idle.close()

    def test_workers_and_threads_change_no_answer(self):
        answers = []
        for arguments in (("--workers", "1"), ("--threads", "1"), ("--workers", "3", "--threads", "4"),
                          ("--connections", "1")):
            server = Server(*arguments)
            answers.append(strip(server.ask_json("POST", V3 + "/image", IMAGES[1], OCTETS)[1]))
            self.stop(server)
        for answer in answers[1:]:
            self.assertEqual(len(answer["predictions"]), len(answers[0]["predictions"]))
            for one, other in zip(answer["predictions"], answers[0]["predictions"]):
                self.assertAlmostEqual(one["probability"], other["probability"], places=5)

    def test_a_port_in_use_is_an_error_with_its_name(self):
        server = Server()
        second = subprocess.run([TOOL, "serve", str(DETECTOR), "--port", str(server.port)], capture_output=True,
                                text=True, timeout=60)
        self.assertEqual(second.returncode, 4)
        self.assertEqual(second.stderr, f"visionpress: cannot listen on 127.0.0.1:{server.port}: "
                                        "Address already in use\n")
        self.stop(server)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=1)
