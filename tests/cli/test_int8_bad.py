#!/usr/bin/python3
"""What int8 cannot be made of, and what is odd but can."""

import json
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


def make_slopes(folder):
    os.mkdir(folder)
    for i in range(8):
        slope = np.linspace(100, 110 + i, 320).astype(np.uint8)
        cv2.imwrite(f"{folder}/{i}.png", np.broadcast_to(slope, (320, 320)))


def info(name, *dims):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def save(path, nodes, tensors, opset=13, ir_version=8):
    """Of an image x [1,3,32,32] and an output y [1,8,30,30]."""
    graph = helper.make_graph(nodes, "g", [info("x", 1, 3, 32, 32)],
                              [info("y", 1, 8, 30, 30)], tensors)
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets,
                                ir_version=ir_version), path)


def chain(middle, **names):
    """Conv, `middle` from a to b, Conv, Sigmoid."""
    return [helper.make_node("Conv", ["x", "u"], ["a"], **names), *middle,
            helper.make_node("Conv", ["b", "v"], ["c"], **names),
            helper.make_node("Sigmoid", ["c"], ["y"])]


CHAIN = [random_tensor("u", 8, 3, 3, 3), random_tensor("v", 8, 8, 1, 1)]


def make_branches(path, branch):
    """A value that the branch of an If that is not taken reads, too."""
    taken = helper.make_graph([helper.make_node("Identity", ["a"], ["t"])],
                              "taken", [], [info("t", 1, 8, 30, 30)])
    other = helper.make_graph(branch, "other", [], [info("o", 1, 8, 30, 30)])
    node = helper.make_node("If", ["yes"], ["b"], then_branch=taken,
                            else_branch=other)
    yes = numpy_helper.from_array(np.array(True), "yes")
    save(path, chain([node]), [*CHAIN, yes], 18, 9)


def read_in_branches():
    for name, operands in ("two", ["a", ""]), ("one", ["a"]):
        make_branches(f"{name}.onnx",
                      [helper.make_node("Mul", operands, ["o"])])
        accepted(" of 2 convolutions", f"{name}.onnx")
    many = [helper.make_node("Neg", [f"n{i}" if i else "a"], [f"n{i + 1}"])
            for i in range(3000)]
    many[-1].output[0] = "o"
    make_branches("many.onnx", many)
    accepted(" of 2 convolutions", "many.onnx")


def infinite_bias_behind_a_clip():
    bias = numpy_helper.from_array(np.array([np.inf] + 7 * [0], np.float32),
                                   "bias")
    ends = [numpy_helper.from_array(np.float32(v), n)
            for n, v in (("low", 0), ("high", 6))]
    nodes = chain([helper.make_node("Clip", ["a", "low", "high"], ["b"])])
    nodes[0].input.append("bias")
    save("inf.onnx", nodes, [*CHAIN, bias, *ends])
    refused("the bias of output channel 0 is not finite", "inf.onnx")


def convolutions_of_one_name():
    save("same.onnx", chain([helper.make_node("Relu", ["a"], ["b"])],
                            name="Conv"), CHAIN)
    result = compress("same.onnx", "--int8", "--calib", CALIB,
                      "--calib-images", "8", "-q", "-o", "same8.onnx")
    check(result.returncode == 0, result)


def one_weight_of_many():
    links = [node for i in range(4) for node in (
        helper.make_node("Conv", ["a" if i == 0 else f"b{i}", "s"], [f"s{i}"],
                         pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [f"s{i}"], [f"b{i + 1}" if i < 3 else "b"]))]
    save("shared.onnx", chain(links), [*CHAIN, random_tensor("s", 8, 8, 3, 3)])
    result = compress("shared.onnx", "--int8", "--calib", CALIB,
                      "--calib-images", "8", "--target", "tensorrt", "-q",
                      "--rounding", "nearest", "--keep", "none",
                      "-o", "shared8.onnx")
    check(result.returncode == 0, result)
    codes = [t for t in onnx.load("shared8.onnx").graph.initializer
             if list(t.dims) == [8, 8, 3, 3]]
    check(len(codes) <= 1, "the weight is there several times")


def grey_images_that_the_model_scales():
    half = numpy_helper.from_array(np.float32(0.5), "half")
    nodes = chain([helper.make_node("Relu", ["a"], ["b"])])
    nodes[0].input[0] = "scaled"
    scale = helper.make_node("Mul", ["x", "half"], ["scaled"])
    save("scales.onnx", [scale, *nodes], [*CHAIN, half])
    refused("all calibration images are of one colour", "scales.onnx", "grey")


def make_images(folder, height, width, is_noise):
    os.mkdir(folder)
    for i in range(8):
        pixels = np.full((height, width, 3), 114, np.uint8)
        if is_noise:
            pixels[:] = np.random.default_rng(i).integers(0, 256, pixels.shape)
        cv2.imwrite(f"{folder}/{i}.png", pixels)


def outputs_that_are_not_finite():
    zero = numpy_helper.from_array(np.float32(0), "zero")
    nodes = chain([helper.make_node("Relu", ["a"], ["b"])])
    nodes[-1] = helper.make_node("Div", ["c", "zero"], ["y"])
    save("inf_out.onnx", nodes, [*CHAIN, zero])
    refused("values are NaN or infinite", "inf_out.onnx")


def annotations_of_something_else():
    annotations = json.loads((SAMPLES / "data/val/instances.json").read_text())
    for row in annotations["annotations"]:
        row["bbox"] = [0, 0, 3, 3]
    Path("other.json").write_text(json.dumps(annotations))
    result = compress(MODEL, "--int8", "--calib", SAMPLES / "data/val",
                      "--calib-images", "8", "--ann", "other.json",
                      "-o", "out.onnx")
    check(result.returncode == 3 and "float32 itself has mAP" in result.stderr,
          result)


def main():
    make_images("grey", 64, 64, False)
    refused("finds no box on 8 of the images", MODEL, "grey")
    make_nan("nan.onnx")
    refused("values are NaN", "nan.onnx")
    check(compress(MODEL, "--fp16", "-q", "-o", "half.onnx").returncode == 0)
    refused("quantize the float32 model", "half.onnx")
    make_images("narrow", 700, 90, True)
    accepted("ranges from 8 images", MODEL, "narrow")
    make_classifier("classifier.onnx")
    accepted("no boxes to judge by: ", "classifier.onnx")
    # A detector that finds nothing on these images says nothing, either.
    make_slopes("slopes")
    refused("finds no box on 8 of the images", MODEL, "slopes")
    read_in_branches()
    infinite_bias_behind_a_clip()
    convolutions_of_one_name()
    one_weight_of_many()
    grey_images_that_the_model_scales()
    outputs_that_are_not_finite()
    annotations_of_something_else()


main()
