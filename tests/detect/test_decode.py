#!/usr/bin/python3
"""Every decoder and NMS against numpy: models whose outputs are random numbers
that do not depend on the image, through `compress detect --json`.

Skipped without python3-opencv or python3-onnx.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(os.environ["ROOT"], "tests", "peers")))
try:
    import cv2
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError as missing:
    print(missing)
    sys.exit(77)

import detection

SIZE = 64
IMAGE = (50, 100)  # height, width
GRIDS = [SIZE // s for s in detection.STRIDES]
CELLS = sum(g * g for g in GRIDS)
PIXELS = 2e-3  # float32 of the program, float64 here, 3 decimals in JSON
SCORE = 2e-5

rng = np.random.default_rng(5)


# ---- models ----------------------------------------------------------------

def write_model(path, outputs, activation=None, half=False):
    """y0, y1, ... are constants; the image is read and not used."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
             helper.make_node("Mul", ["m", "zero"], ["z"])]
    constants = [numpy_helper.from_array(np.float32(0), "zero")]
    infos = []
    for i, output in enumerate(outputs):
        constants.append(numpy_helper.from_array(output, f"c{i}"))
        last = f"a{i}"
        nodes.append(helper.make_node("Add", [f"c{i}", "z"], [last]))
        if activation:
            nodes.append(helper.make_node(activation, [last], [f"s{i}"]))
            last = f"s{i}"
        nodes.append(helper.make_node("Cast", [last], [f"y{i}"],
                                      to=TensorProto.FLOAT16 if half
                                      else TensorProto.FLOAT))
        infos.append(helper.make_tensor_value_info(
            f"y{i}", TensorProto.FLOAT16 if half else TensorProto.FLOAT,
            output.shape))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT,
                                      [1, 3, SIZE, SIZE])
    graph = helper.make_graph(nodes, "g", [x], infos, constants)
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), path)


def scores(*shape):
    """Most are small, as a detector's are."""
    return rng.random(shape) ** 4


def boxes(count):
    """cx cy w h"""
    return np.concatenate([rng.random((count, 2)) * SIZE,
                           rng.random((count, 2)) * 40 + 1], axis=1)


# A case is (arrays of the model, options, decoded boxes, decoded scores).

def v8(classes, transposed=False):
    out = np.concatenate([boxes(CELLS), scores(CELLS, classes)], axis=1)
    out = out.astype("float32")
    return ([(out if transposed else out.T)[None]], [],
            *detection.decode_v8(out.T.astype(float)))


def v5(classes):
    out = np.concatenate([boxes(3 * CELLS), scores(3 * CELLS, classes + 1)],
                         axis=1).astype("float32")
    return [out[None]], [], *detection.decode_v5(out.astype(float))


def yolox(classes):
    out = np.concatenate([rng.normal(0, 1, (CELLS, 4)),
                          scores(CELLS, classes + 1)], axis=1)
    out = out.astype("float32")
    return ([out[None]], ["--decoder", "yolox", "--pixels", "rgb/255"],
            *detection.decode_yolox(out.astype(float), SIZE))


def v5_maps(classes, last, logits):
    maps = [rng.normal(-2, 2, (3, 5 + classes, g, g)).astype("float32")
            for g in GRIDS]
    given = [m.transpose(0, 2, 3, 1)[None] if last else
             m.reshape(1, -1, *m.shape[2:]) for m in maps]
    decoded = detection.decode_v5_maps(
        [m.astype(float) if logits else detection.sigmoid(m.astype(float))
         for m in maps], SIZE, logits)
    return ([np.ascontiguousarray(m) for m in given],
            ["--decoder", "v5-maps"], *decoded)


def v8_maps(classes, bins, joined):
    maps = [(rng.normal(1, 1, (4 * bins, g, g)).astype("float32"),
             rng.normal(-3, 2, (classes, g, g)).astype("float32"))
            for g in GRIDS]
    given = ([np.concatenate(m)[None] for m in maps] if joined else
             [part[None] for m in maps for part in m])
    decoded = detection.decode_v8_maps(
        [(a.astype(float), b.astype(float)) for a, b in maps], SIZE, True)
    return given, ["--decoder", "v8-maps"], *decoded


def yolox_maps(classes):
    maps = [rng.normal(-1, 1, (5 + classes, g, g)).astype("float32")
            for g in GRIDS]
    rows = np.concatenate([m.reshape(5 + classes, -1).T for m in maps])
    rows = rows.astype(float)
    rows[:, 4:] = detection.sigmoid(rows[:, 4:])
    return ([m[None] for m in maps],
            ["--decoder", "yolox-maps", "--pixels", "rgb/255"],
            *detection.decode_yolox(rows, SIZE))


