"""Files that must be refused, each wrong in one way; they go to OUTDIR/bad.

A few are valid ONNX that a command has to refuse all the same (an already
pruned model, one without a Conv); their sentence says so.
"""

import io
import zipfile
from functools import partial
from typing import Any, Callable, Optional

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, helper

import external
from builder import FLOAT, HALF, Directory, Net, Symlink, recipe
from external import FIRST, SECOND, external_tensor
from wire import (ATTRIBUTE_GRAPH, GRAPH_NODE, MODEL_GRAPH, NODE_ATTRIBUTE,
                  field)


def bad(name: str, purpose: str) -> Callable:
    return recipe(f"bad/{name}", purpose)


def two_convs(**more: Any) -> tuple[Net, ModelProto]:
    """A small valid model, and the net that it was made of."""
    net = Net("small", more.pop("opset", 17), seed=60)
    net.conv(net.silu(net.conv(net.image(), 3, 4, 3)), 4, 4, 3, out="y")
    net.output("y", [1, 4, 8, 8])
    return net, net.model(**more)


def small() -> ModelProto:
    return two_convs()[1]


def edited(name: str, purpose: str) -> Callable:
    """Registers the small model after the function below changed it."""
    def register(edit: Callable[[ModelProto], None]) -> Callable:
        def make() -> ModelProto:
            model = small()
            edit(model)
            return model
        bad(name, purpose)(make)
        return edit
    return register


# ---- no ONNX file -----------------------------------------------------------

bad("empty.onnx", "no byte")(lambda: b"")
bad("truncated.onnx", "the first half of a model")(
    lambda: small().SerializeToString()[:1000])
bad("truncated_tail.onnx", "a model without its last byte")(
    lambda: small().SerializeToString()[:-1])
bad("photo.jpg", "the first bytes of a JPEG")(
    lambda: bytes.fromhex("ffd8ffe000104a46494600010101004800480000")
    + bytes(range(256)) * 8)
bad("random.onnx", "4096 random bytes")(
    lambda: np.random.default_rng(61).bytes(4096))
bad("text.onnx", "a web page, as a failed download leaves it")(
    lambda: b"<!DOCTYPE html>\n<title>404 Not Found</title>\n" * 8)
bad("directory.onnx", "a folder")(Directory)


@bad("archive.onnx", "a zip archive with a model in it")
def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(zipfile.ZipInfo("model.onnx"),
                      small().SerializeToString())
    return out.getvalue()


# ---- model and graph --------------------------------------------------------

@edited("no_graph.onnx", "a model without a graph")
def no_graph(model: ModelProto) -> None:
    model.ClearField("graph")


@edited("no_nodes.onnx", "a graph without a node")
def no_nodes(model: ModelProto) -> None:
    del model.graph.node[:]


@edited("no_opset.onnx", "no opset import")
def no_opset(model: ModelProto) -> None:
    del model.opset_import[:]


@edited("two_opsets.onnx", "two versions imported for the default domain")
def two_opsets(model: ModelProto) -> None:
    model.opset_import.add(domain="", version=13)


@edited("opset99.onnx", "an opset of the future")
def opset99(model: ModelProto) -> None:
    model.opset_import[0].version = 99


bad("opset8.onnx", "an opset older than 9")(
    lambda: two_convs(opset=8)[1])


@edited("undefined_input.onnx", "a Conv whose weight nobody defines")
def undefined_input(model: ModelProto) -> None:
    del model.graph.initializer[0]


@edited("undefined_output.onnx", "a graph output that nobody makes")
def undefined_output(model: ModelProto) -> None:
    model.graph.output.add().CopyFrom(
        helper.make_tensor_value_info("nowhere", FLOAT, [1]))


@edited("no_output.onnx", "a graph without outputs")
def no_output(model: ModelProto) -> None:
    del model.graph.output[:]


@edited("cycle.onnx", "two Adds that read each other")
def cycle(model: ModelProto) -> None:
    model.graph.node.extend([
        helper.make_node("Add", ["y", "b"], ["a"], name="first"),
        helper.make_node("Add", ["y", "a"], ["b"], name="second")])


@edited("self_loop.onnx", "a node that reads its own output")
def self_loop(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Add", ["y", "a"], ["a"]))


@edited("unsorted.onnx", "nodes in reverse order: acyclic, but not sorted as "
        "ONNX asks for (ONNX Runtime sorts them)")
def unsorted(model: ModelProto) -> None:
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@edited("duplicate_output.onnx", "two nodes make the same value")
def duplicate_output(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["images"], ["y"]))


