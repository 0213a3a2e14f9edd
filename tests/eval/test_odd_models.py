#!/usr/bin/python3
"""Models that leave something open, over a small data set: an end-to-end model
without names, one whose input is open on one side only, one with inputs for
each image. The categories have negative ids.

The first two find the same boxes in every image; see ROWS.

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

# Corners, score, class: two that are right, one of a class that is not there.
ROWS = [[10, 10, 40, 40, .9, 0], [20, 30, 50, 60, .8, 1],
        [5, 5, 9, 9, .7, 7]]
IMAGES = 3


def write_model(name, nodes, shape, outputs, constants):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [info("x", TensorProto.FLOAT, shape)],
        [info(o, TensorProto.FLOAT, dims) for o, dims in outputs.items()],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), name)


def write_end_to_end(name, shape):
    """Rows that do not depend on the pixels."""
    make = helper.make_node
    nodes = [make("ReduceMean", ["x"], ["m"], keepdims=1, axes=[1, 2, 3]),
             make("Reshape", ["m", "shape"], ["r"]),
             make("Mul", ["r", "zero"], ["z"]), make("Add", ["z", "rows"], ["y"])]
    write_model(name, nodes, shape, {"y": [1, len(ROWS), 6]},
                {"rows": np.array([ROWS], "float32"),
                 "zero": np.zeros(1, "float32"),
                 "shape": np.array([1, 1, 1])})


def write_maps(name):
    """Maps of distances and of scores, of any size."""
    nodes = [helper.make_node("Conv", ["x", w], [y], strides=[8, 8])
             for w, y in (("wb", "boxes"), ("ws", "scores"))]
    write_model(name, nodes, [1, 3, "h", "w"],
                {"boxes": [1, 4, "a", "b"], "scores": [1, 2, "a", "b"]},
                {"wb": np.ones((4, 3, 8, 8), "float32"),
                 "ws": np.zeros((2, 3, 8, 8), "float32")})


def write_images():
    truth = {"images": [], "annotations": [],
             "categories": [{"id": -1, "name": "a"}, {"id": -2, "name": "b"}]}
    for i in range(IMAGES):
        cv2.imwrite(f"{i}.png", np.zeros((64, 64, 3), np.uint8))
        truth["images"].append({"id": i - 1, "file_name": f"{i}.png"})
        for x1, y1, x2, y2, _, label in ROWS[:2]:
            # Class 0 is the first by id, which is -2.
            truth["annotations"].append({
                "id": len(truth["annotations"]) + 1, "image_id": i - 1,
                "category_id": label - 2, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    with open("ann.json", "w", encoding="utf-8") as f:
        json.dump(truth, f)


def run(*arguments):
    return subprocess.run(["compress", *arguments], check=True,
                          stdout=subprocess.PIPE, encoding="utf-8").stdout


def evaluate(model, *options):
    return json.loads(run("eval", model, "--ann", "ann.json", "--json",
                          *options))


def check(what, found, want):
    if found != want:
        print(f"{what}: {found}, want {want}")
    return found != want


def check_end_to_end():
    report = evaluate("e2e.onnx")
    found = json.loads(run("detect", "e2e.onnx", "0.png", "--json"))
    lines = run("detect", "e2e.onnx", "0.png")
    return (check("AP", report["stats"]["AP"], 1) +
            check("classes", report["run"]["classes"], None) +
            check("unknown", report["run"]["unknown_class"], IMAGES) +
            check("note", report["run"]["class_note"], "classes are matched "
                  "by position: the model has no names") +
            check("detect's", found["detector"]["classes"], None) +
            check("words", "RGB 0..1; names: none\n" in lines, True))


def check_one_open_side():
    open_input = ["open.onnx", "0.png", "--json"]
    sizes = [json.loads(run("detect", *open_input, *more))["images"][0]
             for more in ([], ["--size", "64"], ["--size", "64x96"])]
    return (check("widths", [i["input_width"] for i in sizes], [640, 64, 96]) +
            check("boxes", [len(i["detections"]) for i in sizes], [3, 3, 3]) +
            check("AP", evaluate("open.onnx", "--size", "64")["stats"]["AP"],
                  1))


def check_rect():
    """The longest side is 64; half a step of 32 more, rounded up, makes 96."""
    options = ["--rect", "--size", "64"]
    report = evaluate("maps.onnx", *options)["run"]
    lines = run("eval", "maps.onnx", "--ann", "ann.json", *options)
    return (check("rect", [report["letterbox"], report["height"],
                           report["width"]], ["rect", 96, 96]) +
            check("words", "rect, longest side 64 (" in lines, True))


def main():
    write_images()
    write_end_to_end("e2e.onnx", [1, 3, 64, 64])
    write_end_to_end("open.onnx", [1, 3, 64, "w"])
    write_maps("maps.onnx")
    wrong = check_end_to_end() + check_one_open_side() + check_rect()
    sys.exit(wrong > 0)


main()
