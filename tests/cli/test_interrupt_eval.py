#!/usr/bin/python3
"""Ctrl-C ends an evaluation of many images with the numbers of those that were
done, says so, and gives exit code 130."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

DATA = Path(os.environ["SAMPLES"], "data/val")
IMAGES = 10000  # a minute of work
WAITS_S = (1, 2, 4, 8, 16, 32)  # until an image is done, under sanitizers too
LIMIT_S = 60


def write_annotations():
    """The sample's images again and again, each time with another id."""
    truth = json.loads((DATA / "instances.json").read_text(encoding="utf-8"))
    images, annotations = truth["images"], truth["annotations"]
    boxes = {}
    for a in annotations:
        boxes.setdefault(a["image_id"], []).append(a)
    truth["images"], truth["annotations"] = [], []
    for i in range(1, IMAGES + 1):
        image = images[i % len(images)]
        truth["images"].append(dict(image, id=i))
        for a in boxes.get(image["id"], []):
            truth["annotations"].append(
                dict(a, image_id=i, id=len(truth["annotations"]) + 1))
    Path("ann.json").write_text(json.dumps(truth), encoding="utf-8")


def interrupt(wait_s, *options):
    """(exit code, stdout, stderr)"""
    program = subprocess.Popen(
        ["compress", "eval", "m.onnx", "--ann", "ann.json", "--images", DATA,
         "--threads", "2", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(wait_s)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=LIMIT_S)
    return program.returncode, out, err


def interrupt_midway(*options):
    for wait_s in WAITS_S:
        result = interrupt(wait_s, *options)
        if result[1]:
            break
    return result


def check(holds, what, *found):
    if not holds:
        print(f"{what}:", *found)
        sys.exit(1)


def check_text():
    code, out, err = interrupt_midway()
    done = re.match(r"interrupted: .* images that were done\n"
                    r"ann\.json: (\d+) images?, ", out)
    check(code == 130 and done, "text", code, out, err)
    check(0 < int(done[1]) < IMAGES, "images", out)
    check(re.search(rf"  {done[1]} images? in ", out) and
          "AP    IoU .50 to .95" in out and not err, "numbers", out, err)


def check_json():
    """Detections of some images would pass for those of all."""
    code, out, err = interrupt_midway("--json", "--save-dets", "dets.json")
    check(code == 130 and "dets.json: not written" in err, "json", code, err)
    found = json.loads(out)
    check(found["interrupted"] is True and found["stats"]["AP"] > 0, "stats",
          out)
    check(0 < found["images"] < IMAGES, "images", found["images"])
    check(not Path("dets.json").exists(), "dets.json is there")


def check_at_once():
    """Before the first image: no numbers, a sentence."""
    for wait_s in (0.05, 0.1, 0.2, 0.4):
        code, out, err = interrupt(wait_s, "--save-dets", "none.json")
        if code == 130 and not out:
            check(re.fullmatch(r"compress: .*interrupted.*\n", err), "at once",
                  err)
            check(not Path("none.json").exists(), "none.json is there")
        elif code != -signal.SIGINT:  # it had not begun
            check(code == 130, "at once", code, out, err)
            Path("none.json").unlink(missing_ok=True)


def main():
    shutil.copy(Path(os.environ["SAMPLES"], "shapes8n.onnx"), "m.onnx")
    write_annotations()
    check_text()
    check_json()
    check_at_once()
    check(not list(Path().glob(".*")), "left behind", *Path().glob(".*"))


main()
