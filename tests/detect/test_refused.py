#!/usr/bin/python3
"""Models whose input or outputs are none that a decoder reads: `detect` and
`eval` end with exit code 3 and one sentence that names the shapes, and write
nothing.

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

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT32
IMAGE = [1, 3, 64, 64]
CELLS = 84  # 8 * 8 + 4 * 4 + 2 * 2
EFFICIENT_NMS = [[1, 1], [1, 100, 4], [1, 100], [1, 100]]

# What it is: (input's shape, [(type, shape) of outputs], shapes to be named).
MODELS = {
    "two images at a time": ([2, 3, 64, 64], [(FLOAT, [2, 84, CELLS])],
                             "[2,3,64,64]"),
    "results of two images": (IMAGE, [(FLOAT, [2, 84, CELLS])],
                              f"[2,84,{CELLS}]"),
    "channels last": ([1, 64, 64, 3], [(FLOAT, [1, 84, CELLS])],
                      "[1,64,64,3]"),
    "channels last, open": (["n", "h", "w", 3], [(FLOAT, [1, 84, CELLS])],
                            "[?,?,?,3]"),
    "maps with channels last": (
        IMAGE, [(FLOAT, [1, s, s, 255]) for s in (8, 4, 2)],
        "[1,8,8,255], [1,4,4,255], [1,2,2,255]"),
    "EfficientNMS": (
        IMAGE, list(zip([INT, FLOAT, FLOAT, INT], EFFICIENT_NMS)),
        "[1,1], [1,100,4], [1,100], [1,100]"),
    "EfficientNMS of floats": (
        IMAGE, [(FLOAT, s) for s in EFFICIENT_NMS],
        "[1,1], [1,100,4], [1,100], [1,100]"),
    "boxes and scores": (
        IMAGE, [(FLOAT, [1, CELLS, 4]), (FLOAT, [1, CELLS, 80])],
        f"[1,{CELLS},4], [1,{CELLS},80]"),
    "scores and boxes": (
        IMAGE, [(FLOAT, [1, CELLS, 80]), (FLOAT, [1, CELLS, 4])],
        f"[1,{CELLS},80], [1,{CELLS},4]"),
    "seven fields": (IMAGE, [(FLOAT, [100, 7])], "[100,7]"),
    "no rows": ([1, 3, 0, 64], [(FLOAT, [1, 84, CELLS])], "a side of 0"),
    "no columns": ([1, 3, 64, 0], [(FLOAT, [1, 84, CELLS])], "a side of 0"),
    "one number": (IMAGE, [(FLOAT, [])], "[]"),
}


def write_model(shape, outputs):
    """Outputs are constants to which a sum of the image is added."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0)]
    constants, infos = [], []
    for i, (dtype, dims) in enumerate(outputs):
        constants.append(numpy_helper.from_array(
            np.full(dims, .5, "float32"), f"c{i}"))
        nodes.append(helper.make_node("Add", [f"c{i}", "m"], [f"s{i}"]))
        nodes.append(helper.make_node("Cast", [f"s{i}"], [f"y{i}"], to=dtype))
        infos.append(helper.make_tensor_value_info(f"y{i}", dtype, dims))
    x = helper.make_tensor_value_info("x", FLOAT, shape)
    graph = helper.make_graph(nodes, "g", [x], infos, constants)
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), "m.onnx")


def problem(command, shapes):
    before = sorted(Path().iterdir())
    done = subprocess.run(["compress", *command], capture_output=True,
                          text=True)
    if done.returncode != 3:
        return f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    if done.stdout or done.stderr.count("\n") != 1 or \
            not done.stderr.startswith("compress: m.onnx: "):
        return f"said: {done.stdout}{done.stderr}"
    if shapes not in done.stderr:
        return f"does not name {shapes}: {done.stderr}"
    return "wrote files" if sorted(Path().iterdir()) != before else ""


def main():
    cv2.imwrite("a.png", np.zeros((50, 100, 3), np.uint8))
    Path("ann.json").write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png"}], "annotations": [],
        "categories": [{"id": 1, "name": "thing"}]}))
    wrong = 0
    for name, (shape, outputs, shapes) in MODELS.items():
        write_model(shape, outputs)
        for command in (["detect", "m.onnx", "a.png"],
                        ["eval", "m.onnx", "--ann", "ann.json"]):
            said = problem(command, shapes)
            if said:
                print(f"{name}, {command[0]}: {said}")
            wrong += said != ""
    sys.exit(wrong > 0)


main()
