#!/usr/bin/python3
"""The input that the program makes of an image is, bit by bit, the one that
OpenCV's resize and numpy make: `compress infer` of a model that gives its
input back.

Skipped without python3-opencv or python3-onnx.
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(os.environ["ROOT"], "tests", "peers")))
try:
    import cv2
    import numpy as np
    from onnx import TensorProto, helper, save
except ImportError as missing:
    print(missing)
    sys.exit(77)

import detection

FLOAT, HALF, BYTES = (TensorProto.FLOAT, TensorProto.FLOAT16,
                      TensorProto.UINT8)
SIZES = [(1, 1), (1, 7), (2, 2), (30, 17), (319, 241), (320, 192), (500, 375),
         (640, 384), (640, 480), (641, 480), (960, 576), (1280, 720), (13, 900),
         (2000, 20)]
INPUT = (192, 320)  # height, width
NUMPY = {FLOAT: "float32", HALF: "float16", BYTES: "uint8"}


def write_identity(path, dtype):
    x, y = (helper.make_tensor_value_info(name, dtype, [1, 3, *INPUT])
            for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])],
                              "g", [x], [y])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), path)


def expected(image, dtype):
    square, _ = detection.letterbox(image, *INPUT)
    planes = square[:, :, ::-1].transpose(2, 0, 1)
    if dtype == BYTES:
        return planes
    return (planes.astype("float32") / np.float32(255)).astype(NUMPY[dtype])


def differs(image, dtype, name):
    cv2.imwrite("image.png", image)
    subprocess.run(["compress", "infer", f"identity{dtype}.onnx", "-i",
                    "image.png", "-o", "y.raw", "--force", "--quiet"],
                   check=True)
    found = np.fromfile("y.raw", NUMPY[dtype]).reshape(3, *INPUT)
    if np.array_equal(found, expected(image, dtype)):
        return False
    print(f"{name} {image.shape[1]}x{image.shape[0]}: differs")
    return True


def main():
    random = np.random.default_rng(1)
    wrong = 0
    for dtype in NUMPY:
        write_identity(f"identity{dtype}.onnx", dtype)
        for width, height in SIZES:
            image = random.integers(0, 256, (height, width, 3), np.uint8)
            wrong += differs(image, dtype, NUMPY[dtype])
    sys.exit(wrong > 0)


main()
