#!/usr/bin/python3
"""Pipes as inputs: what comes through one is read, and a pipe that nobody
writes to is waited for until a signal comes, or is refused at once.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ANNOTATIONS = os.environ["SAMPLES"] + "/data/val/instances.json"
MODEL = os.environ["SAMPLES"] + "/shapes8n.onnx"
INTERRUPTED = 130
REJECTED = 3

# Arguments, and the exit code after a SIGTERM, or without one.
SILENT = {
    "annotations": (["eval", "--ann", "pipe", "--dets", "dets.json"],
                    INTERRUPTED),
    "detections": (["eval", "--ann", ANNOTATIONS, "--dets", "pipe"],
                   INTERRUPTED),
    "data.yaml": (["eval", "--ann", "pipe.yaml", "--dets", "dets.json"],
                  REJECTED),
    "labels": (["eval", "--ann", "set/data.yaml", "--dets", "dets.json"],
               REJECTED),
    "list file": (["eval", "--ann", "list.yaml", "--dets", "dets.json"],
                  REJECTED),
    "names": (["detect", MODEL, "--names", "pipe", "a.png"], INTERRUPTED),
    "tensor": (["infer", MODEL, "-i", "pipe"], INTERRUPTED),
}


def silent(arguments, want):
    program = subprocess.Popen(["compress", *arguments],
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while program.poll() is None and time.monotonic() < end:
        try:
            call = Path(f"/proc/{program.pid}/syscall").read_text().split()[0]
        except OSError:  # not allowed to look
            call = "7" if end - time.monotonic() < 57 else ""
        if want == INTERRUPTED and call in ("7", "73", "271"):  # poll()
            program.terminate()
            break
        time.sleep(0.05)
    try:
        _, message = program.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        program.kill()
        return "hangs"
    if program.returncode != want or not message.startswith("compress: "):
        return f"exit code {program.returncode}: {message}"
    return ""


def spoken(arguments, text):
    """The text comes after a while."""
    read_end, write_end = os.pipe()
    program = subprocess.Popen(
        ["compress", *arguments, f"/dev/fd/{read_end}"], pass_fds=[read_end],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    os.close(read_end)
    time.sleep(0.3)
    with os.fdopen(write_end, "w") as pipe:
        pipe.write(text)
    _, message = program.communicate(timeout=60)
    return "" if program.returncode == 0 else message


def main():
    signal.alarm(250)
    for folder in ("set/images", "set/labels"):
        os.makedirs(folder)
    for pipe in ("pipe", "pipe.yaml", "set/labels/a.txt", "list.txt"):
        os.mkfifo(pipe)
    Path("dets.json").write_text("[]")
    picture = Path(os.environ["SAMPLES"] + "/data/val")
    first = next(p for p in sorted(picture.rglob("*")) if p.suffix in
                 (".jpg", ".png"))
    for to in ("a.png", "set/images/a.png"):
        Path(to).write_bytes(first.read_bytes())
    Path("set/data.yaml").write_text("val: images\nnames: [a]\n")
    Path("list.yaml").write_text("val: list.txt\nnames: [a]\n")
    wrong = 0
    for name, (arguments, want) in SILENT.items():
        said = silent(arguments, want)
        wrong += said != ""
        if said:
            print(f"{name}: {said}")
    said = spoken(["eval", "--ann", ANNOTATIONS, "--dets"], "[]")
    said += spoken(["detect", MODEL, "a.png", "--names"], "a\nb\nc\nd\ne\nf\ng\nh\n")
    if said:
        print(said)
    sys.exit(wrong > 0 or said != "")


main()