@edited("duplicate_initializer.onnx", "two initializers have one name")
def duplicate_initializer(model: ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


@edited("output_overwrites_input.onnx", "a node makes the graph input anew")
def output_overwrites_input(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["y"], ["images"]))


@edited("unknown_operator.onnx", "an operator that ONNX's domain lacks")
def unknown_operator(model: ModelProto) -> None:
    model.graph.node[1].op_type = "Sigmoidal"


@edited("no_import_for_domain.onnx",
        "a node of a domain that the model does not import")
def no_import_for_domain(model: ModelProto) -> None:
    model.graph.node[1].domain = "com.example"


def deep_subgraphs(levels: int) -> bytes:
    """Subgraphs inside subgraphs; the generated classes would not parse it
    either (protobuf allows 100 messages inside each other)."""
    graph = b""
    for _ in range(levels):
        attribute = field(1, b"then_branch") + field(ATTRIBUTE_GRAPH, graph)
        node = field(4, b"If") + field(NODE_ATTRIBUTE, attribute)
        graph = field(GRAPH_NODE, node) + field(2, b"g")
    model = small()
    model.ClearField("graph")
    return model.SerializeToString() + field(MODEL_GRAPH, graph)


bad("deep_subgraphs.onnx", "subgraphs 200 levels deep")(
    partial(deep_subgraphs, 200))


# ---- names ------------------------------------------------------------------

def renamed(name: bytes) -> bytes:
    """The small model with a node name of which a Conv's input is missing,
    so that the message has to show the name."""
    model = small()
    del model.graph.initializer[0]
    placeholder = b"@" * len(name)
    model.graph.node[0].name = placeholder.decode()
    return model.SerializeToString().replace(placeholder, name)


bad("name_nul.onnx", "a NUL inside a node's name; its weight is undefined")(
    partial(renamed, b"stem\0conv"))
bad("name_not_utf8.onnx", "a node's name is no UTF-8; its weight is undefined")(
    partial(renamed, b"stem\xff\xc3conv"))
bad("name_escape.onnx", "a node's name clears the terminal and rings; its "
    "weight is undefined")(
    partial(renamed, b"\x1b[2J\x1b[31mstem\x07\nconv"))
bad("name_long.onnx", "a node's name of 100,000 bytes; its weight is "
    "undefined")(partial(renamed, b"stem" * 25_000))


@bad("value_nul.onnx", "two values whose names differ only behind a NUL")
def value_nul() -> ModelProto:
    net = Net("value_nul", seed=62)
    x = net.conv(net.image(), 3, 4, 3, out="x\0first")
    net.conv(x, 4, 4, 3, out="x\0second")
    net.output("x\0second", [1, 4, 8, 8])
    return net.model()


# ---- tensors ----------------------------------------------------------------

def weight_edited(name: str, purpose: str) -> Callable:
    """Registers the small model after the function below changed the first
    Conv's weight (float32, [4,3,3,3], 432 bytes)."""
    def register(edit: Callable[[TensorProto], None]) -> Callable:
        def make() -> ModelProto:
            model = small()
            edit(model.graph.initializer[0])
            return model
        bad(name, purpose)(make)
        return edit
    return register


@weight_edited("raw_too_short.onnx", "raw_data of 428 bytes for 432")
def raw_too_short(weight: TensorProto) -> None:
    weight.raw_data = weight.raw_data[:-4]


@weight_edited("raw_too_long.onnx", "raw_data of 436 bytes for 432")
def raw_too_long(weight: TensorProto) -> None:
    weight.raw_data += b"\0\0\0\0"


@weight_edited("raw_odd_size.onnx", "raw_data of 431 bytes for 432")
def raw_odd_size(weight: TensorProto) -> None:
    weight.raw_data = weight.raw_data[:-1]


@weight_edited("no_data.onnx", "a weight without any data field")
def no_data(weight: TensorProto) -> None:
    weight.ClearField("raw_data")


@weight_edited("typed_too_short.onnx", "float_data of 107 values for 108")
def typed_too_short(weight: TensorProto) -> None:
    weight.ClearField("raw_data")
    weight.float_data.extend([.5] * 107)


@weight_edited("typed_wrong_field.onnx", "a float32 weight in int32_data")
def typed_wrong_field(weight: TensorProto) -> None:
    weight.ClearField("raw_data")
    weight.int32_data.extend([1] * 108)


