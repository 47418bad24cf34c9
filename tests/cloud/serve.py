#!/usr/bin/env python3
"""Starts `visionpress serve` on the demo models and asks it what applications and their faults ask.

usage: serve.py TOOL        (the standard library alone)
"""
import base64
import contextlib
import functools
import gzip
import http.client
import http.server
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fakes"))
import public_network  # noqa: E402

TOOL = os.path.abspath(sys.argv[1])
DEMO = HERE.parents[1] / "demo"
DETECTOR = DEMO / "model" / "model.tflite"
CLASSIFIER = DEMO / "classifier" / "model.tflite"
PROJECT = "6d5c2f9e-3a59-4c5b-9f2e-0a1b2c3d4e5f"
IMAGES = [path.read_bytes() for path in sorted((DEMO / "images").glob("*.jpg"))[:12]]
V3 = f"/customvision/v3.1/prediction/{PROJECT}/detect/iterations/Iteration1"
V2 = f"/customvision/v2.0/Prediction/{PROJECT}"
OCTETS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
LIMIT = 4 << 20
# One colour, 10240x10240, RGB without subsampling, in ten scans: Pillow's. Decoding it takes 943 MB.
PROGRESSIVE = zlib.decompress(zlib.decompress(base64.b85decode(
    "c-pJD_4d+vuaH8C;}5@=^PQV-b7^Lffn>1v1&1Ze8o9b6S(?`FQGUPB_0m<2hptz4T(B;9=`<(a_-)&a1!oNoeV%jvRjkZDcE5i!*DwB8R8k|N"
    ">AK{j@J}N<_th6O%%(-1P1}4o&vsQ<_^PK*U)`L%yg%IBeA~SIypr9wcehvH*5`{W+x`1}oa~;u%kRH$|7KTHb^mw8k8Ss7?@`%$`)$_FsQAdp"
    "_iszetN!c$@9@jE|F+m?u7=ghH%n>+v+I}nX{tT{a=lWMf3a4uNNHrh{kz}W8Aib<pe{&|3)<JQ)oSU>*Izy5+_GzYy^p@sI9}VgTV}guUQx_b"
    "i}Qy6U%$vP+G?DfHS>~!ZO_W1k9_C;Wj0|u>O6B6n>DvdsYK|^MIA*p8}07>)$*LAGKxmgC>j7X%lW6$H7m`dQ(jND=?T*cmb$WhvCMbNcSU!e"
    "?KoLD^|8(IKkFB7uJ_dy%g?e+&gwck>(^`Z^)uyT02RF78v")))
FAR = public_network.enter()  # whether there is a public address that is ours


