"""What both peers share: reading the Conv weights of an ONNX model with
python3-onnx, and the naive conversion to float16 (every float tensor, one Cast
behind each input and before each output), as short scripts do it."""

from typing import Iterator

import numpy as np
from onnx import (AttributeProto, ModelProto, NodeProto, TensorProto, helper,
                  numpy_helper)

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
HALF_MAX = 65504.0
STAYS_FLOAT = {("Resize", 2), ("Upsample", 1)}  # (operator, input)


def is_dfl(weight: np.ndarray) -> bool:
    """0, 1, 2, ... in a 1x1 Conv with one output: not learned."""
    return weight.shape[0] == 1 and np.array_equal(
        weight.ravel(), np.arange(weight.size))


def conv_weights(model: ModelProto) -> Iterator[TensorProto]:
    """The initializers that are weights of Convs, but for DFL's."""
    initializers = {t.name: t for t in model.graph.initializer}
    names = dict.fromkeys(node.input[1] for node in model.graph.node
                          if node.op_type == "Conv")
    for name in names:
        tensor = initializers.get(name)
        if tensor and not is_dfl(numpy_helper.to_array(tensor)):
            yield tensor


def replace(tensor: TensorProto, array: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def to_half(tensor: TensorProto) -> None:
    if tensor.data_type == FLOAT:
        array = numpy_helper.to_array(tensor)
        replace(tensor, np.clip(array, -HALF_MAX, HALF_MAX)
                .astype(np.float16))


def kept_names(model: ModelProto) -> set[str]:
    return {node.input[i] for node in model.graph.node
            for operator, i in STAYS_FLOAT
            if node.op_type == operator and len(node.input) > i}


def convert_node(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            to_half(attribute.t)
        if node.op_type == "Cast" and attribute.i == FLOAT:
            attribute.i = HALF


def cast_io(model: ModelProto) -> None:
    """Renames what is inside; the graph's inputs and outputs keep theirs."""
    graph = model.graph
    inputs = [v.name for v in graph.input]
    outputs = [v.name for v in graph.output]
    inner = {name: f"{name}_half" for name in inputs + outputs}
    for node in graph.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
    casts = [helper.make_node("Cast", [name], [inner[name]], to=HALF)
             for name in inputs]
    nodes = casts + list(graph.node)
    nodes += [helper.make_node("Cast", [inner[name]], [name], to=FLOAT)
              for name in outputs]
    del graph.node[:]
    graph.node.extend(nodes)


def convert(model: ModelProto) -> None:
    """Only for models whose inputs and outputs are all float32."""
    kept = kept_names(model)
    for tensor in model.graph.initializer:
        if tensor.name not in kept:
            to_half(tensor)
    for node in model.graph.node:
        if not kept.intersection(node.output):
            convert_node(node)
    cast_io(model)
    del model.graph.value_info[:]