@weight_edited("raw_and_typed.onnx", "raw_data and float_data at once")
def raw_and_typed(weight: TensorProto) -> None:
    weight.float_data.extend([.5] * 108)


@weight_edited("negative_dim.onnx", "a dimension of -3")
def negative_dim(weight: TensorProto) -> None:
    weight.dims[1] = -3


@weight_edited("dim_too_large.onnx", "a dimension beyond 32 bits")
def dim_too_large(weight: TensorProto) -> None:
    weight.dims[0] = 2 ** 33


@weight_edited("dims_overflow.onnx",
               "dimensions whose product is 2^90; modulo 2^64 it is 0")
def dims_overflow(weight: TensorProto) -> None:
    weight.dims[:] = [2 ** 30, 2 ** 30, 2 ** 30, 1]


@weight_edited("bytes_overflow.onnx",
               "2^62 elements: a count that fits 64 bits, in bytes not")
def bytes_overflow(weight: TensorProto) -> None:
    weight.dims[:] = [2 ** 30, 2 ** 30, 4, 1]


@weight_edited("dims_absurd.onnx", "2^40 elements and 432 bytes")
def dims_absurd(weight: TensorProto) -> None:
    weight.dims[:] = [2 ** 20, 2 ** 20, 1, 1]


@weight_edited("dims_absurd_no_data.onnx", "2^40 elements and no data at all")
def dims_absurd_no_data(weight: TensorProto) -> None:
    weight.dims[:] = [2 ** 20, 2 ** 20, 1, 1]
    weight.ClearField("raw_data")


@weight_edited("zero_dim.onnx", "a Conv weight of [0,3,3,3]")
def zero_dim(weight: TensorProto) -> None:
    weight.dims[0] = 0
    weight.raw_data = b""


@weight_edited("dtype99.onnx", "a weight of data type 99")
def dtype99(weight: TensorProto) -> None:
    weight.data_type = 99


@weight_edited("dtype_undefined.onnx", "a weight of data type 0")
def dtype_undefined(weight: TensorProto) -> None:
    weight.data_type = 0


@weight_edited("weight_int64.onnx", "a Conv weight of type int64")
def weight_int64(weight: TensorProto) -> None:
    weight.data_type = TensorProto.INT64
    weight.raw_data += weight.raw_data


def with_value(weight: TensorProto, value: float) -> None:
    array = np.frombuffer(weight.raw_data, np.float32).copy()
    array[50] = value
    weight.raw_data = array.tobytes()


for _name, _value in (("nan", np.nan), ("inf", np.inf),
                      ("minus_inf", -np.inf)):
    weight_edited(f"weight_{_name}.onnx", f"a weight is {_value}")(
        partial(with_value, value=_value))


# ---- Conv -------------------------------------------------------------------

def conv_edited(name: str, purpose: str, **attributes: Any) -> None:
    """Registers the small model with other attributes on its first Conv."""
    @edited(name, purpose)
    def edit(model: ModelProto) -> None:
        node = model.graph.node[0]
        kept = [a for a in node.attribute if a.name not in attributes]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(helper.make_attribute(key, value)
                              for key, value in attributes.items())


conv_edited("conv_stride_zero.onnx", "strides [0,0]", strides=[0, 0])
conv_edited("conv_stride_negative.onnx", "strides [-1,1]", strides=[-1, 1])
conv_edited("conv_dilation_zero.onnx", "dilations [0,1]", dilations=[0, 1])
conv_edited("conv_group_zero.onnx", "group 0", group=0)
conv_edited("conv_group_mismatch.onnx", "group 2 of 3 channels", group=2)
conv_edited("conv_kernel_mismatch.onnx", "kernel_shape [5,5], weight 3x3",
            kernel_shape=[5, 5])
conv_edited("conv_kernel_rank.onnx", "kernel_shape [3] for a 2-d Conv",
            kernel_shape=[3])
conv_edited("conv_pads_short.onnx", "pads of two numbers", pads=[1, 1])
conv_edited("attribute_wrong_type.onnx", "group as a float", group=1.0)


@edited("attribute_no_tensor.onnx", "an attribute of type tensor without one")
def attribute_no_tensor(model: ModelProto) -> None:
    model.graph.node[0].attribute.add(name="value", type=AttributeProto.TENSOR)


@weight_edited("conv_weight_rank.onnx", "a Conv weight of one dimension")
def conv_weight_rank(weight: TensorProto) -> None:
    weight.dims[:] = [108]


@weight_edited("conv_channels_mismatch.onnx",
               "a weight for 9 channels, an image of 3")
