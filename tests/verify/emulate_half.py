"""float16 arithmetic on a CPU that has none.

ONNX Runtime's CPU kernels are float32: it casts around every operator and then
removes the pairs of Casts, so that of float16 little but the weights' rounding
is left. rounded() makes a float32 model of a float16 one in which every value
that a GPU would hold in float16 is rounded to its 11 significant bits, by
Dekker's splitting (A floating-point technique for extending the available
precision, 1971): c = (2^13 + 1) x, then c - (c - x). float16's range is not
emulated.
"""

from typing import Iterator

import numpy as np
from onnx import (GraphProto, ModelProto, NodeProto, TensorProto, helper,
                  numpy_helper)

import infer
from infer import FLOAT, HALF

SPLITTER, EXACT = "emulate_half/splitter", "/exact"
SPLIT = np.float32(2 ** 13 + 1)  # 24 bits - 11 bits


def widen(tensor: TensorProto) -> None:
    if tensor.data_type == HALF:
        array = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def widen_node(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "value":
            widen(attribute.t)
        if node.op_type == "Cast" and attribute.i == HALF:
            attribute.i = FLOAT


def rounding(name: str) -> list[NodeProto]:
    """`name` from `name/exact`."""
    large, rest = f"{name}/large", f"{name}/rest"
    return [helper.make_node("Mul", [name + EXACT, SPLITTER], [large]),
            helper.make_node("Sub", [large, name + EXACT], [rest]),
            helper.make_node("Sub", [large, rest], [name])]


def rounded_nodes(graph: GraphProto,
                  types: dict[str, int]) -> Iterator[NodeProto]:
    for node in graph.node:
        widen_node(node)
        halves = [name for name in node.output if types.get(name) == HALF]
        node.output[:] = [name + EXACT if name in halves else name
                          for name in node.output]
        yield node
        for name in halves:
            yield from rounding(name)


def rounded(model: ModelProto) -> ModelProto:
    """For models without subgraphs, with float32 inputs and outputs."""
    types = infer.infer(model).of
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    nodes = list(rounded_nodes(graph, types))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    for tensor in graph.initializer:
        widen(tensor)
    graph.initializer.append(numpy_helper.from_array(SPLIT, SPLITTER))
    return result
