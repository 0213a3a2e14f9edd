"""What a conversion to float16 has to get right: existing Casts, constants
with two kinds of readers, operators that fix a type, values that only fit
float32."""


from typing import Callable

import numpy as np
from onnx import ModelProto, helper

from builder import BOOL, FLOAT, INT64, Net, recipe


def body(file: str, purpose: str, *, opset: int = 17,
         out_shape: tuple[int, ...] = (1, 4, 8, 8)) -> Callable:
    """Registers a model Conv -> middle -> Conv, so that the middle is never
    in the tail; the function below gets the net and a value [1,4,8,8] and
    gives one with 4 channels."""
    def register(middle: Callable[[Net, str], str]) -> Callable:
        def make() -> ModelProto:
            net = Net(file.split(".")[0], opset, seed=40)
            x = middle(net, net.conv(net.image(), 3, 4, 3))
            net.conv(x, 4, 4, 3, out="y")
            net.output("y", out_shape)
            return net.model()
        recipe(file, purpose)(make)
        return middle
    return register


# ---- Casts that are there already -------------------------------------------

@body("cast_float_to_float.onnx", "a Cast from float32 to float32")
def cast_float_to_float(net: Net, x: str) -> str:
    return net.node("Cast", [x], to=FLOAT)


@body("cast_float_to_int.onnx",
      "float32 -> Cast to int64 -> Cast to float32 -> Mul")
def cast_float_to_int(net: Net, x: str) -> str:
    whole = net.node("Cast", [x], to=INT64)
    return net.node("Mul", [x, net.node("Cast", [whole], to=FLOAT)])