def conv_channels_mismatch(weight: TensorProto) -> None:
    weight.dims[1] = 9
    weight.raw_data *= 3


@edited("conv_no_weight.onnx", "a Conv with one input")
def conv_no_weight(model: ModelProto) -> None:
    del model.graph.node[0].input[1:]


@edited("conv_no_input.onnx", "a Conv without inputs")
def conv_no_input(model: ModelProto) -> None:
    del model.graph.node[0].input[:]


@edited("conv_no_output.onnx", "a Conv without outputs")
def conv_no_output(model: ModelProto) -> None:
    del model.graph.node[3].output[:]
    model.graph.output[0].name = model.graph.node[2].output[0]


@edited("conv_100k_inputs.onnx", "a Conv with 100,000 inputs")
def conv_100k_inputs(model: ModelProto) -> None:
    model.graph.node[0].input.extend(["images"] * 100_000)


@edited("duplicate_attribute.onnx", "a Conv with `group` twice")
def duplicate_attribute(model: ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("group", 1))


# ---- valid, but not for pruning or float16 ----------------------------------

@bad("no_conv.onnx", "valid; without a Conv there is nothing to prune")
def no_conv() -> ModelProto:
    net = Net("no_conv", seed=63)
    net.node("Relu", [net.image()], out="y")
    net.output("y", [1, 3, 8, 8])
    return net.model()


@bad("already_fp16.onnx", "valid; computes in float16 between two Casts")
def already_fp16() -> ModelProto:
    net = Net("already_fp16", seed=64)
    x = net.node("Cast", [net.image()], to=HALF)
    kernel = net.const("kernel", net.weight([4, 3, 3, 3]).astype(np.float16))
    x = net.conv_with(x, kernel)
    net.node("Cast", [x], to=FLOAT, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


@bad("already_pruned.onnx", "valid; round(0.05 n) weights of each Conv are "
     "zero already")
def already_pruned() -> ModelProto:
    net, _ = two_convs()
    for tensor in net.initializers:
        if len(tensor.dims) == 4:
            weights = np.frombuffer(tensor.raw_data, np.float32).copy()
            count = round(.05 * weights.size)
            weights[np.argsort(abs(weights), kind="stable")[:count]] = 0
            tensor.raw_data = weights.tobytes()
    return net.model()


# ---- external data ----------------------------------------------------------

def external_bad(name: str, purpose: str, location: str,
                 offset: Optional[object] = None,
                 length: Optional[object] = 864) -> None:
    """Registers a model whose first weight has these external_data keys."""
    @bad(f"external_{name}.onnx", purpose)
    def make() -> ModelProto:
        second = TensorProto(name="second", data_type=FLOAT, dims=SECOND,
                             raw_data=external.kernel_bytes(SECOND))
        return external.two_convs(
            [external_tensor("first", FIRST, location, offset, length),
             second])


bad("data.bin", "864 bytes, what a weight of these models needs")(
    external.external_first)
bad("data_short.bin", "860 bytes")(lambda: external.external_first()[:-4])
bad("data_link.bin", "a link to a file outside of the folder")(
    lambda: Symlink("../external.onnx.data"))
bad("data_folder", "a folder where a data file should be")(Directory)

external_bad("missing", "the data file is not there", "nowhere.bin")
external_bad("short", "the data file is 4 bytes too short", "data_short.bin")
external_bad("beyond", "offset behind the end of the data file", "data.bin",
             10 ** 6)
external_bad("climbs", "location ../../etc/passwd", "../../etc/passwd")
external_bad("climbs_within", "location x/../../external.onnx.data",
             "x/../../external.onnx.data")
external_bad("absolute", "location /etc/passwd", "/etc/passwd")
external_bad("negative_offset", "offset -1", "data.bin", -1)
external_bad("negative_length", "length -864", "data.bin", 0, -864)
external_bad("offset_overflow", "offset 2^64 - 1", "data.bin", 2 ** 64 - 1)
external_bad("offset_huge", "offset 2^63 - 1, so that the end overflows",
             "data.bin", 2 ** 63 - 1)
external_bad("offset_text", "offset `abc`", "data.bin", "abc")
external_bad("length_wrong", "length 860 for 864 bytes", "data.bin", 0, 860)
external_bad("folder", "location is a folder", "data_folder")
external_bad("link", "location is a link out of the folder", "data_link.bin")
external_bad("no_location", "location is empty", "")
external_bad("device", "location names a folder's own entry", ".")
