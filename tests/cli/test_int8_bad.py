#!/usr/bin/python3
"""What int8 cannot be made of, and what is odd but can."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAMPLES = Path(os.environ["SAMPLES"])
MODEL = SAMPLES / "shapes8n.onnx"
CALIB = SAMPLES / "data/calib"


def check(condition, *what):
    if not condition:
        sys.exit(" ".join(map(str, what)))


def compress(model, *options):
    return subprocess.run(["compress", model, *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def quantize(model, calib=CALIB):
    return compress(model, "--int8", "--calib", calib, "--calib-images", "8",
                    "-o", "out.onnx", "--max-drop", "1", "--keep", "none")


def refused(reason, model, calib=CALIB):
    result = quantize(model, calib)
    check(result.returncode == 3 and reason in result.stderr, reason, result)
    check(not Path("out.onnx").exists(), "a file was written")


def accepted(note, model, calib=CALIB):
    result = quantize(model, calib)
    check(result.returncode == 0 and note in result.stdout, note, result)
    Path("out.onnx").unlink()


def random_tensor(name, *dims):
    rng = np.random.default_rng(len(name) + sum(dims))
    return numpy_helper.from_array(
        rng.uniform(-0.3, 0.3, dims).astype(np.float32), name)


def make_classifier(path):
    nodes = [
        helper.make_node("Conv", ["x", "u"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "w"], ["y"], transB=1)]
    graph = helper.make_graph(
        nodes, "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [random_tensor("u", 8, 3, 3, 3), random_tensor("v", 16, 8, 3, 3),
         random_tensor("w", 10, 16)])
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def make_nan(path):
    model = onnx.load(MODEL)
    conv = [node for node in model.graph.node if node.op_type == "Conv"][3]
    for tensor in model.graph.initializer:
        if tensor.name == conv.input[2]:
            bias = numpy_helper.to_array(tensor).copy()
            bias[0] = np.nan
            tensor.CopyFrom(numpy_helper.from_array(bias, tensor.name))
    onnx.save(model, path)


def make_images(folder, height, width, is_noise):
    os.mkdir(folder)
    for i in range(8):
        pixels = np.full((height, width, 3), 114, np.uint8)
        if is_noise:
            pixels[:] = np.random.default_rng(i).integers(0, 256, pixels.shape)
        cv2.imwrite(f"{folder}/{i}.png", pixels)


def main():
    make_images("grey", 64, 64, False)
    refused("all calibration images are of one colour", MODEL, "grey")
    make_nan("nan.onnx")
    refused("values are NaN", "nan.onnx")
    check(compress(MODEL, "--fp16", "-q", "-o", "half.onnx").returncode == 0)
    refused("quantize the float32 model", "half.onnx")
    make_images("narrow", 700, 90, True)
    accepted("ranges from 8 images", MODEL, "narrow")
    make_classifier("classifier.onnx")
    accepted("no boxes to judge by: ", "classifier.onnx")


main()
