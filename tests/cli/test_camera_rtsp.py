#!/usr/bin/python3
"""`compress camera` on a server of RTSP that is killed and comes back: frames
arrive, the program tries again after longer and longer pauses, frames go on."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Iterator

try:
    import cv2
except ImportError:
    print("python3-opencv is not here")
    sys.exit(77)

MODEL = os.environ["SAMPLES"] + "/shapes8n.onnx"
SKIPPED, REJECTED = 77, 3
SIZE = (320, 240)
FRAMES = 20
LIMIT_S = 60
PAUSE_S = 0.25  # before the first try; each is twice as long as the one before
TRIES = 4
EARLY_S = 0.02  # clocks of two processes


# --- the server --------------------------------------------------------------

def make_pictures() -> None:
    os.mkdir("pictures")
    found = sorted(Path(os.environ["SAMPLES"], "data/val").glob("*.jpg"))
    for i, path in enumerate(found[:8]):
        cv2.imwrite(f"pictures/{i:03}.jpg",
                    cv2.resize(cv2.imread(str(path)), SIZE))


@contextlib.contextmanager
def serving(port: int = 0) -> Iterator[tuple[subprocess.Popen, int]]:
    """The server, and its port."""
    server = subprocess.Popen(["rtsp-server", "pictures", str(port)],
                              stdout=subprocess.PIPE, text=True)
    try:
        told = server.stdout.readline().strip()
        if server.poll() == SKIPPED or not told.isdigit():
            print(told)
            sys.exit(SKIPPED if server.wait() == SKIPPED else 1)
        yield server, int(told)
    finally:
        server.kill()
        server.wait()


def times_of_tries(port: int, count: int) -> list[float]:
    """When the program connects to where the server was; each is refused."""
    times = []
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(LIMIT_S)
        for _ in range(count):
            listener.accept()[0].close()
            times.append(time.monotonic())
    return times


# --- the program -------------------------------------------------------------

def start(port: int, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["compress", "camera", MODEL, "--source", f"rtsp://127.0.0.1:{port}/cam",
         "--headless", "-t", "1", "--tune", "off", "--json", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line_with(program: subprocess.Popen, text: str) -> str:
    """The next line on stderr that has it."""
    for line in program.stderr:
        if text in line:
            return line
    raise AssertionError(f"never said: {text}")


def wait_for_frames(page: str, more: int) -> int:
    """How many there are, when there are so many more."""
    count, first, end = 0, None, time.monotonic() + LIMIT_S
    while first is None or count < first + more:
        assert time.monotonic() < end, f"{count} frames, began with {first}"
        with urllib.request.urlopen(page + "stats", timeout=LIMIT_S) as answer:
            count = json.load(answer)["frames"]
        first = count if first is None else first
        time.sleep(0.05)
    return count


def frames_of(path: str) -> int:
    capture, count = cv2.VideoCapture(path), 0
    while capture.read()[0]:
        count += 1
    return count


# --- tests -------------------------------------------------------------------

def comes_back() -> None:
    with serving() as (server, port):
        program = start(port, "--http", "0", "--save", "live.mp4")
        page = re.search(r"http://\S+/", line_with(program, "http://"))[0]
        before = wait_for_frames(page, FRAMES)
        server.kill()
        line_with(program, "lost; trying to get it back")
        lost = time.monotonic()
    times = [lost, *times_of_tries(port, TRIES)]
    pauses = [b - a for a, b in zip(times, times[1:])]
    for i, pause in enumerate(pauses):
        assert pause >= PAUSE_S * 2 ** i - EARLY_S, pauses
    with serving(port):
        assert wait_for_frames(page, FRAMES) >= before + FRAMES
        program.send_signal(signal.SIGTERM)
        out, said = program.communicate(timeout=LIMIT_S)
    assert program.returncode == 0, (program.returncode, said)
    report = json.loads(out)
    assert report["reconnects"] == 1 and report["ended"] == "interrupted"
    assert report["source"]["kind"] == "url" and report["source"]["live"]
    assert (report["width"], report["height"]) == SIZE
    assert report["models"][0]["boxes"] > 0
    assert frames_of("live.mp4") > 0


def names_an_address_without_a_stream() -> None:
    with serving() as (_, port):
        program = start(port, "--timeout", "5", "--source",
                        f"rtsp://127.0.0.1:{port}/none")
        said = program.communicate(timeout=LIMIT_S)[1]
    assert program.returncode == REJECTED, program.returncode
    assert "/none: no video comes from this address" in said, said


def main() -> None:
    make_pictures()
    comes_back()
    names_an_address_without_a_stream()


main()