@recipe("cast_int_input.onnx", "uint8 image -> Cast to float32 -> Div -> Conv")
def cast_int_input() -> ModelProto:
    net = Net("cast_int_input", seed=41)
    x = net.node("Cast", [net.input("images", [1, 3, 8, 8], 2)], to=FLOAT)
    x = net.node("Div", [x, net.const("white", 255.)])
    net.conv(net.conv(x, 3, 4, 3), 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@body("cast_bool_mask.onnx", "Greater -> Cast bool to float32 -> Mul")
def cast_bool_mask(net: Net, x: str) -> str:
    positive = net.node("Greater", [x, net.const("zero", 0.)])
    return net.node("Mul", [x, net.node("Cast", [positive], to=FLOAT)])


@body("cast_shape_to_float.onnx", "Shape -> Cast to float32 -> Div -> Mul: "
      "float arithmetic on sizes beside features")
def cast_shape_to_float(net: Net, x: str) -> str:
    side = net.node("Gather", [net.node("Shape", [x]), net.const(
        "last", np.array(3, np.int64))], axis=0)
    ratio = net.node("Div", [net.node("Cast", [side], to=FLOAT),
                             net.const("eight", np.float32(8))])
    return net.node("Mul", [x, ratio])


@body("resize_computed_scales.onnx", "Resize whose scales are computed in "
      "float32 from a Shape", out_shape=(1, 4, 16, 16))
def resize_computed_scales(net: Net, x: str) -> str:
    sizes = net.node("Cast", [net.node("Shape", [x])], to=FLOAT)
    wanted = net.node("Mul", [sizes, net.const("factor", [1., 1., 2., 2.])])
    scales = net.node("Div", [wanted, sizes])
    return net.node("Resize", [x, "", scales], mode="nearest")


# ---- constants --------------------------------------------------------------

@body("attention_mask.onnx", "MatMul, scale, -inf mask, Softmax, MatMul")
def attention_mask(net: Net, x: str) -> str:
    tokens = net.node("Transpose", [net.reshape(x, [1, 4, 64])],
                      perm=[0, 2, 1])
    query, key, value = (net.node("MatMul", [tokens, net.const(
        name, net.weight([4, 4]))]) for name in ("query", "key", "value"))
    scores = net.node("MatMul", [query, net.node("Transpose", [key],
                                                 perm=[0, 2, 1])])
    scores = net.node("Mul", [scores, net.const("scale", np.float32(.5))])
    mask = np.triu(np.full([64, 64], -np.inf, np.float32), 1)
    scores = net.node("Add", [scores, net.const("mask", mask)])
    mixed = net.node("MatMul", [net.node("Softmax", [scores], axis=-1),
                                value])
    return net.reshape(net.node("Transpose", [mixed], perm=[0, 2, 1]),
                       [1, 4, 8, 8])


@recipe("shared_scale.onnx", "one constant is an operand of a Mul in the "
        "body (float16) and of one in the tail (float32)")
def shared_scale() -> ModelProto:
    net = Net("shared_scale", seed=42)
    scale = net.const("scale", np.float32(1.5))
    x = net.node("Mul", [net.conv(net.image(), 3, 4, 3), scale])
    x = net.conv(x, 4, 4, 3)
    net.node("Mul", [x, scale], out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("shared_constant_node.onnx",
        "shared_scale.onnx with the constant in a Constant node")
def shared_constant_node() -> ModelProto:
    net = Net("shared_constant_node", seed=42)
    scale = net.node("Constant", [], value_float=1.5)
    x = net.node("Mul", [net.conv(net.image(), 3, 4, 3), scale])
    x = net.conv(x, 4, 4, 3)
    net.node("Mul", [x, scale], out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@body("constant_forms.onnx", "Constants as value, value_float, value_floats, "
      "value_int, value_ints, and ConstantOfShape")
def constant_forms(net: Net, x: str) -> str:
    tensor = helper.make_tensor("", FLOAT, [1, 4, 1, 1], [.5, 1, 1.5, 2])
    x = net.node("Mul", [x, net.node("Constant", [], value=tensor)])
    x = net.node("Add", [x, net.node("Constant", [], value_float=.25)])
    row = net.node("Constant", [], value_floats=[1., 2.] * 4)
    x = net.node("Mul", [x, row])
    shape = net.node("Constant", [], value_ints=[1, 4, 8, 8])
    fill = helper.make_tensor("", FLOAT, [1], [.125])
    x = net.node("Add", [x, net.node("ConstantOfShape", [shape],
                                     value=fill)])
    channel = net.node("Constant", [], value_int=2)
    return net.node("Add", [x, net.node("Unsqueeze", [
        net.node("Gather", [x, channel], axis=1),
        net.const("axes", np.array([1], np.int64))])])


@body("half_range_activations.onnx", "features of 1e5 inside: float16 "
      "computation overflows where float32 does not")
def half_range_activations(net: Net, x: str) -> str:
    wide = net.node("Mul", [x, net.const("up", np.float32(3e5))])
    return net.node("Mul", [wide, net.const("down", np.float32(1e-5))])


# ---- operators --------------------------------------------------------------

@body("batch_normalization.onnx", "BatchNormalization after a Conv")
def batch_normalization(net: Net, x: str) -> str:
    parts = [net.const(name, abs(net.weight([4])) + .5)
             for name in ("scale", "bias", "mean", "variance")]
    return net.node("BatchNormalization", [x] + parts, epsilon=1e-3)


@body("instance_normalization.onnx", "InstanceNormalization")
def instance_normalization(net: Net, x: str) -> str:
    return net.node("InstanceNormalization", [
        x, net.const("scale", [1., 2., 3., 4.]),
        net.const("bias", [0., 1., 0., 1.])])


@body("clip.onnx", "Clip with min and max as inputs, with min alone, with max "
      "alone")
def clip(net: Net, x: str) -> str:
    low = net.const("low", np.float32(-1))
    high = net.const("high", np.float32(6))
    x = net.node("Clip", [x, low, high])
    return net.node("Clip", [net.node("Clip", [x, low]), "", high])


@body("clip_opset9.onnx", "Clip with min and max as attributes", opset=9)
def clip_opset9(net: Net, x: str) -> str:
    return net.node("Clip", [x], min=0., max=6.)


@body("prelu.onnx", "PRelu with a slope for each channel")
def prelu(net: Net, x: str) -> str:
    return net.node("PRelu", [x, net.const("slope", net.weight([4, 1, 1]))])


@body("hard_swish.onnx", "HardSwish, HardSigmoid, and HardSwish spelled out")
def hard_swish(net: Net, x: str) -> str:
    x = net.node("HardSwish", [x])
    x = net.node("Mul", [x, net.node("HardSigmoid", [x], alpha=1 / 6)])
    gate = net.node("Clip", [
        net.node("Add", [x, net.const("three", np.float32(3))]),
        net.const("low", np.float32(0)), net.const("high", np.float32(6))])
    return net.node("Div", [net.node("Mul", [x, gate]),
                            net.const("six", np.float32(6))])


@recipe("gemm_classifier.onnx",
        "Conv, GlobalAveragePool, Flatten, Gemm, Softmax")
def gemm_classifier() -> ModelProto:
    net = Net("gemm_classifier", seed=43)
    x = net.silu(net.conv(net.image(), 3, 8, 3))
    x = net.node("Flatten", [net.node("GlobalAveragePool", [x])])
    x = net.node("Gemm", [x, net.const("fc.weight", net.weight([5, 8])),
                          net.const("fc.bias", net.weight([5]))], transB=1)
    net.node("Softmax", [x], axis=1, out="probabilities")
    net.output("probabilities", [1, 5])
    return net.model()


@body("pointwise_zoo.onnx", "unary and binary float operators in a chain")
def pointwise_zoo(net: Net, x: str) -> str:
    for op in ("Abs", "Sqrt", "Neg", "Exp", "Tanh", "Erf", "Softplus",
               "Softsign", "Elu", "Selu", "LeakyRelu", "Floor", "Ceil",
               "Sin", "Cos", "Sign"):
        x = net.node("Add", [x, net.node(op, [x])])
        x = net.node("Tanh", [x])
    x = net.node("Pow", [x, net.const("two", np.array(2, np.int64))])
    x = net.node("Pow", [x, net.const("float_two", np.float32(2))])
    x = net.node("Reciprocal", [net.node("Add", [x, net.const("one", 1.)])])
    x = net.node("Log", [net.node("Sqrt", [x])])
    return net.node("Sum", [x, x, net.const("bias", net.weight([1, 4, 1, 1]))])


@body("comparison_zoo.onnx", "Min, Max, Where, comparisons, CumSum, ArgMax")
def comparison_zoo(net: Net, x: str) -> str:
    low = net.const("low", np.float32(-.5))
    x = net.node("Max", [x, low])
    x = net.node("Min", [x, net.const("high", np.float32(.5)), x])
    smaller = net.node("LessOrEqual", [x, low])
    x = net.node("Where", [smaller, x, net.node("Neg", [x])])
    x = net.node("CumSum", [x, net.const("axis", np.array(2, np.int64))])
    best = net.node("ArgMax", [x], axis=1, keepdims=1)
    return net.node("Add", [x, net.node("Cast", [best], to=FLOAT)])


@body("reduce_zoo.onnx", "ReduceMean, ReduceSum (axes input), ReduceMax, "
      "ReduceL2, AveragePool, GlobalMaxPool, LpPool")
def reduce_zoo(net: Net, x: str) -> str:
    axes = net.const("axes", np.array([2, 3], np.int64))
    total = net.node("ReduceSum", [x, axes], keepdims=1)
    mean = net.node("ReduceMean", [x], axes=[1], keepdims=1)
    peak = net.node("ReduceMax", [x], axes=[1, 2], keepdims=1)
    length = net.node("ReduceL2", [x], axes=[1], keepdims=1)
    pooled = net.node("AveragePool", [x], kernel_shape=[3, 3], pads=[1] * 4)
    top = net.node("GlobalMaxPool", [x])
    return net.node("Sum", [x, total, mean, peak, length, pooled, top])


@body("shape_zoo.onnx", "Transpose, Flatten, Expand, Tile, Pad with a value, "
      "Slice, Gather, Squeeze, Unsqueeze, SpaceToDepth, DepthToSpace")
def shape_zoo(net: Net, x: str) -> str:
    ints = {name: net.const(name, np.array(values, np.int64))
            for name, values in (
                ("pads", [0, 0, 1, 1, 0, 0, 1, 1]), ("starts", [1, 1]),
                ("ends", [9, 9]), ("axes", [2, 3]), ("first", [0]),
                ("order", [3, 2, 1, 0]), ("shape", [1, 4, 8, 8]),
                ("repeats", [1, 1, 1, 2]))}
    x = net.node("Pad", [x, ints["pads"], net.const("fill", np.float32(.5))])
    x = net.node("Slice", [x, ints["starts"], ints["ends"], ints["axes"]])
    x = net.node("Gather", [x, ints["order"]], axis=1)
    x = net.node("SpaceToDepth", [x], blocksize=2)
    x = net.node("DepthToSpace", [x], blocksize=2)
    x = net.node("Squeeze", [x, ints["first"]])
    x = net.node("Unsqueeze", [x, ints["first"]])
    x = net.node("Transpose", [x], perm=[0, 1, 3, 2])
    flat = net.node("Flatten", [x], axis=1)
    x = net.node("Reshape", [flat, ints["shape"]])
    column = net.node("ReduceMean", [x], axes=[3], keepdims=1)
    x = net.node("Add", [x, net.node("Expand", [column, ints["shape"]])])
    wide = net.node("Tile", [x, ints["repeats"]])
    return net.split(wide, [8, 8], axis=3)[1]


@body("range_arange.onnx", "Range over floats, added to features: offsets "
      "computed at run time")
def range_arange(net: Net, x: str) -> str:
    ramp = net.node("Range", [net.const(name, np.float32(n)) for name, n in
                              (("start", 0), ("limit", 8), ("delta", 1))])
    return net.node("Add", [x, ramp])


@body("layer_normalization.onnx", "LayerNormalization, Gelu by Erf, Einsum")
def layer_normalization(net: Net, x: str) -> str:
    scale = net.const("scale", abs(net.weight([8])) + .5)
    bias = net.const("bias", net.weight([8]))
    x = net.node("LayerNormalization", [x, scale, bias], axis=-1)
    root = net.node("Div", [x, net.const("root", np.float32(2 ** .5))])
    gate = net.node("Add", [net.node("Erf", [root]),
                            net.const("one", np.float32(1))])
    x = net.node("Mul", [x, gate])
    matrix = net.const("matrix", net.weight([8, 8]))
    return net.node("Einsum", [x, matrix], equation="nchw,wv->nchv")


@body("dropout_identity.onnx", "Identity, Dropout with a ratio, division by a "
      "Size")
def dropout_identity(net: Net, x: str) -> str:
    x = net.node("Identity", [x])
    x = net.node("Dropout", [x, net.const("ratio", np.float32(.5))])
    size = net.node("Cast", [net.node("Size", [x])], to=FLOAT)
    return net.node("Div", [x, size])


@body("qdq.onnx", "QuantizeLinear and DequantizeLinear around a Conv: scales "
      "are float32 in every opset before 19")
def qdq(net: Net, x: str) -> str:
    scale = net.const("scale", np.float32(.05))
    zero = net.const("zero_point", np.array(128, np.uint8))
    x = net.node("QuantizeLinear", [x, scale, zero])
    x = net.node("DequantizeLinear", [x, scale, zero])
    return net.conv(x, 4, 4, 3)


@body("resize_forms.onnx", "Resize by scales, by sizes, linear, cubic, and "
      "tf_crop_and_resize with a roi", out_shape=(1, 4, 4, 4))
def resize_forms(net: Net, x: str) -> str:
    sizes = net.const("sizes", np.array([1, 4, 12, 12], np.int64))
    scales = net.const("scales", [1., 1., .5, .5])
    roi = net.const("roi", [0., 0., .25, .25, 1., 1., .75, .75])
    x = net.node("Resize", [x, "", "", sizes], mode="nearest")
    x = net.node("Resize", [x, "", net.const("two", [1., 1., 2., 2.])],
                 mode="linear")
    x = net.node("Resize", [x, "", scales], mode="cubic")
    return net.node("Resize", [x, roi, net.const("third", [
        1., 1., 1 / 3, 1 / 3])], mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize")


@body("grid_sample.onnx", "GridSample with a constant grid")
def grid_sample(net: Net, x: str) -> str:
    y, x_axis = np.mgrid[-1:1:8j, -1:1:8j]
    grid = np.stack([x_axis, y], -1)[None]
    return net.node("GridSample", [x, net.const("grid", grid)])


@recipe("all_decode.onnx", "one Conv, then a long decode: most operators are "
        "in the tail, and a large constant with them")
def all_decode() -> ModelProto:
    net = Net("all_decode", seed=44)
    x = net.node("Sigmoid", [net.conv(net.image(), 3, 4, 3)])
    grid = net.const("grid", np.arange(256.).reshape(1, 4, 8, 8) * 2.5)
    x = net.node("Add", [net.node("Mul", [x, net.const("two", 2.)]), grid])
    net.node("Mul", [x, net.const("stride", np.float32(8))], out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("no_tail.onnx", "the last node is a Conv: nothing is left in float32 "
        "but input and output")
def no_tail() -> ModelProto:
    net = Net("no_tail", seed=45)
    x = net.silu(net.conv(net.image(), 3, 4, 3))
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("two_readers.onnx", "one float16 value is read by two operators that "
        "stay float32: one Cast, not two")
def two_readers() -> ModelProto:
    net = Net("two_readers", seed=46)
    x = net.conv(net.image(), 3, 4, 3)
    low = net.node("Min", [x, net.const("low", np.float32(1))])
    high = net.node("Max", [x, net.const("high", np.float32(-1))])
    net.conv(net.node("Add", [low, high]), 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("bool_output.onnx", "a bool and an int64 graph output made of "
        "features")
def bool_output() -> ModelProto:
    net = Net("bool_output", seed=47)
    x = net.conv(net.image(), 3, 4, 3)
    net.node("Greater", [x, net.const("zero", np.float32(0))], out="positive")
    net.node("ArgMax", [x], axis=1, out="best")
    net.output("positive", [1, 4, 8, 8], BOOL)
    net.output("best", [1, 1, 8, 8], INT64)
    return net.model()