# ---- comparing -------------------------------------------------------------

def run(options):
    done = subprocess.run(["compress", "detect", "m.onnx", "image.png",
                           "--json", *options], stdout=subprocess.PIPE)
    return json.loads(done.stdout)["images"][0]["detections"] \
        if done.returncode == 0 else None


def differs(found, want):
    """What is wrong with the detections, or ''. Scores that are equal but for
    rounding may have changed places."""
    want_boxes, want_scores, want_labels = want
    if found is None or len(found) != len(want_labels):
        return f"{found and len(found)} boxes, want {len(want_labels)}"
    free = set(range(len(found)))
    for box, score, label in zip(want_boxes, want_scores, want_labels):
        xywh = np.concatenate([box[:2], box[2:] - box[:2]])
        hit = next((i for i in sorted(free) if found[i]["label"] == label
                    and abs(found[i]["score"] - score) < SCORE
                    and np.abs(found[i]["bbox"] - xywh).max() < PIXELS), None)
        if hit is None:
            return f"no box {xywh} {score} {label}"
        free.remove(hit)
    return ""


OPTIONS = [
    ([], {"conf": 0.25, "iou": 0.7}),
    (["--conf", "0.05", "--iou", "0.5", "--multi-label"],
     {"conf": 0.05, "iou": 0.5, "multi_label": True}),
    (["--conf", "0.1", "--iou", "0.3", "--agnostic", "--max-det", "20"],
     {"conf": 0.1, "iou": 0.3, "agnostic": True, "limit": 20}),
]


def check(name, arrays, options, want_boxes, want_scores, **model):
    write_model("m.onnx", arrays, **model)
    # Random distances make boxes of negative sizes, which are dropped.
    real = (want_boxes[:, 2:] >= want_boxes[:, :2]).all(axis=1)
    want_boxes, want_scores = want_boxes[real], want_scores[real]
    fit = detection.letterbox(np.zeros((*IMAGE, 3), np.uint8), SIZE, SIZE)[1]
    wrong = 0
    for extra, thresholds in OPTIONS:
        want = detection.detect(want_boxes, want_scores, fit, IMAGE,
                                **thresholds)
        problem = differs(run(options + ["--iou", "0.7"] + extra), want)
        wrong += problem != ""
        if problem or not len(want[2]):
            print(f"{name} {' '.join(extra)}: {problem or 'nothing to find'}")
            wrong += not problem
    return wrong


def check_half():
    arrays, options, _, _ = v8(80)
    halves = arrays[0].astype("float16").astype("float64")[0]
    return check("float16", arrays, options, *detection.decode_v8(halves),
                 half=True)


def check_end_to_end():
    """Nothing is suppressed, rows of score 0 are no boxes."""
    corner = rng.random((40, 2)) * 40
    rows = np.concatenate([corner, corner + 10 + rng.random((40, 2)) * 9,
                           np.linspace(0.9, 0, 40)[:, None],
                           rng.integers(0, 80, (40, 1))], axis=1)
    write_model("m.onnx", [rows.astype("float32")[None]])
    fit = detection.letterbox(np.zeros((*IMAGE, 3), np.uint8), SIZE, SIZE)[1]
    best = rows[rows[:, 4] > 0.25]
    problem = differs(run([]), (detection.to_image(best[:, :4], fit, IMAGE),
                                best[:, 4], best[:, 5]))
    if problem:
        print(f"end to end: {problem}")
    return problem != ""


def main():
    cv2.imwrite("image.png", np.zeros((*IMAGE, 3), np.uint8))
    wrong = check("v8", *v8(80)) + check("v8, one class", *v8(1))
    wrong += check("v8, anchors first", *(lambda c: (c[0], [
        "--decoder", "v8"], *c[2:]))(v8(7, transposed=True)))
    wrong += check("v5", *v5(80)) + check("v5, one class", *v5(1))
    wrong += check("yolox", *yolox(80)) + check("yolox, 3", *yolox(3))
    for classes in (80, 2):
        for last in (False, True):
            wrong += check(f"v5-maps {classes} {last}",
                           *v5_maps(classes, last, True))
            wrong += check(f"v5-maps {classes} {last} sigmoid",
                           *v5_maps(classes, last, False),
                           activation="Sigmoid")
        wrong += check(f"v8-maps {classes}", *v8_maps(classes, 16, True))
        wrong += check(f"v8-maps {classes}, apart",
                       *v8_maps(classes, 16, False))
        wrong += check(f"v8-maps {classes}, distances",
                       *v8_maps(classes, 1, False))
        wrong += check(f"yolox-maps {classes}", *yolox_maps(classes))
    wrong += check_half() + check_end_to_end()
    sys.exit(wrong > 0)


main()