@functools.lru_cache
def make_png(width, height):
    """A black picture of one grey byte a pixel."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")))


class Server:
    def __init__(self, *arguments, model=DETECTOR, keys=None, environment=None, tool=TOOL, **how):
        environment = {**os.environ, "no_proxy": "*", **(environment or {})}
        environment.pop("VISIONPRESS_SERVE_KEYS", None)
        if keys is not None:
            environment["VISIONPRESS_SERVE_KEYS"] = keys
        self.process = subprocess.Popen([tool, "serve", str(model), "--port", "0", "--quiet", *arguments], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on http://[\w.]+:(\d+)\n", line)
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

    def processor_seconds(self):
        """That it has computed so far, all its threads together; without the system's, which clears memory for it at a speed of its own."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) / os.sysconf("SC_CLK_TCK")  # utime

    def most_memory(self):
        """Peak so far, in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000


def parse(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def strip(answer):
    """What stays the same from call to call."""
    return {key: answer[key] for key in ("project", "iteration", "predictions")}


class Images(http.server.BaseHTTPRequestHandler):
    """Somebody else's web server."""
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        places = {"/ok.jpg": IMAGES[0], "/text": b"hello", "/big": b"x" * (LIMIT + 1)}
        turns = {"/turn": "/ok.jpg", "/file": "file:///etc/hostname", "/home": f"http://127.0.0.1:{self.server.home}/ok.jpg",
                 "/name": f"http://localhost:{self.server.home}/ok.jpg", "/loop": "/loop"}
        if self.path in turns:
            self.send_response(302)
            self.send_header("Location", turns[self.path])
            self.end_headers()
        elif self.path == "/hang":
            time.sleep(10)
        elif self.path in places:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(places[self.path])
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web(address):
    """A web server there and, for redirects, one on loopback. Gives the first one's port."""
    servers = [http.server.ThreadingHTTPServer((host, 0), Images) for host in (address, "127.0.0.1")]
    for one in servers:
        one.daemon_threads, one.block_on_close = True, False
        one.home = servers[1].server_address[1]
        threading.Thread(target=one.serve_forever, daemon=True).start()
    try:
        yield servers[0].server_address[1]
    finally:
        for one in servers:
            one.shutdown()
            one.server_close()


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
        head = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: "
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
        raw = self.server.send_raw(f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        self.assertEqual(parse(raw)[1]["code"], "BadRequestImageStream")

    def test_a_body_that_nobody_reads_is_not_the_next_request(self):
        inner = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        plain = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner)
        chunked = b"GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
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
        head = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n".encode()
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
        head = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n".encode()
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
        long_line = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        many = b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20000)) + b"\r\n"
        route = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\n".encode()
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
        both = b"Origin: http://localhost\r\nOrigin: http://elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        raw = self.server.send_raw(f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\n".encode() + both)
        self.assertTrue(raw.startswith(b"HTTP/1.1 403 "), raw[:80])

    def test_only_names_of_loopback_are_hosts(self):
        port = self.server.port
        for host in ("localhost", "LOCALHOST", f"localhost:{port}", "127.0.0.1", "127.1.2.3:80", "[::1]", f"[::1]:{port}"):
            for method, path in (("GET", "/health"), ("GET", "/"), ("HEAD", "/health")):
                self.assertEqual(self.server.ask(method, path, None, {"Host": host})[0], 200, host)
            self.assertEqual(self.server.ask("POST", V3 + "/image", IMAGES[0], {**OCTETS, "Host": host})[0], 200, host)
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
                     "0.0.0.0", "evil.example@127.0.0.1", "localhost:x", "[::2]", "::1", "2130706433", "0x7f.1"):
            for method, path in (("GET", "/health"), ("GET", "/"), ("GET", "/nothing")):
                self.refused(403, "Forbidden", method, path, None, {"Host": host})
            self.refused(403, "Forbidden", "POST", V3 + "/image", IMAGES[0], {**OCTETS, "Host": host})
            # What the page then is: its own origin.
            self.refused(403, "Forbidden", "POST", V3 + "/image", IMAGES[0],
                         {**OCTETS, "Host": host, "Origin": f"http://{host}"})
        for head, status in ((b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n", 403),
                             (b"GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n", 200),
                             (b"GET /health HTTP/1.1\r\n", 400), (b"GET /health HTTP/1.0\r\n", 200),
                             (b"GET /health HTTP/1.0\r\nHost: evil.example\r\n", 403),
                             (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400)):
            raw = self.server.send_raw(head + b"Connection: close\r\n\r\n")
            self.assertEqual(int(raw.split()[1]), status, head)

    def test_heads_and_chunks_are_read_strictly(self):
        route = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\n".encode()
        chunked = route + b"Transfer-Encoding: chunked\r\n\r\n"
        image = IMAGES[0]
        for raw in (b"GET /health HTTP/1.1\nHost: localhost\n\n", b"GET /health HTTP/1.1\r\nHost: localhost\n\r\n",
                    b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
                    b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
                    b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
                    b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
                    b"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    route + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(image) + image,
                    route + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                    route + b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (len(image), len(image) + 1) + image,
                    route + b"Content-Length: +%d\r\n\r\n" % len(image) + image,
                    route + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                    route + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                    chunked + b"%x junk\r\n" % len(image) + image + b"\r\n0\r\n\r\n",
                    chunked + b"0x%x\r\n" % len(image) + image + b"\r\n0\r\n\r\n",
                    chunked + b"%x\n" % len(image) + image + b"\n0\n\n",
                    chunked + b"%x\r\n" % len(image) + image + b"XX0\r\n\r\n",
                    chunked + b"-1\r\n", chunked + b"11111111111111111\r\n", chunked + b"\r\n"):
            start = time.monotonic()
            answered = self.server.send_raw(raw)
            self.assertEqual(answered.count(b"HTTP/1.1 "), 1, raw[:200])
            status, answer = parse(answered)
            self.assertEqual((status, answer["code"]), (400, "BadRequest"), raw[:200])
            self.assertIn(b"Connection: close", answered)
            self.assertLess(time.monotonic() - start, 1.4, raw[:200])  # at once, not when time was up
        self.alive()

    def test_open_heads_and_slow_bodies_hold_nobody_up(self):
        head = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n".encode()
        server = Server()  # which waits half a minute for each of them
        try:
            for part in (b"", b"GET /health HTTP/1.1\r\nHost: local", head + b"\xff\xd8"):
                held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
                for one in held:
                    one.sendall(part)
                for _ in range(3):
                    start = time.monotonic()
                    self.assertEqual(server.ask("GET", "/health")[0], 200)
                    self.assertLess(time.monotonic() - start, 1, part)
                start = time.monotonic()
                self.assertEqual(server.ask("POST", V3 + "/image", IMAGES[0], OCTETS)[0], 200)
                self.assertLess(time.monotonic() - start, 5, part)
                for one in held:
                    one.close()
        finally:
            code = server.stop()
        self.assertEqual(code, (0, ""))

    def test_the_containers_routes_answer_in_their_form(self):
        form = (b'--B0\r\nContent-Disposition: form-data; name="imageData"; filename="a.jpg"\r\n\r\n' + IMAGES[0] + b"\r\n--B0--\r\n")
        multipart = {"Content-Type": "multipart/form-data; boundary=B0"}
        for route in ("/image", "/p/image", "/p/image/nostore", "/p/detect/iterations/n/image", "/P/Detect/Iterations/a%2Fb/Image",
                      "/p/detect/iterations/n/image/nostore", "/p/classify/iterations/n/image"):
            for body, headers in ((IMAGES[0], OCTETS), (form, multipart), (IMAGES[0], {})):
                status, answer = self.server.ask_json("POST", route, body, headers)
                self.assertEqual(status, 200, answer)
                self.assertEqual([answer[key] for key in ("id", "project", "iteration")], ["", "", ""])
                self.assertRegex(answer["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$")
                self.assertEqual(len(answer["predictions"]), len(self.expected["predictions"]))
                for one, other in zip(answer["predictions"], self.expected["predictions"]):
                    self.assertEqual(set(one), {"probability", "tagId", "tagName", "boundingBox"})
                    self.assertEqual(one["tagName"], other["tagName"])
                    self.assertEqual(one["tagId"], ["boat", "house"].index(one["tagName"]))
                    self.assertEqual(one["probability"], round(one["probability"], 8))
                    self.assertAlmostEqual(one["probability"], other["probability"], places=7)
                    for side, value in one["boundingBox"].items():
                        self.assertAlmostEqual(value, other["boundingBox"][side], places=7)
            for image in (b"hello", b"", IMAGES[0][:2000]):
                code = "BadRequestImageFormat" if image else "BadRequestImageStream"
                self.refused(400, code, "POST", route, image, OCTETS)
            self.refused(405, "BadRequestOperationNotSupported", "GET", route)
            self.refused(403, "Forbidden", "POST", route, IMAGES[0], {**OCTETS, "Origin": "http://elsewhere"})
        for route in ("/url", "/p/url", "/p/detect/iterations/n/url/nostore"):
            self.refused(403, "Forbidden", "POST", route, b'{"url": "http://127.0.0.1/"}', JSON)
        self.refused(404, "NotFound", "POST", "/p/q/image", IMAGES[0], OCTETS)

    def test_addresses_are_not_fetched_unless_that_is_allowed(self):
        for route in (V3, V2):
            self.refused(403, "Forbidden", "POST", route + "/url", b'{"url": "http://127.0.0.1/"}', JSON)

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

    def test_public_addresses_are_fetched_where_that_is_allowed(self):
        if not FAR:
            self.skipTest("no network of our own")
        server = Server("--allow-url")
        expected = strip(server.ask_json("POST", V3 + "/image", IMAGES[0], OCTETS)[1])["predictions"]
        with web(public_network.ADDRESS) as port:
            base = f"http://{public_network.ADDRESS}:{port}"
            body = lambda place: json.dumps({"url": base + place}).encode()
            for route in (V3, V2):
                for end, place in (("/url", "/ok.jpg"), ("/url/nostore", "/turn")):
                    status, answer = server.ask_json("POST", route + end, body(place), JSON)
                    self.assertEqual((status, answer.get("predictions")), (200, expected), answer)
            # Clients of the containers let curl call the JSON a form.
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            for route in ("/url", "/p/url", "/p/detect/iterations/n/url"):
                self.assertEqual(server.ask("POST", route, body("/ok.jpg"), form)[0], 200)
            self.assertEqual(server.ask("POST", V3 + "/url", body("/ok.jpg"), {"Content-Type": "text/plain"})[0], 415)
            # What lies there, or does not, is nothing that the answer tells.
            said = {server.ask("POST", V3 + "/url", body(place), JSON)[:2]
                    for place in ("/none", "/big", "/file", "/text", "/loop", "/home", "/name", "")}
            said.add(server.ask("POST", V3 + "/url", b'{"url": "http://11.12.13.14:1/"}', JSON)[:2])
            self.assertEqual({status for status, _ in said}, {400})
            self.assertEqual(len(said), 1, said)
            self.assertEqual(json.loads(said.pop()[1])["code"], "BadRequestImageUrl")
        self.stop(server)

    def test_other_addresses_are_never_fetched(self):
        proxy = {"http_proxy": "", "no_proxy": ""}
        server = Server("--allow-url")
        with web("127.0.0.1") as port:
            Images.asked.clear()
            proxy["http_proxy"] = f"http://127.0.0.1:{port}"
            through = Server("--allow-url", environment=proxy)
            for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "[::1]", "[::]",
                         "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254",
                         "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "224.0.0.1", "[fe80::1]", "[fd00::1]",
                         "user:word@127.0.0.1", "127.0.0.1%00.example", "11.12.13.14"):
                for one in (server, through):
                    if one is server and host == "11.12.13.14":
                        continue
                    start = time.monotonic()
                    status, answer = one.ask_json("POST", V3 + "/url", json.dumps({"url": f"http://{host}:{port}/ok.jpg"}), JSON)
                    self.assertEqual((status, answer["code"]), (400, "BadRequestImageUrl"), host)
                    self.assertLess(time.monotonic() - start, 5, host)
            self.assertEqual(Images.asked, [])
            for url in ("file:///etc/hostname", "gopher://11.12.13.14/", "ftp://11.12.13.14/", "x", "http://", "http:/x", "", "//x",
                        "dict://127.0.0.1:11211/", "http://" + "a" * 100000):
                self.assertEqual(server.ask_json("POST", V3 + "/url", json.dumps({"url": url}), JSON)[1]["code"], "BadRequestImageUrl")
            for bad in (b"", b"{", b"[]", b'{"url": 1}', b"[" * 100000):
                self.assertEqual(server.ask_json("POST", V3 + "/url", bad, JSON)[0], 400)
        self.stop(server)
        self.stop(through)

    def test_other_hosts_names_are_taken_where_others_can_ask(self):
        server = Server("--host", "0.0.0.0")
        for host in ("evil.example", "localhost", f"10.0.0.1:{server.port}"):
            self.assertEqual(server.ask("GET", "/health", None, {"Host": host})[0], 200)
        self.stop(server)

    def test_headers_values_are_taken_as_they_come(self):
        server = Server(keys="a%41+b")
        for key, status in (("a%41+b", 200), ("aA+b", 401), ("aA b", 401), ("a%2541+b", 401)):
            self.assertEqual(server.ask("POST", V3 + "/image", IMAGES[0], {**OCTETS, "Prediction-Key": key})[0], status, key)
        self.stop(server)

    def test_a_request_that_takes_too_long_is_given_up(self):
        picture = make_png(10000, 10000)
        seconds = {}
        for limit, expected in (("0.1", 503), ("3600", 200)):
            server = Server("--answer-seconds", limit, "--workers", "1")
            before = server.processor_seconds()
            status, answer = server.ask_json("POST", V3 + "/image", picture, OCTETS)
            self.assertEqual(status, expected)
            if expected == 503:
                self.assertEqual(answer["code"], "ErrorPrediction")
            self.assertEqual(server.ask("POST", V3 + "/image", IMAGES[0], OCTETS)[0], 200)
            seconds[limit] = server.processor_seconds() - before
            self.stop(server)
        # The limit ends the work and not only the wait. Of the processor, since a busy machine delays any answer.
        self.assertLess(seconds["0.1"], seconds["3600"] * 3 / 4)

    def end_while(self, begin, *arguments, **how):
        """Seconds from the signal to the end."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            server = Server(*arguments, **how)
            held = begin(server)
            time.sleep(0.3)
            start = time.monotonic()
            self.stop(server, signal_number)
            self.assertLess(time.monotonic() - start, 1.3)  # a second, and this process's part on a busy machine
            for one in held:
                one.close()

    def send(self, server, path, body, headers=b""):
        one = socket.create_connection(("127.0.0.1", server.port))
        one.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode() + headers + b"\r\n" + body)
        return one

    def test_it_ends_within_a_second_whatever_it_does(self):
        picture = make_png(10000, 10000)
        half = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n".encode()

        def half_sent(server):
            held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
            for number, one in enumerate(held):
                one.sendall(half[:number * 3])
            return held

        self.end_while(half_sent)
        self.end_while(lambda server: [self.send(server, V3 + "/image", picture) for _ in range(8)])  # decoding
        self.end_while(lambda server: [self.send(server, V3 + "/image", IMAGES[0]) for _ in range(60)], "--threads", "1")  # running
        if FAR:
            with web(public_network.ADDRESS) as port:
                url = json.dumps({"url": f"http://{public_network.ADDRESS}:{port}/hang"}).encode()
                content = b"Content-Type: application/json\r\n"
                self.end_while(lambda server: [self.send(server, V3 + "/url", url, content) for _ in range(20)], "--allow-url")

    def test_a_picture_takes_no_more_memory_than_the_manual_says(self):
        server = Server("--workers", "1")
        server.ask("POST", V3 + "/image", IMAGES[0], OCTETS)
        before = server.most_memory()
        status, answer = server.ask_json("POST", V3 + "/image", PROGRESSIVE, OCTETS)
        self.assertEqual((status, answer["code"]), (400, "BadRequestImageFormat"))
        self.assertEqual(server.ask("POST", V3 + "/image", make_png(10240, 10240), OCTETS)[0], 200)
        self.assertLess(server.most_memory() - before, 345)
        self.stop(server)

    def test_a_network_that_gives_no_numbers_is_an_error(self):
        for model, begin, end in ((DETECTOR, 336000, 340000), (CLASSIFIER, 1408, 1600)):  # inside of weights
            with tempfile.TemporaryDirectory() as folder:
                data = bytearray(model.read_bytes())
                data[begin:end] = struct.pack("<f", float("nan")) * ((end - begin) // 4)
                broken = pathlib.Path(folder) / "model.tflite"
                broken.write_bytes(data)
                shutil.copy(model.parent / "labels.txt", folder)
                server = Server(model=broken)
                for route in (V2 + "/image", "/image"):
                    status, body, _ = server.ask("POST", route, IMAGES[0], OCTETS)
                    self.assertEqual((status, json.loads(body)["code"]), (500, "ErrorPrediction"))
                    self.assertNotIn(b": NaN", body)
                self.stop(server)

    def test_where_threads_cannot_be_had_it_says_so(self):
        if os.getuid() != 0:
            self.skipTest("only root can take another user's part")
        nobody = 64123

        def limit(count):
            def apply():
                if count:
                    resource.setrlimit(resource.RLIMIT_NPROC, (count, count))
                os.setgroups([]), os.setgid(nobody), os.setuid(nobody)
            return apply

        @contextlib.contextmanager
        def crowd():
            """Sixty processes of the same user: to whoever is limited to fifty, nothing is left."""
            others = [subprocess.Popen(["sleep", "60"], preexec_fn=limit(0)) for _ in range(60)]
            try:
                yield
            finally:
                for one in others:
                    one.kill()
                    one.wait()

        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            tool, model = shutil.copy(TOOL, folder), shutil.copytree(DETECTOR.parent, folder + "/model") + "/model.tflite"
            for count in (1, 2, 3):
                done = subprocess.run([tool, "serve", model, "--threads", "8"], capture_output=True, text=True, timeout=60,
                                      preexec_fn=limit(count), check=False)
                self.assertEqual(done.returncode, 5, done)
                self.assertRegex(done.stderr, r"^visionpress: cannot start \d+ threads \(ulimit -u\?\)\n$")
            for arguments in (["--workers", "1", "--threads", "4"], ["--threads", "2", "--allow-url"]):
                server = Server(*arguments, tool=tool, model=model, preexec_fn=limit(50))
                with crowd():
                    for _ in range(5):
                        status, answer = server.ask_json("POST", V3 + "/image", IMAGES[0], OCTETS)
                        self.assertIn(status, (200, 503), answer)
                    if "--allow-url" in arguments:  # a name is resolved by a thread
                        status, answer = server.ask_json("POST", V3 + "/url", b'{"url": "http://name.example/"}', JSON)
                        self.assertEqual((status, answer["code"]), (503, "ErrorPrediction"))
                    self.assertEqual(server.ask("GET", "/health")[0], 200)
                self.assertEqual(server.ask("POST", V3 + "/image", IMAGES[0], OCTETS)[0], 200)
                self.stop(server)

    def test_a_call_in_flight_is_answered_before_the_end(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            server = Server()
            head = f"POST {V3}/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(IMAGES[0])}\r\n\r\n".encode()
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
