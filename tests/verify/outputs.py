#!/usr/bin/python3
"""Compares the outputs of a model in float32 and in float16.

    outputs.py FLOAT32.onnx FLOAT16.onnx DETECTOR GOLDEN

Both run in ONNX Runtime ($ORT_LIB) on the image that GOLDEN/manifest.json
names for DETECTOR (yolov8n, yolov5n, yolox_nano); the float16 one also with
every value rounded, as a GPU would (see emulate_half.py). Prints the largest
difference of boxes, in pixels, and of scores: over all cells, and over those
that a detector would show. Exit code 0 within the limits below, 1 beyond, 77
without ONNX Runtime.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

import emulate_half
import ort
import png

SHOWN = 0.25  # the score from which a demo draws a box

# float16 rounds to 11 bits, a relative error of up to 2.4e-4, at each of some
# 60 layers in a row; the errors add like a random walk, about 8 of them or
# 0.2 % at the head. A box of 512 pixels is then 1 pixel off; twice that is
# the limit.
SHOWN_BOX_LIMIT_PX = 2.0
# Logits reach +-16, and the head's last layers sum 64 of what is 0.2 % off: a
# logit may be 0.12 off. The sigmoid's slope is at most 1/4.
SCORE_LIMIT = 0.03
# Cells without an object have undecided distributions over the box sides, and
# YOLOX takes exp() of its sizes, so single boxes move further: up to half a
# cell of the coarsest level, of 32 pixels.
ANY_BOX_LIMIT_PX = 16.0


def image_for(entry: dict, golden: Path) -> np.ndarray:
    """[1,3,H,W], as the manifest says the model wants it."""
    image = png.read(golden / entry["input"]).astype(np.float32)
    if entry["channels"] == "BGR":
        image = image[..., ::-1]
    return image.transpose(2, 0, 1)[None] / int(entry["value"].split()[-1])


def yolox_boxes(raw: np.ndarray, side: int) -> np.ndarray:
    """Offsets and logarithms of sizes -> centre and size in pixels."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        y, x = np.mgrid[:side // stride, :side // stride]
        cells.append(np.stack([x.ravel(), y.ravel()], 1))
        strides.append(np.full((x.size, 1), stride))
    step = np.concatenate(strides)
    return np.concatenate([(raw[:, :2] + np.concatenate(cells)) * step,
                           np.exp(raw[:, 2:]) * step], 1)


def decode(detector: str, output: np.ndarray,
           side: int) -> tuple[np.ndarray, np.ndarray]:
    """(boxes [N,4] in pixels, scores [N,classes])."""
    if detector == "yolov8n":
        return output[0, :4].T, output[0, 4:].T
    rows = output[0]
    boxes = rows[:, :4]
    if detector == "yolox_nano":
        boxes = yolox_boxes(boxes, side)
    return boxes, rows[:, 4:5] * rows[:, 5:]


def outputs_of(runtime: ort.Ort, path: str, image: np.ndarray) -> np.ndarray:
    session = ort.Session(runtime, path)
    output = session.run([image])[0].astype(np.float64)
    session.close()
    return output


def rounded_outputs_of(runtime: ort.Ort, path: str,
                       image: np.ndarray) -> np.ndarray:
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(emulate_half.rounded(onnx.load(path)).SerializeToString())
        file.flush()
        return outputs_of(runtime, file.name, image)


def compare(title: str, detector: str, single: np.ndarray, half: np.ndarray,
            side: int) -> bool:
    """Prints the largest differences; whether they are within the limits."""
    boxes, scores = decode(detector, single, side)
    other_boxes, other_scores = decode(detector, half, side)
    box_px = abs(boxes - other_boxes).max(1)
    score = abs(scores - other_scores).max(1)
    shown = np.maximum(scores, other_scores).max(1) >= SHOWN
    print(f"{detector}, {title}: all {len(boxes)} cells: boxes {box_px.max():.3f} px, "
          f"scores {score.max():.5f}; the {shown.sum()} shown: boxes "
          f"{box_px[shown].max():.3f} px, scores {score[shown].max():.5f}")
    return bool(np.isfinite(half).all() and shown.any()
                and box_px.max() <= ANY_BOX_LIMIT_PX
                and box_px[shown].max() <= SHOWN_BOX_LIMIT_PX
                and score.max() <= SCORE_LIMIT)


def main() -> int:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    single, half, detector, golden = sys.argv[1:]
    runtime = ort.open_library()
    if runtime is None:
        print("ORT_LIB names no ONNX Runtime")
        return 77
    entry = json.loads((Path(golden) / "manifest.json").read_text())[detector]
    image = image_for(entry, Path(golden))
    wanted = outputs_of(runtime, single, image)
    fits = [compare(title, detector, wanted, run(runtime, half, image),
                    image.shape[-1])
            for title, run in (("as ONNX Runtime runs it", outputs_of),
                               ("all values rounded", rounded_outputs_of))]
    return 0 if all(fits) else 1


if __name__ == "__main__":
    sys.exit(main())
