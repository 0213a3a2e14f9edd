"""Graphs with more in them than a list of nodes: subgraphs, functions,
foreign domains, annotations, unknown fields."""

from typing import Callable

import numpy as np
from onnx import GraphProto, ModelProto, TensorAnnotation, helper, numpy_helper

from builder import BOOL, FLOAT, INT64, Net, recipe
from detectors import tiny_v8
from wire import with_unknown_fields


# ---- subgraphs --------------------------------------------------------------

def branch(name: str, build: Callable[[Net], str]) -> GraphProto:
    """A subgraph without inputs; build(net) gives the name of its output."""
    net = Net(name, seed=20)
    net.scope = name
    net.output(build(net), None)
    return net.graph()


def is_positive(net: Net, x: str) -> str:
    """A scalar condition that depends on the data."""
    mean = net.node("ReduceMean", [x], keepdims=0)
    return net.node("Greater", [mean, net.const("zero", np.float32(0))])


@recipe("if_captures_outer.onnx", "an If whose then-branch has a Conv on a "
        "float value, and with a bias, of the outer graph")
def if_captures_outer() -> ModelProto:
    net = Net("if_captures_outer", seed=21)
    features = net.conv(net.image(), 3, 4, 3)
    bias = net.const("outer_bias", net.weight([4]))

    def then(inner: Net) -> str:
        kernel = inner.const("kernel", inner.weight([4, 4, 3, 3]))
        return inner.node("Conv", [features, kernel, bias], pads=[1] * 4)

    def otherwise(inner: Net) -> str:
        return inner.node("Mul", [features, inner.const("half", .5)])

    x = net.node("If", [is_positive(net, features)],
                 then_branch=branch("then", then),
                 else_branch=branch("else", otherwise))
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


def loop_body() -> GraphProto:
    """state -> Relu(Conv(state)), three times; scans its mean."""
    net = Net("body", seed=22)
    net.scope = "body"
    net.input("iteration", [], INT64)
    go_on = net.input("go_on", [], BOOL)
    state = net.input("state", [1, 4, 8, 8])
    state = net.node("Relu", [net.conv(state, 4, 4, 3)])
    mean = net.node("ReduceMean", [state], keepdims=0)
    net.output(net.node("Identity", [go_on]), [], BOOL)
    net.output(state, [1, 4, 8, 8])
    net.output(mean, [])
    return net.graph()


@recipe("loop.onnx", "a Loop that carries a float value through a Conv and "
        "collects a float scan output")
