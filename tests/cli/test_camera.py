#!/usr/bin/python3
"""`compress camera` on sources that the test makes itself: files, pipes, and a
server of Motion JPEG that changes its size, drops connections and falls silent.
What the program tells is held against what was sent, files are read back.
"""

import contextlib
import csv
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

try:
    import cv2
    import numpy
except ImportError:
    print("python3-opencv is not here")
    sys.exit(77)

MODEL = os.environ["SAMPLES"] + "/shapes8n.onnx"
IMAGES = [cv2.imread(str(p)) for p in
          sorted(Path(os.environ["SAMPLES"], "data/val").glob("*.jpg"))[:6]]
REJECTED, INTERRUPTED = 3, 130
LIMIT_S = 120
TRIES = 6
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync",
            "--user-data-dir=profile")


# --- sources -----------------------------------------------------------------

def make_video(name, frames, *more):
    subprocess.run(["test-video", name, str(frames), *more], check=True)


class Stream(http.server.BaseHTTPRequestHandler):
    """What `script` yields, one script for each connection, as Motion JPEG;
    when a script ends, the connection does."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type",
                         "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        number = self.server.connections
        self.server.connections += 1
        with contextlib.suppress(OSError):
            for image in self.server.script(number):
                jpeg = cv2.imencode(".jpg", image)[1].tobytes()
                self.wfile.write(b"--part\r\nContent-Type: image/jpeg\r\n"
                                 b"Content-Length: %d\r\n\r\n" % len(jpeg)
                                 + jpeg + b"\r\n")


@contextlib.contextmanager
def serving(script):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    server.daemon_threads = True
    server.script, server.connections = script, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/cam"
    finally:
        server.shutdown()
        server.server_close()


def frames(count, size=(320, 240), fps=50):
    for i in range(count):
        yield cv2.resize(IMAGES[i % len(IMAGES)], size)
        time.sleep(1 / fps)


def forever(size=(320, 240), fps=50):
    return frames(10 ** 9, size, fps)


# --- the program -------------------------------------------------------------

def start(*arguments, **more):
    return subprocess.Popen(
        ["compress", "camera", MODEL, "--headless", "-t", "2", "--tune", "off",
         "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, **more)


def finish(program, code=0):
    """The JSON, or None, and what it said."""
    try:
        out, said = program.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        program.kill()
        raise AssertionError(f"hangs: {program.communicate()}") from None
    assert program.returncode == code, (program.returncode, out, said)
    return json.loads(out) if out else None, said


def run(*arguments, code=0, **more):
    return finish(start(*arguments, **more), code)


def wait_until(what, is_so, limit_s=60):
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def read_back(path):
    """(frames, width, height) of a video, all of it decoded."""
    capture, count, shape = cv2.VideoCapture(path), 0, (0, 0)
    while True:
        good, frame = capture.read()
        if not good:
            return count, shape[1], shape[0]
        count, shape = count + 1, frame.shape


def nothing_left(*names):
    left = [p for p in os.listdir(".") if p in names or ".tmp" in p]
    assert not left, left


# --- tests -------------------------------------------------------------------

def finds_what_detect_finds():
    make_video("v.avi", 20)
    capture = cv2.VideoCapture("v.avi")
    os.mkdir("frames")
    for i in range(20):
        cv2.imwrite(f"frames/{i:03}.png", capture.read()[1])
    told = json.loads(subprocess.run(
        ["compress", "detect", MODEL, "frames", "--json", "-t", "2", "--tune",
         "off"], stdout=subprocess.PIPE, check=True).stdout)
    want = [str(len(i["detections"])) for i in told["images"]]
    report, _ = run("--source", "v.avi", "--csv", "v.csv")
    table = rows("v.csv")
    assert [r["boxes"] for r in table] == want
    assert [r["frame"] for r in table] == [str(i + 1) for i in range(20)]
    assert report["frames"] == report["captured"] == 20
    assert report["dropped"] == 0 and report["ended"] == "end of stream"
    assert report["models"][0]["boxes"] == sum(map(int, want)) > 0
    assert report["source"] == {"source": "v.avi", "kind": "file",
                                "live": False, "fps": 25, "frames": 20}
    for row in table:
        parts = sum(float(row[k + "_ms"]) for k in
                    ("capture", "wait", "pre", "inference", "post"))
        assert 0 < parts <= float(row["latency_ms"]) + 0.01, row


def saves_every_frame_with_boxes():
    make_video("s.mp4", 30)
    for name in ("o.mp4", "o.avi", "o.mkv"):
        report, _ = run("--source", "s.mp4", "--save", name)
        assert report["save"] == name and report["ms"]["draw"]["p50"] > 0
        assert read_back(name) == (30, 320, 240), read_back(name)
    plain, drawn = cv2.VideoCapture("s.mp4"), cv2.VideoCapture("o.mp4")
    a, b = plain.read()[1], drawn.read()[1]
    corner = b[5:60, 5:80].mean() / a[5:60, 5:80].mean()
    assert corner < 0.6, "no panel of figures at the top left"


def compares_two_models():
    make_video("c.avi", 10)
    report, _ = run("--source", "c.avi", "--compare", MODEL, "--save", "c.mp4",
                    "--csv", "c.csv")
    first, second = report["models"]
    assert first["boxes"] == second["boxes"] > 0
    assert read_back("c.mp4") == (10, 640, 240)
    assert all(r["boxes"] == r["boxes_2"] for r in rows("c.csv"))


def reads_pipes():
    make_video("p.avi", 15)
    os.mkfifo("pipe")
    program = start("--source", "pipe")
    shutil.copyfileobj(open("p.avi", "rb"), open("pipe", "wb"))
    report, _ = finish(program)
    assert (report["frames"], report["dropped"]) == (15, 0), report
    with open("p.avi", "rb") as video:
        report, _ = run("--source", "-", stdin=video)
    assert (report["frames"], report["dropped"]) == (15, 0), report


def takes_every_frame_of_a_video_that_changes_its_size():
    """All as large as the first, which is what OpenCV makes of them."""
    sizes = [(320, 240)] * 10 + [(640, 480)] * 10
    Path("sizes.mjpeg").write_bytes(b"".join(
        cv2.imencode(".jpg", cv2.resize(IMAGES[i % len(IMAGES)], size))[1]
        for i, size in enumerate(sizes)))
    with open("sizes.mjpeg", "rb") as video:
        reports = [run("--source", "sizes.mjpeg", "--save", "sizes.mp4")[0],
                   run("--source", "-", stdin=video)[0]]
    for report in reports:
        assert (report["frames"], report["ended"]) == (20, "end of stream")
        assert (report["width"], report["height"]) == (320, 240), report
        assert report["size_changes"] == 0, report
    assert reports[0]["models"][0]["boxes"] == reports[1]["models"][0]["boxes"]
    assert read_back("sizes.mp4") == (20, 320, 240)


def ends_while_a_pipe_is_silent():
    os.mkfifo("silent")
    program = start("--source", "silent", "--save", "never.mp4", "--csv",
                    "never.csv")
    time.sleep(1.5)
    program.terminate()
    started = time.monotonic()
    finish(program, INTERRUPTED)
    assert time.monotonic() - started < 10
    nothing_left("never.mp4", "never.csv")


def keeps_what_was_done_when_a_file_is_interrupted():
    make_video("long.avi", 1500)
    program = start("--source", "long.avi", "--save", "part.mp4", "--csv",
                    "part.csv")
    wait_until("a temporary file", lambda: any(
        ".tmp.mp4" in p and os.path.getsize(p) > 20000
        for p in os.listdir(".")))
    program.terminate()
    report, said = finish(program, INTERRUPTED)
    count = report["frames"]
    assert report["ended"] == "interrupted" and 0 < count < 1500
    assert f"interrupted after {count} of 1500 frames" in said
    assert read_back("part.mp4")[0] == count == len(rows("part.csv"))


def comes_back_to_a_live_source():
    """320x240, lost, 640x480: in one video of the first size."""
    def script(number):
        return frames(40) if number == 0 else forever((640, 480))

    with serving(script) as (server, url):
        program = start("--source", url, "--save", "live.mp4", "--csv",
                        "live.csv")
        wait_until("a second connection", lambda: server.connections > 1)
        time.sleep(1.5)
        program.send_signal(signal.SIGINT)
        report, said = finish(program)
    assert report["source"]["live"] and report["ended"] == "interrupted"
    assert report["reconnects"] >= 1 and report["size_changes"] == 1
    assert (report["width"], report["height"]) == (640, 480)
    assert "lost; trying to get it back" in said
    count, width, height = read_back("live.mp4")
    assert (width, height) == (320, 240)
    seconds = report["elapsed_ms"] / 1e3
    assert abs(count / 25 - seconds) < 0.5, (count, seconds)
    assert {r["width"] for r in rows("live.csv")} == {"320", "640"}


def sees_that_a_stream_changed_its_size():
    def script(number):
        if number == 0:
            yield from frames(30)
        yield from forever((480, 360))

    with serving(script) as (_, url):
        secret = url.replace("//", "//user:secret@")
        report, said = run("--source", secret, "--frames", "90", "--csv",
                           "size.csv")
    assert report["source"]["source"] == url, report["source"]
    assert "stands still; opening it again" in said
    table = rows("size.csv")
    assert table[-1]["width"] == "480" and table[0]["width"] == "320"
    assert report["size_changes"] == 1 and report["ended"] == "frames"


def drops_old_frames_of_a_live_source():
    with serving(lambda _: forever((640, 480), 1000)) as (_, url):
        report, _ = run("--source", url, "--frames", "60", "--compare", MODEL,
                        "-t", "1")
    assert report["frames"] == 60 and report["dropped"] > 5, report
    waiting = report["captured"] - report["frames"] - report["dropped"]
    assert 0 <= waiting <= 4, report
    work = sum(t["p50"] for m in report["models"] for t in m["ms"].values())
    assert report["ms"]["latency"]["p50"] < 2.5 * work + 20, report


def gives_up_on_a_source_that_is_gone():
    with serving(lambda _: frames(30)) as (server, url):
        program = start("--source", url, "--reconnect", "2", "--save",
                        "gone.mp4", "--timeout", "1")
        wait_until("a connection", lambda: server.connections > 0)
        server.socket.close()
        report, said = finish(program, REJECTED)
    assert "lost; tried 2 times to get it back" in said
    assert report["ended"] == "lost" and report["frames"] > 0
    assert read_back("gone.mp4")[0] > 0


def does_not_wait_for_a_server_that_says_nothing():
    def script(_):
        time.sleep(20)
        yield IMAGES[0]

    with serving(script) as (_, url):
        _, said = run("--source", url, "--timeout", "1", code=REJECTED)
        assert "no video comes from this address" in said
        program = start("--source", url, "--timeout", "60")
        time.sleep(1.5)
        program.terminate()
        started = time.monotonic()
        finish(program, INTERRUPTED)
        assert time.monotonic() - started < 10


# --- the page ----------------------------------------------------------------

def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer, connection


def read_pictures(port, count):
    """The first pictures of the stream."""
    answer, connection = ask(port, "/stream")
    kind = answer.headers["Content-Type"]
    assert kind.startswith("multipart/x-mixed-replace; boundary="), kind
    boundary = b"--" + kind.split("=")[1].encode()
    pictures = []
    for _ in range(count):
        assert answer.readline().strip() == boundary
        size = 0
        while line := answer.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        pictures.append(answer.read(size))
        assert answer.readline() == b"\r\n"
    connection.close()
    return pictures


def shows_a_picture(url, size):
    subprocess.run(["chromium", *CHROMIUM, "--window-size=" + size,
                    "--timeout=4000", "--screenshot=page.png", url],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=100, check=True)
    page = cv2.imread("page.png")
    os.remove("page.png")
    return page[60:200, 20:340].std() > 20


def look_with_chromium(url):
    """The picture and the figures, in a browser of full size and a phone's."""
    for size in ("1200,700", "400,800"):
        assert any(shows_a_picture(url, size) for _ in range(TRIES)), size
    # A busy machine shows the first figures late.
    for _ in range(TRIES):
        dom = subprocess.run(["chromium", *CHROMIUM, "--timeout=4000",
                              "--dump-dom", url], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, timeout=100,
                             text=True, check=True).stdout
        if 'data-state="live">live<' in dom:
            break
    assert 'data-state="live">live<' in dom, dom
    assert re.search(r'id="frames">[1-9][0-9]*<', dom), dom
    assert "<caption>shapes8n.onnx, " in dom, dom


