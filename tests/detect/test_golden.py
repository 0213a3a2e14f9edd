#!/usr/bin/python3
"""Detections of real models on real images against the golden ones: those of
yolov8n (OpenCV's letterbox, ONNX Runtime) on all of coco/val, with the
settings of an evaluation.

Skipped where there is no ../shared.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PIXELS = 0.5
SCORE = 1e-3
# Of 24,277: where two engines' scores differ in the last digit, NMS may keep
# the other one of two boxes.
UNMATCHED = 24


def find(boxes, golden):
    """Takes the box that is `golden` out of `boxes`."""
    for i, box in enumerate(boxes):
        if box["label"] == golden["label"] and \
                abs(box["score"] - golden["score"]) < SCORE and \
                max(abs(a - b) for a, b in
                    zip(box["bbox"], golden["bbox"])) < PIXELS:
            del boxes[i]
            return True
    return False


def limit():
    """Images: under a sanitizer they take ten times as long."""
    return None if Path(os.environ["BUILD_DIR"]).name == "release" else 16


def main():
    shared = os.environ.get("SHARED")
    if not shared:
        print("no ../shared")
        sys.exit(77)
    shared = Path(shared)
    truth = json.loads((shared / "coco/val/instances.json").read_text())
    labels = {c["id"]: i for i, c in enumerate(truth["categories"])}
    ids = {i["file_name"]: i["id"] for i in truth["images"]}
    golden = {}
    for d in json.loads((shared / "golden/dets-yolov8n.json").read_text()):
        d["label"] = labels[d["category_id"]]
        golden.setdefault(d["image_id"], []).append(d)
    done = subprocess.run(
        ["compress", "detect", shared / "models/yolov8n.onnx",
         *sorted((shared / "coco/val/images").iterdir())[:limit()], "--conf",
         "0.001", "--multi-label", "--json"],
        stdout=subprocess.PIPE, check=True)
    images = json.loads(done.stdout)["images"]
    total = sum(len(golden.get(ids[Path(i["path"]).name], []))
                for i in images)
    missing = sum(not find(i["detections"], d) for i in images
                  for d in golden.get(ids[Path(i["path"]).name], []))
    extra = sum(len(i["detections"]) for i in images)
    print(f"{total} golden boxes, {missing} not found, {extra} others")
    sys.exit(not total or missing > UNMATCHED or extra > UNMATCHED)


main()
