"""Writes a trained checkpoint as samples/shapes8n.onnx.

The file has the form of Ultralytics' exports: batch normalization folded into
the convolutions, fixed shapes, constants as initializers, layer names such as
/model.0/conv/Conv, and the metadata by which tools know classes and strides.
Run from the repository root: python3 samples/train/export.py
"""

from __future__ import annotations

import argparse
import io
import warnings
from pathlib import Path

import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model import INPUT_SIZE, STRIDES, Conv, Detector
from shapes import CLASSES

OPSET = 17


def fold_batch_norms(network: nn.Module) -> None:
    """Replaces each convolution by one with its normalization folded in."""
    for module in network.modules():
        if isinstance(module, Conv):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()


def to_onnx(network: nn.Module) -> onnx.ModelProto:
    """Traces the network at its one input shape."""
    # Every shape is fixed and checked below; the exporter's doubt is idle.
    warnings.filterwarnings("ignore", "The shape inference of prim::Constant")
    buffer = io.BytesIO()
    torch.onnx.export(network, torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE),
                      buffer, opset_version=OPSET, do_constant_folding=True,
                      input_names=["images"], output_names=["output0"])
    return onnx.load_from_string(buffer.getvalue())


def constants_to_initializers(graph: onnx.GraphProto) -> None:
    """Turns Constant nodes into initializers, one for equal ones of a layer,
    and forwards Identity nodes."""
    kept: list[onnx.NodeProto] = []
    aliases: dict[str, str] = {}
    seen: dict[tuple[str, bytes], str] = {}
    for node in graph.node:
        if node.op_type == "Constant":
            name, value = node.output[0], node.attribute[0].t
            layer = name.rpartition("/")[0]
            first = seen.setdefault((layer, value.SerializeToString()), name)
            if first == name:
                array = numpy_helper.to_array(value)
                graph.initializer.append(numpy_helper.from_array(array, name))
            aliases[name] = first
        elif node.op_type == "Identity":
            aliases[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for node in kept:
        for i, name in enumerate(node.input):
            node.input[i] = aliases.get(name, name)
    del graph.node[:]
    graph.node.extend(kept)


def add_metadata(model: onnx.ModelProto) -> None:
    """Writes the properties that Ultralytics' exports carry."""
    helper.set_model_props(model, {
        "description": "shapes8n, a small detector of synthetic objects",
        "author": "compress",
        "license": "MIT",
        "stride": str(max(STRIDES)),
        "task": "detect",
        "batch": "1",
        "imgsz": str([INPUT_SIZE, INPUT_SIZE]),
        "names": str(dict(enumerate(CLASSES))),
    })


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path,
                        default=Path("build/train/shapes8n.pt"))
    parser.add_argument("--out", type=Path,
                        default=Path("samples/shapes8n.onnx"))
    options = parser.parse_args()

    network = Detector(len(CLASSES)).eval()
    network.load_state_dict(torch.load(options.checkpoint))
    fold_batch_norms(network)
    model = to_onnx(network)
    constants_to_initializers(model.graph)
    add_metadata(model)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model),
                             full_check=True)
    onnx.save(model, str(options.out))
    print(f"{options.out}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
