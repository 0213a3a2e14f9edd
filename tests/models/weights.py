"""Where a weight can stand in a file, in which type, and who may share it.

The models of storage_* hold the same Conv: 216 weights that bfloat16 and
float16 represent exactly, so that each of them must be pruned alike.
"""

from functools import partial
from typing import Any, Callable

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from builder import FLOAT, HALF, Net, recipe

DOUBLE, BFLOAT16 = TensorProto.DOUBLE, TensorProto.BFLOAT16
SHAPE = [8, 3, 3, 3]


def exact_weights() -> np.ndarray:
    """Random, with 8 significant bits: the same number in every type."""
    values = np.random.default_rng(216).normal(0, .3, SHAPE)
    bits = values.astype(np.float32).view(np.uint32) & 0xffff0000
    return bits.view(np.float32)


# ---- storage ----------------------------------------------------------------

def bits_of(array: np.ndarray, dtype: int) -> np.ndarray:
    """The elements as the file holds them; 16-bit types as uint16."""
    if dtype == HALF:
        return array.astype(np.float16).view(np.uint16)
    if dtype == BFLOAT16:
        return (array.view(np.uint32) >> 16).astype(np.uint16)
    return array.astype(np.float64 if dtype == DOUBLE else np.float32)


def raw_tensor(array: np.ndarray, dtype: int) -> TensorProto:
    return TensorProto(name="weight", data_type=dtype, dims=array.shape,
                       raw_data=bits_of(array, dtype).tobytes())


def typed_tensor(array: np.ndarray, dtype: int) -> TensorProto:
    """float_data, double_data, or int32_data for the 16-bit types."""
    field = {FLOAT: "float_data", DOUBLE: "double_data"}
    tensor = TensorProto(name="weight", data_type=dtype, dims=array.shape)
    data = getattr(tensor, field.get(dtype, "int32_data"))
    data.extend(bits_of(array, dtype).ravel().tolist())
    return tensor


def storage(make: Callable[[np.ndarray, int], TensorProto],
            dtype: int) -> ModelProto:
    """One Conv; a weight of another type than float32 goes through a Cast."""
    net = Net("storage", seed=1)
    x = net.image()
    weight = net.tensor(make(exact_weights(), dtype))
    if dtype != FLOAT:
        weight = net.node("Cast", [weight], to=FLOAT)
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 8, 8, 8])
    return net.model()


for _name, _make, _dtype in (
        ("float32_raw", raw_tensor, FLOAT),
        ("float32_typed", typed_tensor, FLOAT),
        ("float16_raw", raw_tensor, HALF),
        ("float16_typed", typed_tensor, HALF),
        ("bfloat16_raw", raw_tensor, BFLOAT16),
        ("bfloat16_typed", typed_tensor, BFLOAT16),
        ("double_raw", raw_tensor, DOUBLE),
        ("double_typed", typed_tensor, DOUBLE)):
    _type, _field = _name.split("_")
    recipe(f"storage_{_name}.onnx",
           f"{_type} weight in " + {
               "raw": "raw_data", "typed": "the typed field"}[_field] +
           ("" if _type == "float32" else ", read by a Conv through a Cast"))(
        partial(storage, _make, _dtype))


def with_constant(**attribute: Any) -> ModelProto:
    """One Conv whose weight is a Constant node (and a Reshape for lists)."""
    net = Net("constant", seed=1)
    x = net.image()
    weight = net.node("Constant", [], **attribute)
    if "value_floats" in attribute:
        weight = net.reshape(weight, SHAPE)
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 8, 8, 8])
    return net.model()


@recipe("storage_constant_value.onnx", "weight in a Constant node's `value`")
def constant_value() -> ModelProto:
    return with_constant(value=numpy_helper.from_array(exact_weights()))


@recipe("storage_constant_floats.onnx",
        "weight in a Constant node's `value_floats`, then a Reshape")
def constant_floats() -> ModelProto:
    return with_constant(value_floats=exact_weights().ravel().tolist())


@recipe("storage_reshaped.onnx",
        "1-d initializer, Reshape, Identity, Conv: still a constant weight")
def reshaped() -> ModelProto:
    net = Net("reshaped", seed=1)
    x = net.image()
    flat = net.const("flat", exact_weights().ravel())
    weight = net.node("Identity", [net.reshape(flat, SHAPE)])
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 8, 8, 8])
    return net.model()


@recipe("double_compute.onnx", "input, Conv and output in double")
def double_compute() -> ModelProto:
    net = Net("double_compute", seed=1)
    x = net.input("images", [1, 3, 8, 8], DOUBLE)
    net.conv_with(x, net.tensor(raw_tensor(exact_weights(), DOUBLE)), out="y")
    net.output("y", [1, 8, 8, 8], DOUBLE)
    return net.model()


# ---- kinds of convolution ---------------------------------------------------

