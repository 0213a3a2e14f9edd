"""An independent reading of ONNX models for the checks beside this file:
which constants there are, who reads them, which of them are Conv weights.

Nothing of compress is used. A constant is an initializer or the content of a
Constant node, also when operators that keep its elements and their order
stand between it and its reader.
"""

from collections import ChainMap
from dataclasses import dataclass, field
from typing import Iterator, Optional

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16,
          TensorProto.DOUBLE}
HALF_MAX = np.float32(65504)
HALF_MIN = np.float32(2.0 ** -24)
KEEPS_ELEMENTS = {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
SCALAR_ATTRIBUTES = {"value_float": (np.float32, TensorProto.FLOAT),
                     "value_floats": (np.float32, TensorProto.FLOAT),
                     "value_int": (np.int64, TensorProto.INT64),
                     "value_ints": (np.int64, TensorProto.INT64)}


@dataclass(eq=False)
class Constant:
    """`array` has the elements as they are computed with: bfloat16 as
    float32. Readers are (node, input); (None, 0) is a graph output."""
    key: str
    array: np.ndarray
    dtype: int
    readers: list[tuple[Optional[NodeProto], int]] = field(
        default_factory=list)


@dataclass
class Conv:
    node: NodeProto
    weight: Optional[Constant]  # None: computed, quantized or given at run time


@dataclass
class View:
    constants: dict[str, Constant]  # by the path of their graph and name
    convs: list[Conv]               # in the order of the file


def attribute(node: NodeProto, name: str, otherwise=None):
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return otherwise


def subgraphs(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    for item in node.attribute:
        graphs = [item.g] if item.HasField("g") else item.graphs
        for i, graph in enumerate(graphs):
            yield f"{item.name}{i}", graph


def nodes_inside(node: NodeProto) -> Iterator[NodeProto]:
    """The node and those of its subgraphs, to any depth."""
    yield node
    for _, graph in subgraphs(node):
        for inner in graph.node:
            yield from nodes_inside(inner)


def label(node: NodeProto) -> str:
    return node.name or (node.output[0] if node.output else "?")


def load(path: str) -> ModelProto:
    """With external data read in."""
    return onnx.load(path)


def constant_of_node(node: NodeProto) -> Optional[tuple[np.ndarray, int]]:
    for item in node.attribute:
        if item.name == "value":
            return numpy_helper.to_array(item.t), item.t.data_type
        if item.name in SCALAR_ATTRIBUTES:
            numpy_type, dtype = SCALAR_ATTRIBUTES[item.name]
            return np.asarray(onnx.helper.get_attribute_value(item),
                              numpy_type), dtype
    return None


def is_pass_through(node: NodeProto) -> bool:
    if node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "Cast":
        return attribute(node, "to") in FLOATS
    return node.op_type in KEEPS_ELEMENTS


def read_graph(view: View, graph: GraphProto, path: str,
               outer: ChainMap) -> None:
    known = outer.new_child()

    def add(name: str, array: np.ndarray, dtype: int) -> None:
        known[name] = Constant(path + name, array, dtype)
        view.constants[path + name] = known[name]

    for tensor in graph.initializer:
        add(tensor.name, numpy_helper.to_array(tensor), tensor.data_type)
    for node in graph.node:
        made = node.op_type == "Constant" and constant_of_node(node)
        if made:
            add(node.output[0], *made)
    for node in graph.node:
        read_node(view, node, path, known)
    for output in graph.output:
        if output.name in known:
            known[output.name].readers.append((None, 0))


def read_node(view: View, node: NodeProto, path: str,
              known: ChainMap) -> None:
    if is_pass_through(node) and node.input[0] in known:
        source = known[node.input[0]]
        if source.dtype in FLOATS:
            known[node.output[0]] = source
            return
    for i, name in enumerate(node.input):
        if name in known:
            known[name].readers.append((node, i))
    if node.op_type == "Conv" and node.domain in ("", "ai.onnx"):
        weight = known.get(node.input[1])
        if weight and weight.dtype not in FLOATS:
            weight = None
        view.convs.append(Conv(node, weight))
    for name, graph in subgraphs(node):
        read_graph(view, graph, f"{path}{label(node)}/{name}/", known)


def read(model: ModelProto) -> View:
    view = View({}, [])
    read_graph(view, model.graph, "", ChainMap())
    return view


def is_dfl(conv: Conv) -> bool:
    """1x1, one output channel, weights 0, 1, 2, ...: integers, not learned."""
    array = conv.weight.array if conv.weight else np.empty(0)
    return (array.ndim == 4 and array.shape[0] == 1 and array.shape[1] > 1
            and array.shape[2:] == (1, 1)
            and np.array_equal(array.ravel(), np.arange(array.size)))


def to_half(array: np.ndarray) -> np.ndarray:
    """float16 as compress has it: beyond the range goes to its end, what
    would vanish to the smallest number of its sign."""
    wide = array.astype(np.float64)
    finite = np.isfinite(wide)
    wide = np.where(finite, np.clip(wide, -HALF_MAX, HALF_MAX), wide)
    tiny = finite & (wide != 0) & (abs(wide) < HALF_MIN)
    wide = np.where(tiny, np.copysign(HALF_MIN, wide), wide)
    return wide.astype(np.float32).astype(np.float16)


def same_numbers(before: np.ndarray, after: np.ndarray) -> bool:
    """Equal, or equal once `before` is float16; NaN equals NaN."""
    if before.shape != after.shape:
        return False
    if after.dtype == np.float16 and before.dtype != np.float16:
        before = to_half(before)
    if before.dtype.kind == "f":
        return np.array_equal(before, after, equal_nan=True)
    return before.dtype == after.dtype and np.array_equal(before, after)