def shows_a_page():
    with serving(lambda _: forever()) as (_, url):
        program = start("--source", url, "--http", "0")
        page = re.search(r"http://127\.0\.0\.1:(\d+)/",
                         program.stderr.readline())
        port = int(page[1])
        pictures = read_pictures(port, 4)
        shape = cv2.imdecode(numpy.frombuffer(
            pictures[-1], "uint8"), cv2.IMREAD_COLOR).shape
        assert shape == (240, 320, 3) and len(set(pictures)) > 1
        stats = json.loads(ask(port, "/stats")[0].read())
        assert stats["schema"] == "compress.camera/1" and not stats["ended"]
        assert stats["frames"] > 0 and stats["ms"]["draw"]["p50"] > 0
        assert ask(port, "/")[0].read().startswith(b"<!doctype html>")
        assert ask(port, "/none")[0].status == 404
        assert ask(port, "/stats", "POST")[0].status == 405
        assert ask(port, "/stats", Host="camera.example")[0].status == 403
        said = run("--source", url, "--http", str(port), code=REJECTED)[1]
        assert "Address already in use" in said, said
        if shutil.which("chromium"):
            look_with_chromium(page[0])
        # With a viewer who does not read.
        slow = ask(port, "/stream")[1]
        time.sleep(0.5)
        program.terminate()
        report, _ = finish(program)
        slow.close()
    assert report["http"] == page[0] and report["ended"] == "interrupted"


