#!/usr/bin/python3
"""Boxes of negative sizes are dropped and counted; scores above 1 are counted;
an IoU of 0 is what was asked for and not a default. In `detect` and in `eval`,
whose detections can be read again.

Skipped without python3-opencv or python3-onnx.
"""

import json
import subprocess
import sys
from pathlib import Path

try:
    import cv2
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError as missing:
    print(missing)
    sys.exit(77)

FLOAT = TensorProto.FLOAT
CELLS = 84  # 8 * 8 + 4 * 4 + 2 * 2
# cx, cy, w, h, two scores.
BOXES = [(32, 32, -10, 10, .9, 0),  # dropped
         (32, 32, 10, -10, .9, 0),  # dropped
         (20, 20, 20, 20, 5, 0),    # above 1
         (38, 20, 20, 20, .8, 0)]   # overlaps it by 1/19


def write_model():
    rows = np.zeros((1, 6, CELLS), "float32")
    for i, box in enumerate(BOXES):
        rows[0, :, i] = box
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
             helper.make_node("Mul", ["m", "zero"], ["z"]),
             helper.make_node("Add", ["c", "z"], ["y"])]
    constants = [numpy_helper.from_array(rows, "c"),
                 numpy_helper.from_array(np.float32(0), "zero")]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", FLOAT, rows.shape)], constants)
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), "m.onnx")


def run(*command):
    done = subprocess.run(["compress", *command, "--json"],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return json.loads(done.stdout)


def check(what, found, want):
    if found != want:
        sys.exit(f"{what}: {found}, want {want}")


def main():
    cv2.imwrite("a.png", np.zeros((64, 64, 3), np.uint8))
    Path("ann.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "area": 400,
                         "iscrowd": 0, "bbox": [10, 10, 20, 20]}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}))
    write_model()
    image = run("detect", "m.onnx", "a.png", "--decoder", "v8")["images"][0]
    check("boxes", len(image["detections"]), 2)
    check("dropped", image["dropped"], 2)
    check("above 1", image["above_one"], 1)
    image = run("detect", "m.onnx", "a.png", "--decoder", "v8", "--iou",
                "0")["images"][0]
    check("boxes at IoU 0", len(image["detections"]), 1)
    told = run("eval", "m.onnx", "--ann", "ann.json", "--decoder", "v8",
               "--iou", "0", "--save-dets", "dets.json")
    check("detections", told["detections"], 1)
    check("IoU", told["run"]["iou_threshold"], 0)
    check("not finite", told["run"]["not_finite"], 2)
    check("above 1", told["run"]["above_one"], 1)
    check("class note", told["run"]["class_note"],
          "classes are matched by position: the model has no names")
    run("eval", "--dets", "dets.json", "--ann", "ann.json")


main()