def loop() -> ModelProto:
    net = Net("loop", seed=23)
    x = net.conv(net.image(), 3, 4, 3)
    count = net.const("count", np.array(3, np.int64))
    go_on = net.const("go_on", np.array(True))
    state, means = net.nodes_out("Loop", [count, go_on, x], 2,
                                 body=loop_body())
    net.conv(state, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    net.output(means, [3])
    return net.model()


def nested_if(depth: int, x: str) -> GraphProto:
    def build(net: Net) -> str:
        net.scope = f"level{depth}"
        if depth == 0:
            return net.conv(x, 4, 4, 3)
        inner = nested_if(depth - 1, x)
        return net.node("If", [is_positive(net, x)], then_branch=inner,
                        else_branch=branch(f"else{depth}", lambda other:
                                           other.node("Identity", [x])))
    return branch(f"level{depth}", build)


@recipe("nested_if.onnx", "Ifs five deep, a Conv in the innermost")
def nested() -> ModelProto:
    net = Net("nested_if", seed=24)
    x = net.conv(net.image(), 3, 4, 3)
    net.node("If", [is_positive(net, x)], then_branch=nested_if(4, x),
             else_branch=branch("else", lambda other:
                                other.node("Identity", [x])), out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


# ---- functions and domains --------------------------------------------------

LOCAL = "tests.local"


@recipe("local_functions.onnx", "model-local functions (IR 8, opset 17): one "
        "calls another, one holds a Conv with its weight in a Constant")
def local_functions() -> ModelProto:
    net = Net("local_functions", seed=25)
    kernel = numpy_helper.from_array(net.weight([4, 4, 3, 3]))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(LOCAL, 1)]
    silu = helper.make_function(LOCAL, "SiLU", ["x"], ["y"], [
        helper.make_node("Sigmoid", ["x"], ["gate"]),
        helper.make_node("Mul", ["x", "gate"], ["y"])], opsets)
    block = helper.make_function(LOCAL, "ConvSiLU", ["x"], ["y"], [
        helper.make_node("Constant", [], ["kernel"], value=kernel),
        helper.make_node("Conv", ["x", "kernel"], ["features"],
                         pads=[1] * 4),
        helper.make_node("SiLU", ["features"], ["y"], domain=LOCAL)], opsets)
    x = net.conv(net.image(), 3, 4, 3)
    x = net.node("SiLU", [x], domain=LOCAL)
    x = net.node("ConvSiLU", [x], domain=LOCAL)
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model(opset_imports=opsets, functions=[silu, block])


@recipe("custom_domain.onnx", "an operator of a foreign domain between two "
        "Convs, with a constant of its own (no runtime has it)")
def custom_domain() -> ModelProto:
    net = Net("custom_domain", seed=26)
    x = net.conv(net.image(), 3, 4, 3)
    scale = net.const("scale", net.weight([4]))
    x = net.node("Normalize", [x, scale], domain="com.example", epsilon=1e-5)
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model(opset_imports=[helper.make_opsetid("", 17),
                                    helper.make_opsetid("com.example", 3)])


@recipe("ai_onnx_domain.onnx", "the default domain under its other name, "
        "ai.onnx, in the import and on a node")
def ai_onnx_domain() -> ModelProto:
    net = Net("ai_onnx_domain", seed=27)
    x = net.conv(net.image(), 3, 4, 3)
    net.conv(net.node("Relu", [x], domain="ai.onnx"), 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model(opset_imports=[helper.make_opsetid("ai.onnx", 17)])


# ---- what rides along -------------------------------------------------------

def annotated() -> ModelProto:
    """Every kind of text and annotation that ONNX has room for."""
    net = Net("annotated", seed=28)
    x = net.conv(net.image(), 3, 4, 3)
    x = net.silu(x)
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    model = net.model(doc_string="a model", producer_version="1.2",
                      domain="tests.example", model_version=7)
    helper.set_model_props(model, {
        "names": "{0: 'person', 1: 'naïve café'}", "stride": "32",
        "task": "detect", "empty": ""})
    graph = model.graph
    graph.doc_string = "a graph\nin two lines"
    graph.node[0].doc_string = "the stem"
    graph.initializer[0].doc_string = "its kernel"
    graph.input[0].doc_string = "pixels"
    graph.input[0].type.denotation = "IMAGE"
    graph.input[0].type.tensor_type.shape.dim[1].denotation = "DATA_CHANNEL"
    for value in {name for node in graph.node for name in node.output}:
        graph.value_info.append(helper.make_tensor_value_info(
            value, FLOAT, [1, 4, 8, 8], "features"))
    graph.value_info.sort(key=lambda info: info.name)
    annotation = TensorAnnotation(tensor_name=x)
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR",
                                                value="scale")
    graph.quantization_annotation.append(annotation)
    return model


@recipe("annotated.onnx", "metadata, doc strings, denotations, value infos "
        "and quantization annotations, with UTF-8 beyond ASCII")
def annotations() -> ModelProto:
    return annotated()


@recipe("unknown_fields.onnx", "annotated.onnx with an unknown field (number "
        "12345) at the end of every message inside it")
def unknown_fields() -> bytes:
    return with_unknown_fields(annotated())


@recipe("unknown_fields_v8.onnx",
        "tiny_v8_opset17.onnx with unknown fields, to be edited")
def unknown_fields_v8() -> bytes:
    return with_unknown_fields(tiny_v8(17))


@recipe("control_characters.onnx", "names with ESC, newline, tab and DEL: "
        "valid, and not to be sent to a terminal as they are")
def control_characters() -> ModelProto:
    net = Net("control_characters", seed=29)
    net.scope = "\x1b[31mred\x1b[0m\n\t\x7f"
    net.conv(net.conv(net.image(), 3, 4, 3), 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("sparse_initializer.onnx", "a Conv weight as sparse_initializer, "
        "another Conv with a dense one")
def sparse_initializer() -> ModelProto:
    net = Net("sparse_initializer", seed=30)
    x = net.conv(net.image(), 3, 4, 3)
    positions = np.arange(0, 144, 5)
    values = numpy_helper.from_array(
        net.weight([len(positions)]), "sparse_kernel")
    indices = numpy_helper.from_array(positions.astype(np.int64))
    net.conv_with(x, "sparse_kernel", out="y")
    net.output("y", [1, 4, 8, 8])
    model = net.model()
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, indices, [4, 4, 3, 3]))
    return model