@recipe("conv1d.onnx", "Convs with 3-d weights")
def conv1d() -> ModelProto:
    net = Net("conv1d", seed=2)
    x = net.input("signal", [1, 2, 32])
    x = net.node("Conv", [x, net.const("weight", net.weight([6, 2, 5]))],
                 kernel_shape=[5], pads=[2, 2])
    net.node("Conv", [x, net.const("weight", net.weight([3, 6, 1]))], out="y")
    net.output("y", [1, 3, 32])
    return net.model()


@recipe("conv3d.onnx", "Convs with 5-d weights")
def conv3d() -> ModelProto:
    net = Net("conv3d", seed=3)
    x = net.input("volume", [1, 1, 4, 4, 4])
    x = net.node("Conv", [x, net.const("weight", net.weight([3, 1, 3, 3, 3]))],
                 pads=[1] * 6)
    net.node("Conv", [x, net.const("weight", net.weight([2, 3, 1, 1, 1]))],
             out="y")
    net.output("y", [1, 2, 4, 4, 4])
    return net.model()


@recipe("conv_groups.onnx", "grouped (4 groups) and depthwise Convs, with and "
        "without bias and kernel_shape, dilated, auto_pad")
def conv_groups() -> ModelProto:
    net = Net("conv_groups", seed=4)
    x = net.conv(net.image(), 3, 8, 3)
    x = net.conv(x, 8, 12, 3, group=4, bias=False)
    x = net.conv(x, 12, 12, 3, group=12)
    depthwise = net.const("weight", net.weight([24, 1, 3, 3]))
    x = net.node("Conv", [x, depthwise], group=12, auto_pad="SAME_UPPER")
    dilated = net.const("weight", net.weight([4, 24, 3, 3]))
    net.node("Conv", [x, dilated], dilations=[2, 2], pads=[2] * 4, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("conv_transpose.onnx", "ConvTranspose between Convs: learned, but no "
        "Conv, so never pruned")
def conv_transpose() -> ModelProto:
    net = Net("conv_transpose", seed=5)
    x = net.conv(net.image(), 3, 8, 3, stride=2)
    weight = net.const("up.weight", net.weight([8, 6, 2, 2]))
    bias = net.const("up.bias", net.weight([6]))
    x = net.node("ConvTranspose", [x, weight, bias], strides=[2, 2])
    net.conv(x, 6, 4, 1, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("no_names.onnx", "nodes without names, values called 1, 2, 3")
def no_names() -> ModelProto:
    net = Net("no_names", seed=6)
    x = net.conv(net.image(), 3, 4, 3, out="1")
    x = net.node("Relu", [x], out="2")
    net.conv(x, 4, 4, 3, out="3")
    net.output("3", [1, 4, 8, 8])
    for node in net.nodes:
        node.name = ""
    return net.model()


# ---- sharing ----------------------------------------------------------------

@recipe("shared_two_convs.onnx", "one initializer is the weight of two Convs")
def shared_two_convs() -> ModelProto:
    net = Net("shared_two_convs", seed=7)
    x = net.conv(net.image(), 3, 6, 3)
    weight = net.const("shared", net.weight([6, 6, 3, 3]))
    x = net.node("Relu", [net.conv_with(x, weight)])
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 6, 8, 8])
    return net.model()


@recipe("shared_conv_mul.onnx", "one initializer is the weight of a Conv and "
        "an operand of a Mul; it must not be pruned")
def shared_conv_mul() -> ModelProto:
    net = Net("shared_conv_mul", seed=8)
    x = net.conv(net.image(8, 3), 8, 8, 1)
    weight = net.const("shared", net.weight([4, 8, 3, 3]))
    features = net.conv_with(x, weight)
    net.node("Mul", [features, net.node("ReduceMean", [
        net.node("Mul", [x, weight])], axes=[0, 1], keepdims=1)], out="y")
    net.output("y", [1, 4, 3, 3])
    return net.model()


@recipe("shared_conv_matmul.onnx", "one initializer is the weight of a Conv1d "
        "and, through a Reshape, of a MatMul; it must not be pruned")
def shared_conv_matmul() -> ModelProto:
    net = Net("shared_conv_matmul", seed=9)
    x = net.input("signal", [1, 6, 6])
    x = net.node("Conv", [x, net.const("weight", net.weight([6, 6, 1]))])
    shared = net.const("shared", net.weight([6, 6, 1]))
    matrix = net.reshape(shared, [6, 6])
    y = net.node("Conv", [x, shared])
    net.node("MatMul", [matrix, y], out="y")
    net.output("y", [1, 6, 6])
    return net.model()


@recipe("shared_weight_output.onnx",
        "a Conv weight that is a graph output too; it must not be pruned")
def shared_weight_output() -> ModelProto:
    net = Net("shared_weight_output", seed=10)
    x = net.conv(net.image(), 3, 4, 3)
    weight = net.const("kernel", net.weight([4, 4, 3, 3]))
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 4, 8, 8])
    net.output(weight, [4, 4, 3, 3])
    return net.model()


# ---- not prunable -----------------------------------------------------------

