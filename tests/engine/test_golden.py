#!/usr/bin/python3
"""The three real models on the golden images, by `compress infer`, against the
outputs that ONNX Runtime gave: boxes within 0.01 pixel, scores within 1e-5
(yolov5n) or 2e-5. And with --precision bf16, as near as 8 bits of mantissa let
them be: boxes of what is sure within 5 % of their size, scores within 0.1.

Skipped where there is no ../shared.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image

BOX_PIXELS = 0.01
# From those in float64, the golden scores are off by 3.7e-6 (yolov8n) and 7e-6
# (yolox_nano), ours by 5.8e-6 to 7.8e-6, as the order of the sums on this CPU
# has it: two of them may differ by the sum.
SCORES = {"yolov8n": 2e-5, "yolov5n": 1e-5, "yolox_nano": 2e-5}
# bfloat16 rounds each operand by up to 2^-9, through 60 to 110 convolutions.
# Measured on what float32 is sure of: 0.4 % of the size and 0.034 (yolov8n,
# yolov5n), 2.3 % and 0.043 (yolox_nano). A wrong layer finds other objects.
SURE = 0.5
BF16_OF_SIZE = 0.05
BF16_SCORE = 0.1
SKIPPED_EXIT = 77
GRID_STRIDES = (8, 16, 32)  # YOLOX


def read_input(golden, entry):
    """[1,3,H,W] as the manifest says."""
    image = numpy.asarray(Image.open(golden / entry["input"]).convert("RGB"),
                          dtype=numpy.float32)
    if entry["channels"] == "BGR":
        image = image[:, :, ::-1]
    if "255" in entry["value"]:
        image = image / numpy.float32(255)
    return numpy.ascontiguousarray(image.transpose(2, 0, 1)[None])


def decode_grid(rows, size):
    """YOLOX's raw rows [N,85]: boxes from cells to pixels."""
    rows = rows.astype(numpy.float64)
    start = 0
    for stride in GRID_STRIDES:
        end = start + (size // stride) ** 2
        rows[start:end, :2] *= stride
        rows[start:end, 2:4] = numpy.exp(rows[start:end, 2:4]) * stride
        start = end
    return rows


def split(name, output, size):
    """Boxes [N,4] in pixels, and scores."""
    if name == "yolov8n":
        return output[0, :4].T, output[0, 4:].T
    if name == "yolox_nano":
        output = decode_grid(output[0], size)[None]
    return output[0, :, :4], output[0, :, 4:]


def confidence(name, scores):
    """Of each box: [N]. The first column is the objectness, but in yolov8n."""
    if name == "yolov8n":
        return scores.max(axis=1)
    return scores[:, 0] * scores[:, 1:].max(axis=1)


def infer(name, image, folder, precision):
    """The output of a model, whole."""
    model = Path(os.environ["SHARED"]) / f"models/{name}.onnx"
    image.tofile(folder / "in.f32")
    done = subprocess.run(
        [os.environ["COMPRESS"], "infer", model, "--input", folder / "in.f32",
         "--output", folder / "out.f32", "--force", "--json",
         "--precision", precision,
         "--tune", "off"],  # the same kernels wherever the test runs
        check=True, stdout=subprocess.PIPE)
    report = json.loads(done.stdout)
    assert (report["compute"]["bf16"] > 0) == (precision == "bf16")
    return numpy.fromfile(folder / "out.f32", "<f4").reshape(
        report["outputs"][0]["dims"])


def check_float32(name, got, entry, golden, size):
    """Beside ONNX Runtime's output, of which some rows were kept."""
    got = got[:, ::entry["output_axis1_step"]]
    want = numpy.fromfile(golden / entry["output"].split()[0], "<f4")
    boxes, scores = (numpy.abs(a - b).max() for a, b in zip(
        split(name, got, size), split(name, want.reshape(got.shape), size)))
    print(f"{name}: boxes {boxes:.2g} pixel, scores {scores:.2g}")
    return boxes <= BOX_PIXELS and scores <= SCORES[name]


def check_bf16(name, got, float32, size):
    got, want = split(name, got, size), split(name, float32, size)
    sure = confidence(name, want[1]) > SURE
    sizes = want[0][sure, 2:].max(axis=1, keepdims=True)
    boxes = (numpy.abs(got[0] - want[0])[sure] / sizes).max()
    scores = numpy.abs(got[1] - want[1])[sure].max()
    print(f"{name} in bf16, of {sure.sum()}: boxes {boxes:.2g} of their size, "
          f"scores {scores:.2g}")
    return boxes <= BF16_OF_SIZE and scores <= BF16_SCORE


def check(name, entry, golden, folder):
    image = read_input(golden, entry)
    size = image.shape[2]
    float32 = infer(name, image, folder, "float32")
    bf16 = infer(name, image, folder, "bf16")
    right = [check_float32(name, float32, entry, golden, size),
             check_bf16(name, bf16, float32, size)]
    return all(right)


def main():
    if "SHARED" not in os.environ:
        print("there is no ../shared")
        return SKIPPED_EXIT
    golden = Path(os.environ["SHARED"]) / "golden"
    manifest = json.loads((golden / "manifest.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        right = [check(name, entry, golden, Path(folder))
                 for name, entry in manifest.items()]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