LOOK = """
import subprocess, sys, time
import numpy
from PIL import ImageGrab
program = subprocess.Popen(sys.argv[1:])
end = time.monotonic() + 60
colours = 0
while colours < 1000 and time.monotonic() < end and program.poll() is None:
    time.sleep(0.2)
    screen = numpy.array(ImageGrab.grab(xdisplay=""))[:240, :320, :3]
    colours = len(numpy.unique(screen.reshape(-1, 3), axis=0))
program.terminate()
print(colours, program.wait(60))
"""


def shows_a_window():
    """On a display of its own, where there is xvfb-run."""
    if not shutil.which("xvfb-run"):
        return
    # What a toolkit keeps is no leak of ours.
    env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "")
               + ":detect_leaks=0")
    with serving(lambda _: forever()) as (_, url):
        told = subprocess.run(
            ["xvfb-run", "-a", sys.executable, "-c", LOOK, "compress", "camera",
             MODEL, "--source", url, "-q", "-t", "1"], stdout=subprocess.PIPE,
            env=env, stderr=subprocess.DEVNULL, text=True, timeout=LIMIT_S).stdout
    colours, code = told.split()  # a window without a picture has few
    assert int(colours) >= 1000 and code == "0", told


TESTS = [finds_what_detect_finds, saves_every_frame_with_boxes,
         compares_two_models, reads_pipes,
         takes_every_frame_of_a_video_that_changes_its_size,
         ends_while_a_pipe_is_silent,
         keeps_what_was_done_when_a_file_is_interrupted,
         comes_back_to_a_live_source, sees_that_a_stream_changed_its_size,
         drops_old_frames_of_a_live_source, gives_up_on_a_source_that_is_gone,
         does_not_wait_for_a_server_that_says_nothing, shows_a_page,
         shows_a_window]


def main():
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    wrong = 0
    for test in TESTS:
        if sys.argv[1:] and test.__name__ not in sys.argv[1:]:
            continue
        begin = time.monotonic()
        try:
            test()
        except Exception as error:  # noqa: BLE001 - told, and counted
            wrong += 1
            line = error.__traceback__
            while line.tb_next:
                line = line.tb_next
            print(f"{test.__name__}: {type(error).__name__}, line "
                  f"{line.tb_lineno}: {error}")
        if os.environ.get("TIMES"):
            print(f"{test.__name__}: {time.monotonic() - begin:.1f} s")
    sys.exit(wrong > 0)


main()
