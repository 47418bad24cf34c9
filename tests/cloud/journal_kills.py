#!/usr/bin/env python3
"""`visionpress cloud predict` is killed again and again: no answer that it has got may be lost, and none asked again but the one under way.

usage: journal_kills.py VISIONPRESS [--kills N] [--seed N]      Standard library only.
"""
import argparse
import hashlib
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROJECT = "00000000-0000-0000-0000-000000000001"
IMAGES = 300


class Service(http.server.BaseHTTPRequestHandler):
    """Answers each image with one box, and counts how often each is asked for."""

    protocol_version = "HTTP/1.1"
    asked = {}
    answered = 0

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # the client was killed while it asked
        time.sleep(0.002)
        name = hashlib.sha1(body).hexdigest()
        Service.asked[name] = Service.asked.get(name, 0) + 1
        box = {"left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5}
        answer = json.dumps({"predictions": [{"tagName": "boat", "probability": 0.5, "boundingBox": box}]}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            Service.answered += 1
        except OSError:
            pass  # the client was killed

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that was killed


def make_data(folder):
    with open(os.path.join(ROOT, "demo", "images", "scene-16.jpg"), "rb") as file:
        picture = file.read()
    images = []
    for number in range(IMAGES):
        name = f"{number}.jpg"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(picture + b"%d" % number)  # behind the end: the same picture, another content
        images.append({"id": number, "file_name": name, "width": 416, "height": 416})
    path = os.path.join(folder, "data.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"images": images, "annotations": [], "categories": [{"id": 1, "name": "boat"}]}, file)
    return path


def read_journal(partial):
    if not os.path.exists(partial):
        return b""
    with open(partial, "rb") as file:
        return file.read()


def count_answers(journal):
    return sum(line.startswith(b'{"content":') for line in journal.split(b"\n")[:-1])  # the last one has no end


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    rng = random.Random(options.seed)
    server = Server(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="visionpress-kills-") as folder:
        out = os.path.join(folder, "out.json")
        command = [options.tool, "cloud", "predict", "-p", PROJECT, "--published", "v", "--data", make_data(folder),
                   "--save-predictions", out, "--endpoint", f"http://127.0.0.1:{server.server_port}", "--quiet"]
        environment = {**os.environ, "VISIONPRESS_CV_PREDICTION_KEY": "k"}
        kept = kills = 0
        journal = b""
        while kills < options.kills and not os.path.exists(out):
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wanted, patience = Service.answered + rng.randrange(6), time.monotonic() + 5
            while Service.answered < wanted and process.poll() is None and time.monotonic() < patience:
                time.sleep(0.0005)
            time.sleep(rng.uniform(0.0, 0.004))
            process.send_signal(signal.SIGKILL)
            said = process.communicate()[1]
            if process.returncode != -signal.SIGKILL:
                assert process.returncode == 0, said.decode()
                break
            kills += 1
            before, journal = journal, read_journal(out + ".partial")
            assert journal.startswith(before), f"kill {kills}: what was in the journal has changed"
            now = count_answers(journal)
            assert now >= kept, f"kill {kills} left {now} answers of {kept}"
            assert now >= Service.answered - kills, f"{now} answers are kept of the {Service.answered} that were given"
            kept = now
        done = subprocess.run(command + ["--force"], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with open(out, encoding="utf-8") as file:
            assert len({row["image_id"] for row in json.load(file)}) == IMAGES
        assert not os.path.exists(out + ".partial")
        again = sum(Service.asked.values()) - IMAGES
        assert len(Service.asked) == IMAGES and again <= kills, f"{again} images were asked for again in {kills} kills"
        print(f"{kills} kills, {kept} answers kept to the last, {again} asked again")
    server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