@recipe("every_attribute.onnx", "a node of a foreign domain with an attribute "
        "of every kind, lists and empty lists included")
def every_attribute() -> ModelProto:
    net = Net("every_attribute", seed=31)
    x = net.conv(net.image(), 3, 4, 3)
    tensor = numpy_helper.from_array(net.weight([2, 2]), "tensor")
    graph = branch("attribute", lambda inner: inner.node("Identity", [x]))
    x = net.node("Everything", [x], domain="com.example", a_float=.5,
                 an_int=-7, a_string="text", a_tensor=tensor, a_graph=graph,
                 floats=[.5, 1.5], ints=[1, -2, 2 ** 62],
                 strings=["one", "two"], tensors=[tensor, tensor],
                 graphs=[graph])
    node = net.nodes[-1]
    node.attribute.add(name="no_ints", type=7)
    node.attribute.add(name="nul_string", type=3, s=b"a\0b\xff")
    net.conv(x, 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model(opset_imports=[helper.make_opsetid("", 17),
                                    helper.make_opsetid("com.example", 1)])


# ---- inputs and outputs -----------------------------------------------------

@recipe("output_read_inside.onnx",
        "a graph output that a Conv of the graph reads too")
def output_read_inside() -> ModelProto:
    net = Net("output_read_inside", seed=32)
    features = net.silu(net.conv(net.image(), 3, 4, 3))
    net.conv(features, 4, 4, 3, out="y")
    net.output(features, [1, 4, 8, 8])
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("input_is_output.onnx",
        "a graph input that is a graph output as well, and read by a Conv")
def input_is_output() -> ModelProto:
    net = Net("input_is_output", seed=33)
    x = net.image()
    net.conv(x, 3, 4, 3, out="y")
    net.output(x, [1, 3, 8, 8])
    net.output("y", [1, 4, 8, 8])
    return net.model()


@recipe("constant_output.onnx",
        "an initializer that is a graph output and an operand of an Add")
def constant_output() -> ModelProto:
    net = Net("constant_output", seed=34)
    x = net.conv(net.image(), 3, 4, 3)
    offset = net.const("offset", net.weight([1, 4, 1, 1]))
    net.conv(net.node("Add", [x, offset]), 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    net.output(offset, [1, 4, 1, 1])
    return net.model()


@recipe("two_inputs.onnx", "two float inputs, an int64 input, three outputs "
        "of which one is int64")
def two_inputs() -> ModelProto:
    net = Net("two_inputs", seed=35)
    left = net.conv(net.input("left", [1, 3, 8, 8]), 3, 4, 3)
    right = net.conv(net.input("right", [1, 3, 8, 8]), 3, 4, 3)
    index = net.input("index", [2], INT64)
    both = net.conv(net.concat([left, right], axis=1), 8, 4, 3, out="both")
    net.node("Gather", [both, index], axis=1, out="picked")
    net.node("ArgMax", [both], axis=1, keepdims=0, out="best")
    net.output("both", [1, 4, 8, 8])
    net.output("picked", [1, 2, 8, 8])
    net.output("best", [1, 8, 8], INT64)
    return net.model()


@recipe("concat_100k_inputs.onnx", "one Concat that reads 100,000 times the "
        "same value: a count that only quadratic code notices")
def concat_100k_inputs() -> ModelProto:
    net = Net("concat_100k_inputs", seed=37)
    x = net.conv(net.image(3, 1), 3, 1, 1, out="x")
    net.concat([x] * 100_000, axis=1, out="y")
    net.output("y", [1, 100_000, 1, 1])
    return net.model()