@recipe("computed_weight.onnx", "one Conv's weight is the product of two "
        "constants: skipped; another Conv's is constant")
def computed_weight() -> ModelProto:
    net = Net("computed_weight", seed=11)
    x = net.conv(net.image(), 3, 4, 3)
    weight = net.node("Mul", [net.const("gain", net.weight([4, 1, 1, 1])),
                              net.const("kernel", net.weight([4, 4, 3, 3]))])
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("input_weight.onnx", "a Conv whose weight is a graph input: skipped")
def input_weight() -> ModelProto:
    net = Net("input_weight", seed=12)
    x = net.conv(net.image(), 3, 4, 3)
    weight = net.input("kernel", [4, 4, 3, 3])
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("dequantized_weight.onnx", "int8 weight behind DequantizeLinear, per "
        "channel: skipped; another Conv's weight is float32")
def dequantized_weight() -> ModelProto:
    net = Net("dequantized_weight", seed=13)
    x = net.conv(net.image(), 3, 4, 3)
    kernel = net.rng.integers(-128, 128, [4, 4, 3, 3]).astype(np.int8)
    weight = net.node("DequantizeLinear", [
        net.const("kernel", kernel), net.const("scale", [.01, .02, .03, .04]),
        net.const("zero_point", np.zeros(4, np.int8))], axis=0)
    net.conv_with(x, weight, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("dfl_lookalikes.onnx", "1x1 Convs that are no DFL: weights 0..15 but "
        "two outputs, 1..16, 0..15 with one changed, 3x3; and one that is")
def dfl_lookalikes() -> ModelProto:
    net = Net("dfl_lookalikes", seed=14)
    x = net.conv(net.image(), 3, 16, 3)
    count = np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1)
    changed = count.copy()
    changed[0, 7] = 7.25
    kernels = {"dfl": count, "two_outputs": np.concatenate([count, count]),
               "from_one": count + 1, "changed": changed,
               "wide": np.arange(144, dtype=np.float32).reshape(1, 16, 3, 3)}
    outs = [net.conv_with(x, net.const(name, kernel), kernel.shape[-1])
            for name, kernel in kernels.items()]
    net.concat(outs, axis=1, out="y")
    net.output("y", [1, 6, 8, 8])
    return net.model()


# ---- magnitudes -------------------------------------------------------------

def pointwise(file: str, purpose: str, rows: dict[str, np.ndarray]) -> None:
    """Registers a model with one 1x1 Conv [1,n,1,1] for each row."""
    @recipe(file, purpose)
    def make() -> ModelProto:
        net = Net(file.split(".")[0], seed=15)
        parts = []
        for name, row in rows.items():
            x = net.input(f"{name}_in", [1, len(row), 2, 2])
            weight = net.const(name, row.reshape(1, -1, 1, 1))
            parts.append(net.conv_with(x, weight, 1))
        net.concat(parts, axis=1, out="y")
        net.output("y", [1, len(rows), 2, 2])
        return net.model()


def random_row(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal(0, 1, n)


pointwise("tiny_counts.onnx", "Convs of 1, 2, 3, 10, 30, 50 and 70 weights: "
          "0.05 n is a half for 10, 30, 50, 70 and goes to the even number",
          {f"n{n}": random_row(n) for n in (1, 2, 3, 10, 30, 50, 70)})

pointwise("ties.onnx", "equal magnitudes, mixed signs, zeros of both signs: "
          "the lower index goes first",
          {"all_equal": np.full(40, .5),
           "signs": np.tile([.5, -.5], 20),
           "two_levels": np.tile([2., -1., 1., 3.], 10),
           "negative_zero": np.tile([-0., .25, 0., -.25], 10)})

pointwise("all_zero.onnx", "one Conv holds only zeros, one does not",
          {"zeros": np.zeros(40), "others": random_row(40)})

pointwise("fp16_range.onnx", "values that float16 clamps (1e5, -7e4), keeps "
          "(65504, 6e-8), raises (1e-9, -1e-9, 2e-8), rounds to infinity if "
          "not clamped (65520), and a float32 subnormal",
          {"wide": np.array([1e5, -7e4, 65504., 65520., 1., -1.]),
           "small": np.array([1e-9, -1e-9, 2e-8, 6e-8, 1e-40, .5])})


# ---- old forms --------------------------------------------------------------

@recipe("inputs_of_ir3.onnx", "IR 3, opset 9: every initializer is listed as "
        "a graph input; Upsample with scales")
def inputs_of_ir3() -> ModelProto:
    net = Net("inputs_of_ir3", 9, seed=16)
    x = net.conv(net.image(), 3, 4, 3)
    x = net.node("Upsample", [x, net.const("scales", [1., 1., 2., 2.])],
                 mode="nearest")
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 16, 16])
    for tensor in net.initializers:
        net.inputs.append(helper.make_tensor_value_info(
            tensor.name, tensor.data_type, tensor.dims))
    return net.model(ir_version=3)
