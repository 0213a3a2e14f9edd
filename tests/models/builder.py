"""What every test model is made with: a list of recipes, and a small graph
builder over onnx.helper.

A recipe is a function that returns what one file of OUTDIR holds; it is
registered under the file's name with a sentence on what the file is for.
Everything is seeded: two runs make the same bytes.
"""

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
INT64, BOOL = TensorProto.INT64, TensorProto.BOOL

# The IR version that came with each opset (onnx: docs/Versioning.md).
IR_OF_OPSET = {8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8,
               17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10}
NEWEST_IR = 10

Dim = Union[int, str]


@dataclass(frozen=True)
class Symlink:
    target: str


class Directory:
    """An empty folder."""


Content = Union[ModelProto, bytes, Symlink, Directory]


@dataclass(frozen=True)
class Recipe:
    file: str
    purpose: str
    make: Callable[[], Content]


RECIPES: list[Recipe] = []


def recipe(file: str, purpose: str) -> Callable:
    """Registers the function below it as what makes `file`."""
    def register(make: Callable[[], Content]) -> Callable[[], Content]:
        RECIPES.append(Recipe(file, purpose, make))
        return make
    return register


class Net:
    """A graph under construction.

    Every method that adds a node gives back the name of the value it makes.
    Nodes are named `scope/OpType`, with a number where that is taken.
    """

    def __init__(self, name: str, opset: int = 17, seed: int = 0) -> None:
        self.name = name
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.initializers: list[TensorProto] = []
        self.scope = ""
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        name = f"{self.scope}/{name}" if self.scope else name
        number, result = 0, name
        while result in self._taken:
            number += 1
            result = f"{name}_{number}"
        self._taken.add(result)
        return result

    def input(self, name: str, shape: Sequence[Dim],
              dtype: int = FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, value: str, shape: Optional[Sequence[Dim]],
               dtype: int = FLOAT) -> None:
        self.outputs.append(
            helper.make_tensor_value_info(value, dtype, shape))

    def image(self, channels: int = 3, size: int = 8) -> str:
        return self.input("images", [1, channels, size, size])

    def const(self, name: str, array: Any) -> str:
        """An initializer with raw data; Python numbers become float32."""
        array = np.asarray(array)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = self.unique(name)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def tensor(self, tensor: TensorProto) -> str:
        """An initializer as it is."""
        self.initializers.append(tensor)
        return tensor.name

    def node(self, op_type: str, inputs: Sequence[str], *,
             out: Optional[str] = None, **attributes: Any) -> str:
        """A node with one output, called `out` or after the node."""
        name = self.unique(op_type)
        out = out or f"{name}_output_0"
        self.nodes.append(helper.make_node(op_type, inputs, [out], name=name,
                                           **attributes))
        return out

    def nodes_out(self, op_type: str, inputs: Sequence[str], count: int,
                  **attributes: Any) -> list[str]:
        """A node with several outputs."""
        name = self.unique(op_type)
        outs = [f"{name}_output_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op_type, inputs, outs, name=name,
                                           **attributes))
        return outs

    def weight(self, shape: Sequence[int]) -> np.ndarray:
        """Random weights that keep the variance of what runs through."""
        fan_in = max(1, int(np.prod(shape[1:])))
        return self.rng.normal(0, (2 / fan_in) ** 0.5, shape) \
            .astype(np.float32)

    def conv(self, x: str, c_in: int, c_out: int, k: int = 1, *,
             stride: int = 1, group: int = 1, bias: bool = True,
             out: Optional[str] = None) -> str:
        """A Conv2d with random weights that keeps height and width but for
        its stride."""
        inputs = [x, self.const("weight",
                                self.weight([c_out, c_in // group, k, k]))]
        if bias:
            inputs.append(self.const("bias", self.rng.normal(0, .1, c_out)))
        return self.node("Conv", inputs, out=out, group=group,
                         kernel_shape=[k, k], strides=[stride, stride],
                         pads=[(k - 1) // 2] * 4, dilations=[1, 1])

    def conv_with(self, x: str, weight: str, k: int = 3, **more: Any) -> str:
        """A Conv2d, "same" padded, whose weight is the value `weight`."""
        return self.node("Conv", [x, weight], kernel_shape=[k, k],
                         pads=[(k - 1) // 2] * 4, **more)

    def silu(self, x: str) -> str:
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def split(self, x: str, sizes: Sequence[int], axis: int) -> list[str]:
        """Sizes are an attribute before opset 13, an input from there on."""
        if self.opset < 13:
            return self.nodes_out("Split", [x], len(sizes), axis=axis,
                                  split=list(sizes))
        lengths = self.const("split", np.array(sizes, np.int64))
        return self.nodes_out("Split", [x, lengths], len(sizes), axis=axis)

    def upsample(self, x: str) -> str:
        """Twice the height and width, nearest neighbour. Opset 11 wants a
        roi, be it empty."""
        roi = "" if self.opset >= 13 else \
            self.const("roi", np.zeros(0, np.float32))
        return self.node("Resize", [x, roi, self.const("scales",
                                                       [1., 1., 2., 2.])],
                         mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric")

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        return self.node("Reshape", [x, self.const(
            "shape", np.array(shape, np.int64))])

    def concat(self, values: Sequence[str], axis: int, *,
               out: Optional[str] = None) -> str:
        return self.node("Concat", values, out=out, axis=axis)

    def graph(self, **more: Any) -> Any:
        return helper.make_graph(self.nodes, self.name, self.inputs,
                                 self.outputs, self.initializers, **more)

    def model(self, **more: Any) -> ModelProto:
        """The finished model; keywords go to onnx.helper.make_model."""
        more.setdefault("opset_imports", [helper.make_opsetid("", self.opset)])
        more.setdefault("producer_name", "tests")
        more.setdefault("ir_version", IR_OF_OPSET.get(self.opset, NEWEST_IR))
        return helper.make_model(self.graph(), **more)


def scoped(build: Callable) -> Callable:
    """Lets a block take its scope's name as its second argument."""
    def run(net: Net, scope: str, *args: Any, **kwargs: Any) -> Any:
        outer = net.scope
        net.scope = f"{outer}/{scope}" if outer else scope
        try:
            return build(net, *args, **kwargs)
        finally:
            net.scope = outer
    return run
