#!/usr/bin/python3
"""--rect and --size on a model that leaves its input open: the inputs have
Ultralytics' sizes, and boxes land where the object is, in images of several
shapes. The model's score of a cell is its brightness.

Skipped without python3-opencv or python3-onnx.
"""

import json
import subprocess
import sys

try:
    import cv2
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError as missing:
    print(missing)
    sys.exit(77)

STRIDE = 8
LONGEST = 64
# Where the mean of the cells that are bright lies: an edge of the object leaves
# it open whether half a cell belongs to it.
TOLERANCE_CELLS = 0.5
# Image (height, width), and its input with a longest side of 64, stride 32.
IMAGES = {"wide": ((50, 100), (64, 96)), "tall": ((100, 50), (96, 64)),
          "equal": ((64, 64), (96, 96)), "same": ((25, 50), (64, 96))}


def write_model():
    """Maps of distances [1,4,h,w], all 1, and scores [1,1,h,w]."""
    weights = {"wb": np.zeros((4, 3, STRIDE, STRIDE), "float32"),
               "bb": np.ones(4, "float32"),
               "ws": np.full((1, 3, STRIDE, STRIDE), 20 / 192, "float32"),
               "bs": np.array([-10], "float32")}
    nodes = [helper.make_node("Conv", ["x", w, b], [y],
                              strides=[STRIDE, STRIDE])
             for w, b, y in (("wb", "bb", "boxes"), ("ws", "bs", "scores"))]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [info("boxes", TensorProto.FLOAT, [1, 4, "a", "b"]),
         info("scores", TensorProto.FLOAT, [1, 1, "a", "b"])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), "m.onnx")


def write_image(name, height, width):
    """A white square on black; its centre, from edge to edge."""
    image = np.zeros((height, width, 3), np.uint8)
    x, y = width * 3 // 4, height // 3
    top, bottom, left, right = max(y - 9, 0), y + 10, x - 9, x + 10
    image[top:bottom, left:right] = 255
    cv2.imwrite(f"{name}.png", image)
    return (left + right) / 2, (top + bottom) / 2


def detect(options):
    done = subprocess.run(
        ["compress", "detect", "m.onnx", *(f"{n}.png" for n in IMAGES),
         "--json", "--size", str(LONGEST), "--conf", "0.9", *options],
        stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["images"]


def problem(image, centre, size):
    if (image["input_height"], image["input_width"]) != size:
        return f"input {image['input_height']}x{image['input_width']}"
    if not image["detections"]:
        return "nothing found"
    boxes = np.array([d["bbox"] for d in image["detections"]])
    mean = (boxes[:, :2] + boxes[:, 2:] / 2).mean(axis=0)
    cell = STRIDE * max(image["width"], image["height"]) / LONGEST
    if abs(mean - centre).max() > TOLERANCE_CELLS * cell:
        return f"mean {mean}, the object is at {centre}"
    return ""


def main():
    write_model()
    centres = [write_image(n, *shape) for n, (shape, _) in IMAGES.items()]
    wrong = 0
    for options in ([], ["--rect"]):
        for image, name, centre in zip(detect(options), IMAGES, centres):
            size = IMAGES[name][1] if options else (64, 64)
            said = problem(image, centre, size)
            if image["path"] != f"{name}.png":
                said = f"found at the place of {image['path']}"
            if said:
                print(f"{name} {options}: {said}")
            wrong += said != ""
    sys.exit(wrong > 0)


main()
