#!/usr/bin/python3
"""Makes a model N times larger: N copies of one side by side.

    big_model.py MODEL OUT COPIES

The copies read the same inputs; each has nodes, weights and outputs of its
own, so that everything a tool does per node, per tensor and per weight grows
by the same factor.
"""

import sys

import onnx
from onnx import GraphProto, ModelProto


def add_copy(result: GraphProto, graph: GraphProto, prefix: str) -> None:
    """Adds all but the inputs, every name of its own under `prefix`."""
    inputs = {value.name for value in graph.input}

    def renamed(name: str) -> str:
        return name if name in inputs or not name else prefix + name

    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        copy.name = renamed(node.name)
        copy.input[:] = [renamed(name) for name in node.input]
        copy.output[:] = [renamed(name) for name in node.output]
    for field in ("initializer", "output", "value_info"):
        for item in getattr(graph, field):
            copy = getattr(result, field).add()
            copy.CopyFrom(item)
            copy.name = renamed(item.name)


def enlarge(model: ModelProto, copies: int) -> ModelProto:
    """For models without subgraphs."""
    result = ModelProto()
    result.CopyFrom(model)
    for field in ("node", "initializer", "output", "value_info"):
        result.graph.ClearField(field)
    for i in range(copies):
        add_copy(result.graph, model.graph, f"copy{i}/")
    return result


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    model = onnx.load(sys.argv[1])
    onnx.save(enlarge(model, int(sys.argv[3])), sys.argv[2])


if __name__ == "__main__":
    main()
