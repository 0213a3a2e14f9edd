"""Runs an exported detector node by node in torch.

It knows the operators that export.py writes and refuses any other. Its use is
to measure the file that was written rather than the network it came from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor

Attributes = dict[str, Any]


def _conv(a: Attributes, x: Tensor, weight: Tensor,
          bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x, weight, bias, a["strides"], a["pads"][:2],
                    a["dilations"], a["group"])


def _max_pool(a: Attributes, x: Tensor) -> Tensor:
    return F.max_pool2d(x, a["kernel_shape"], a["strides"], a["pads"][:2])


def _resize(a: Attributes, x: Tensor, roi: None, scales: Tensor) -> Tensor:
    if a["mode"] != b"nearest":
        raise ValueError(f"Resize mode {a['mode']!r}, expected nearest")
    return F.interpolate(x, scale_factor=scales[2:].tolist(), mode="nearest")


OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, x, y: x + y,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Conv": _conv,
    "Div": lambda a, x, y: x / y,
    "MaxPool": _max_pool,
    "Mul": lambda a, x, y: x * y,
    "Reshape": lambda a, x, shape: x.reshape(shape.tolist()),
    "Resize": _resize,
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Softmax": lambda a, x: torch.softmax(x, a["axis"]),
    "Split": lambda a, x, sizes: torch.split(x, sizes.tolist(), a["axis"]),
    "Sub": lambda a, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a["perm"]),
}


class OnnxModel:
    """A model with one input and one output, called with a numpy array."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load(str(path)).graph
        self.input = graph.input[0].name
        self.output = graph.output[0].name
        self.constants = {
            t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
            for t in graph.initializer}
        self.nodes = list(graph.node)
        self.attributes = [
            {a.name: onnx.helper.get_attribute_value(a)
             for a in node.attribute} for node in self.nodes]
        unknown = {node.op_type for node in self.nodes} - OPERATORS.keys()
        if unknown:
            raise ValueError(f"{path}: operators {sorted(unknown)}")

    @torch.no_grad()
    def __call__(self, x: np.ndarray) -> np.ndarray:
        values: dict[str, Any] = dict(self.constants)
        values[""] = None
        values[self.input] = torch.from_numpy(x)
        for node, attributes in zip(self.nodes, self.attributes):
            inputs = [values[name] for name in node.input]
            result = OPERATORS[node.op_type](attributes, *inputs)
            if isinstance(result, Tensor):
                result = (result,)
            values.update(zip(node.output, result))
        return values[self.output].numpy()
