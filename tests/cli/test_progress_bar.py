#!/usr/bin/python3
"""The progress bar of an evaluation is drawn on a terminal, and not with
--json or --quiet."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

DATA = Path(os.environ["SAMPLES"], "data/val")
TIMES = 2  # the sample's images: more than the half second without a bar


def write_annotations():
    truth = json.loads((DATA / "instances.json").read_text(encoding="utf-8"))
    images, truth["annotations"] = truth["images"], []
    truth["images"] = [dict(image, id=i) for i, image in
                       enumerate(images * TIMES, 1)]
    Path("ann.json").write_text(json.dumps(truth), encoding="utf-8")


def drain(terminal):
    """What was written to it, until the last writer has closed it."""
    text = b""
    while True:
        try:
            some = os.read(terminal, 4096)
        except OSError:
            some = b""
        if not some:
            return text
        text += some


def draws(*options):
    """Whether anything comes on the terminal that is stderr."""
    terminal, side = pty.openpty()
    with subprocess.Popen(
            ["compress", "eval", "m.onnx", "--ann", "ann.json", "--images",
             DATA, "--threads", "1", *options],
            stdout=subprocess.DEVNULL, stderr=side) as program:
        os.close(side)
        text = drain(terminal)
    os.close(terminal)
    if program.returncode:
        sys.exit(f"{options}: exit code {program.returncode}: {text}")
    return b"eval   [" in text


def main():
    shutil.copy(Path(os.environ["SAMPLES"], "shapes8n.onnx"), "m.onnx")
    write_annotations()
    found = [draws(*options) for options in ([], ["--json"], ["--quiet"])]
    if found != [True, False, False]:
        sys.exit(f"bars with no option, --json, --quiet: {found}")


main()
