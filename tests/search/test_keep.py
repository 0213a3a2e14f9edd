#!/usr/bin/python3
"""Which layers stay float32: those that int8 spoils.

One channel between two convolutions is made a thousand times as large, and
nobody reads it any more: in float32 the detector is what it was, and in 8 bits
all other channels of that tensor become nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

SAMPLES = Path(os.environ["SAMPLES"])
MODEL = SAMPLES / "shapes8n.onnx"
CALIB = SAMPLES / "data/calib"
FACTOR = 1000
SPOILED = 0.3  # how far the boxes are with all of it in int8, at least
GOOD = 0.1     # and with what was found, at most


def tensors_of(model):
    return {tensor.name: tensor for tensor in model.graph.initializer}


def change(tensor, edit):
    values = numpy_helper.to_array(tensor).copy()
    edit(values)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def find_pair(model):
    """Two Convs with a SiLU between them that nobody else reads."""
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for conv in model.graph.node[:20]:
        if conv.op_type != "Conv":
            continue
        gates = readers[conv.output[0]]
        muls = [node for node in gates if node.op_type == "Mul"]
        if len(gates) == 2 and muls:
            behind = readers[muls[0].output[0]]
            if len(behind) == 1 and behind[0].op_type == "Conv":
                return conv, behind[0]
    sys.exit("the sample has no pair of convolutions")


def spoil(path):
    model = onnx.load(MODEL)
    tensors = tensors_of(model)
    first, second = find_pair(model)

    def enlarge(values):
        values[0] *= FACTOR

    def ignore(values):
        values[:, 0] = 0

    change(tensors[first.input[1]], enlarge)
    change(tensors[first.input[2]], enlarge)
    change(tensors[second.input[1]], ignore)
    onnx.save(model, path)
    return first.name, second.name


def spoil_image(path):
    """A picture whose red is a thousand times as bright, and a first Conv that
    reads a thousandth of it."""
    model = onnx.load(MODEL)
    first = next(node for node in model.graph.node if node.op_type == "Conv")

    def shrink(values):
        values[:, 0] /= FACTOR

    change(tensors_of(model)[first.input[1]], shrink)
    gains = np.array([FACTOR, 1, 1], np.float32).reshape(1, 3, 1, 1)
    model.graph.initializer.append(numpy_helper.from_array(gains, "gains"))
    brighten = helper.make_node("Mul", [first.input[0], "gains"], ["bright"])
    first.input[0] = "bright"
    model.graph.node.insert(0, brighten)
    onnx.save(model, path)
    return first.name


def quantize(model, target, *options):
    result = subprocess.run(
        ["compress", model, "--int8", "--calib", CALIB, "--calib-images", "8",
         "--target", target, "--ranges", "minmax", "-o", "out.onnx", "--force",
         "--json", *options],
        stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)["quant"]


def kept(quant):
    return [row["name"] for row in quant["layers"] if row["reason"] == "kept"]


def check(condition, *what):
    if not condition:
        sys.exit(" ".join(map(str, what)))


def open_size(path):
    """Height and width are free: MACs are not known."""
    model = onnx.load(MODEL)
    del model.graph.value_info[:]
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    del model.graph.output[0].type.tensor_type.shape.dim[2:]
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "boxes"
    onnx.save(model, path)


def always_the_same(path):
    """Outputs that int8 does not change."""
    x = helper.make_tensor_value_info("x", 1, [1, 3, 64, 64])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [1, 1, 64, 64])
    rng = np.random.default_rng(1)
    tensors = {"bias": np.arange(32, dtype=np.float32) * 100}
    nodes, value = [], "x"
    for i, shape in enumerate(((16, 3, 1, 1), (32, 16, 3, 3), (32, 32, 3, 3))):
        tensors[f"w{i}"] = rng.standard_normal(shape).astype(np.float32) / 100
        nodes.append(helper.make_node("Conv", [value, f"w{i}"], [f"c{i}"],
                                      pads=[shape[2] // 2] * 4))
        value = f"c{i}"
    nodes[-1].input.append("bias")
    nodes.append(helper.make_node("ArgMax", [value], ["y"], axis=1))
    tensors = [numpy_helper.from_array(value, name)
               for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "same", [x], [y], tensors)
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def row_of_first(quant):
    """The trial of the first layers, or None."""
    rows = [row for row in quant["tried"]
            if row["choice"].startswith("first layers float32")]
    return rows[0] if rows else None


def first_layers_of_tensorrt():
    first = spoil_image("bright.onnx")
    quant = quantize("bright.onnx", "tensorrt")
    check(quant["difference_all"] > SPOILED, quant)
    check(row_of_first(quant)["kept"] and kept(quant) == [first], quant)
    check(quant["difference"] < GOOD, quant)
    quant = quantize(MODEL, "tensorrt")
    row, before = row_of_first(quant), quant["difference_all"]
    check(row["kept"] == (row["difference"] <= 0.9 * before), quant)
    check(bool(kept(quant)) == row["kept"], quant)
    for options in (["onnxruntime"], ["tensorrt", "--keep", "none"]):
        check(not row_of_first(quantize(MODEL, *options)), options)
    open_size("open.onnx")
    always_the_same("same.onnx")
    for model in ("open.onnx", "same.onnx"):
        quant = quantize(model, "tensorrt", "--max-drop", "1")
        check(not row_of_first(quant) and not kept(quant), model, quant)


def main():
    first_layers_of_tensorrt()
    pair = spoil("spoiled.onnx")
    for target in "onnxruntime", "tensorrt":
        quant = quantize("spoiled.onnx", target)
        check(quant["difference_all"] > SPOILED, target, quant)
        check(quant["difference"] < GOOD, target, quant)
        check(set(kept(quant)) & set(pair), target, kept(quant), pair)
    quant = quantize("spoiled.onnx", "tensorrt", "--max-drop", "1")
    check(not kept(quant), "kept where nothing has to be", kept(quant))
    quant = quantize("spoiled.onnx", "tensorrt", "--keep", pair[0],
                     "--rounding", "nearest", "--max-drop", "1")
    check(kept(quant) == [pair[0]] and len(quant["tried"]) == 1, quant)


main()
