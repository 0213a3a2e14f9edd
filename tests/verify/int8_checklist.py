#!/usr/bin/python3
"""Checks a model that was quantized to int8, in QDQ form.

    int8_checklist.py MODEL --target onnxruntime|tensorrt [--report JSON]
                      [--fp16]

For both: opset 13 or later, no integer operators, float32 scales, one for an
activation and one for each output channel (axis 0) of a weight; a weight is an
initializer of 8 bits and symmetric; a Conv has both operands dequantized or
none (but for the weights of the last ones, for ONNX Runtime); MaxPool, Resize
and the like have one scale on both sides; the decode tail and what the last
Convs give stay float32.

tensorrt: int8 with zero point 0. Only Convs read dequantized activations, and
residual Adds on the branch that no Conv is fused with. Biases are float.
Nothing is quantized between a Conv and its activation. Concat has one scale.
Depthwise and small Convs are float where TensorRT wants them so.

onnxruntime: activations are uint8, opset 20 at most. What a quantized Conv
gives is quantized, directly or behind a Relu or Clip, and read by nothing
else; its bias is int32 in steps of input scale x weight scale. An operator
that reads dequantized values reads nothing else, and its outputs are
quantized; a Conv that the report calls float32 may read them, too, and its
weights may be 8 bits. With
$ORT_LIB: the optimised model has a QLinearConv for each quantized Conv.

--fp16: the rest is float16. For TensorRT, opset 19 or later and no float32 but
in the decode tail, scales included. For ONNX Runtime scales are float32, and
no Conv that stays float computes in float32; Casts stand only between the two.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import Iterator, NamedTuple, Optional

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

import fp16_checklist
import infer
import ort
import view

TARGETS = ("onnxruntime", "tensorrt")
FIRST_OPSET, LAST_ORT_OPSET, HALF_OPSET = 13, 20, 19
Q, DQ = "QuantizeLinear", "DequantizeLinear"
TENSOR_TYPES = {np.dtype(np.float32): TensorProto.FLOAT,
                np.dtype(np.float16): TensorProto.FLOAT16}
INTEGER_OPS = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger",
               "DynamicQuantizeLinear"}
ACTIVATIONS = {"Sigmoid", "Relu", "LeakyRelu", "Clip", "HardSigmoid",
               "HardSwish", "Mul"}
FOLDED = {"Relu", "Clip"}  # into the range of a convolution's codes
MOVING = {"MaxPool", "Resize", "Split", "Slice", "Reshape", "Transpose"}
JOINING = {"Add", "Mul", "Concat"}
SMALL_CHANNELS, CHANNEL_UNIT, DEPTHWISE_KERNEL = 16, 8, 3
# A float32 product may be rounded once more than ours.
SCALE_TOLERANCE = 1e-6


class Codes(NamedTuple):
    """What a QuantizeLinear or DequantizeLinear goes by."""
    scales: np.ndarray
    zeros: np.ndarray
    axis: int

    def same(self, other: "Codes") -> bool:
        return (self.zeros.dtype == other.zeros.dtype
                and np.array_equal(self.scales, other.scales)
                and np.array_equal(self.zeros, other.zeros))


class Graph:
    """The main graph with its edges."""

    def __init__(self, model: ModelProto, kept: frozenset[str] = frozenset(),
                 is_mixed: bool = False) -> None:
        """kept: Convs that compute in float, whatever they read.
        is_mixed: the rest is float16."""
        self.model, self.kept, self.is_mixed = model, kept, is_mixed
        self.nodes = list(model.graph.node)
        self.constants = {t.name: numpy_helper.to_array(t)
                          for t in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self.producers = {name: node for node in self.nodes
                          for name in node.output if name}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in filter(None, node.input):
                self.readers.setdefault(name, []).append(node)
        self.tail = {node.output[0] for node in fp16_checklist.tail(model)
                     if node.output}

    def of_type(self, *op_types: str) -> list[NodeProto]:
        return [node for node in self.nodes if node.op_type in op_types]

    def made_by(self, name: str, op_type: str) -> Optional[NodeProto]:
        node = self.producers.get(name)
        return node if node is not None and node.op_type == op_type else None

    def codes(self, node: NodeProto) -> Codes:
        scales = self.constants.get(node.input[1], np.empty(0))
        if len(node.input) > 2:
            zeros = self.constants.get(node.input[2], np.empty(0))
        else:  # 0 of the codes' type, which is uint8 of a QuantizeLinear
            codes = self.constants.get(node.input[0])
            zeros = np.zeros(scales.shape,
                             np.uint8 if codes is None else codes.dtype)
        return Codes(scales, zeros, view.attribute(node, "axis", 1))

    def is_weight(self, dequantize: NodeProto) -> bool:
        return dequantize.input[0] in self.constants

    def dequantized(self, node: NodeProto, i: int) -> Optional[NodeProto]:
        """The DequantizeLinear that gives the node's input i."""
        return (self.made_by(node.input[i], DQ)
                if len(node.input) > i else None)

    def quantizers(self, name: str) -> list[NodeProto]:
        return [node for node in self.readers.get(name, [])
                if node.op_type == Q]

    def is_last(self, conv: NodeProto) -> bool:
        """Does only the decode tail read what it gives?"""
        return all(node.output[0] in self.tail
                   for node in self.readers.get(conv.output[0], []))

    def is_quantized(self, conv: NodeProto) -> bool:
        return (view.label(conv) not in self.kept
                and self.dequantized(conv, 0) is not None
                and self.dequantized(conv, 1) is not None)

    def quantized_convs(self) -> list[NodeProto]:
        return [conv for conv in self.of_type("Conv")
                if self.is_quantized(conv) and not self.is_last(conv)]


# ---- both -------------------------------------------------------------------

def check_model(graph: Graph, target: str) -> Iterator[str]:
    opset = infer.opset_of(graph.model)
    if opset < FIRST_OPSET:
        yield f"opset {opset}, want {FIRST_OPSET} at least"
    if target == "onnxruntime" and opset > LAST_ORT_OPSET:
        yield f"opset {opset}, want {LAST_ORT_OPSET} at most"
    for node in graph.nodes:
        if node.op_type in INTEGER_OPS:
            yield f"{view.label(node)}: {node.op_type} in QDQ form"
    if not graph.quantized_convs():
        yield "no Conv is quantized"


def check_scales(graph: Graph, target: str) -> Iterator[str]:
    is_half = graph.is_mixed and target == "tensorrt"
    wanted = np.dtype(np.float16 if is_half else np.float32)
    for node in graph.of_type(Q, DQ):
        codes = graph.codes(node)
        if codes.scales.dtype != wanted:
            yield (f"{view.label(node)}: scale is {codes.scales.dtype}, want "
                   f"{wanted}")
        if not (codes.scales.size and np.isfinite(codes.scales).all()
                and (codes.scales > 0).all()):
            yield f"{view.label(node)}: scale is no positive number"
        if codes.zeros.shape != codes.scales.shape:
            yield f"{view.label(node)}: scale and zero point differ in shape"


def check_activations(graph: Graph, target: str) -> Iterator[str]:
    wanted = np.int8 if target == "tensorrt" else np.uint8
    for node in graph.of_type(Q, DQ):
        if node.op_type == DQ and graph.is_weight(node):
            continue
        codes = graph.codes(node)
        if codes.scales.size != 1:
            yield f"{view.label(node)}: an activation wants one scale"
        if codes.zeros.dtype != wanted:
            yield (f"{view.label(node)}: an activation is "
                   f"{codes.zeros.dtype}, want {wanted.__name__}")
        if target == "tensorrt" and codes.zeros.any():
            yield f"{view.label(node)}: zero point is not 0"
        if node.op_type == Q:
            continue
        source = graph.made_by(node.input[0], Q)
        if source is None:
            yield f"{view.label(node)}: dequantizes what nothing quantized"
        elif not codes.same(graph.codes(source)):
            yield f"{view.label(node)}: other parameters than its quantizer"


def check_weight(graph: Graph, conv: NodeProto, target: str) -> Iterator[str]:
    name, dequantize = view.label(conv), graph.dequantized(conv, 1)
    if not graph.is_weight(dequantize):
        yield f"{name}: the weight is no initializer of 8 bits"
        return
    weight = graph.constants[dequantize.input[0]]
    codes = graph.codes(dequantize)
    if codes.axis != 0 or codes.scales.shape != weight.shape[:1]:
        yield (f"{name}: weight has {codes.scales.size} scales on axis "
               f"{codes.axis}, want {weight.shape[0]} on axis 0")
    types = {np.dtype(np.int8): 0}
    if target == "onnxruntime":
        types[np.dtype(np.uint8)] = 128
    if weight.dtype not in types or codes.zeros.dtype != weight.dtype:
        yield f"{name}: weight is {weight.dtype}"
    elif (codes.zeros != types[weight.dtype]).any():
        yield f"{name}: weight's zero point is not {types[weight.dtype]}"


def check_convs(graph: Graph, target: str) -> Iterator[str]:
    for conv in graph.of_type("Conv"):
        name = view.label(conv)
        has_x, has_w = (graph.dequantized(conv, i) is not None
                        for i in range(2))
        if has_w:
            yield from check_weight(graph, conv, target)
        if graph.is_last(conv) and target == "tensorrt" and (has_x or has_w):
            yield f"{name}: the last Conv of a head is quantized"
        elif target == "onnxruntime" and name in graph.kept:
            continue  # codes in front of it, and its weights for their size
        elif not graph.is_last(conv) and has_x != has_w:
            yield (f"{name}: only its {'input' if has_x else 'weight'} is "
                   "quantized")


def check_tail(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        in_tail = bool(node.output) and node.output[0] in graph.tail
        if in_tail and (node.op_type in (Q, DQ) or any(
                graph.made_by(name, DQ) is not None for name in node.input)):
            yield f"{view.label(node)}: {node.op_type} of the decode tail " \
                  "is quantized"


def origin(graph: Graph, name: str) -> str:
    """What was quantized and dequantized to give `name`."""
    dequantize = graph.made_by(name, DQ)
    quantize = dequantize and graph.made_by(dequantize.input[0], Q)
    return quantize.input[0] if quantize else name


def shared_values(graph: Graph, target: str) -> list[tuple[NodeProto, set]]:
    """Values that one scale has to do for, also across values that have
    none; with an operator between them."""
    sharing = MOVING | ({"Concat"} if target == "tensorrt" else set())
    groups: list[tuple[NodeProto, set]] = []
    for node in graph.of_type(*sharing):
        is_float = (target == "onnxruntime"
                    and graph.dequantized(node, 0) is None)
        if node.output[0] in graph.tail or is_float:
            continue
        inputs = node.input if node.op_type == "Concat" else node.input[:1]
        names = {origin(graph, name) for name in inputs} | set(node.output)
        for group in [g for g in groups if g[1] & names]:
            names |= group[1]
            groups.remove(group)
        groups.append((node, names))
    return groups


def check_shared(graph: Graph, target: str) -> Iterator[str]:
    for node, names in shared_values(graph, target):
        found = [graph.codes(q) for name in sorted(names)
                 for q in graph.quantizers(name)]
        if any(not codes.same(found[0]) for codes in found[1:]):
            yield f"{view.label(node)}: {node.op_type} has two scales"


# ---- TensorRT ---------------------------------------------------------------

def check_trt_readers(graph: Graph) -> Iterator[str]:
    for dequantize in graph.of_type(DQ):
        if graph.is_weight(dequantize):
            continue
        for node in graph.readers.get(dequantize.output[0], []):
            is_input = (node.op_type == "Conv"
                        and node.input[0] == dequantize.output[0])
            if not is_input and node.op_type != "Add":
                yield (f"{view.label(node)}: {node.op_type} reads dequantized "
                       "values")


def check_trt_adds(graph: Graph) -> Iterator[str]:
    """The branch that only the Add reads is the one that a Conv fuses with."""
    for node in graph.of_type("Add"):
        given = [graph.dequantized(node, i) is not None for i in range(2)]
        if all(given):
            yield f"{view.label(node)}: both branches of an Add are quantized"
        elif any(given):
            other = node.input[given.index(False)]
            if len(graph.readers[other]) != 1:
                yield f"{view.label(node)}: the wrong branch is quantized"


def check_trt_fusion(graph: Graph) -> Iterator[str]:
    for conv in graph.of_type("Conv"):
        if (graph.is_quantized(conv)
                and graph.dequantized(conv, 2) is not None):
            yield f"{view.label(conv)}: the bias is quantized"
        readers = graph.readers.get(conv.output[0], [])
        activations = [n for n in readers if n.op_type in ACTIVATIONS]
        if activations and graph.quantizers(conv.output[0]):
            yield (f"{view.label(conv)}: quantized between Conv and "
                   "activation")
        for node in activations:
            inner = [n for n in graph.readers.get(node.output[0], [])
                     if n.op_type == "Mul" and conv.output[0] in n.input]
            if inner and graph.quantizers(node.output[0]):
                yield (f"{view.label(conv)}: quantized between Conv and "
                       "activation")


def is_slow_on_trt(graph: Graph, conv: NodeProto) -> bool:
    weight = graph.constants[graph.dequantized(conv, 1).input[0]]
    if weight.ndim != 4:
        return True
    outputs, inputs = weight.shape[:2]
    if view.attribute(conv, "group", 1) != 1:
        return (outputs % CHANNEL_UNIT != 0
                or min(weight.shape[2:]) < DEPTHWISE_KERNEL)
    source = graph.dequantized(conv, 0).input[0]
    given = {value.name for value in graph.model.graph.input}
    reads_image = graph.producers[source].input[0] in given
    return max(outputs, inputs) < SMALL_CHANNELS and not reads_image


def check_trt_sizes(graph: Graph) -> Iterator[str]:
    for conv in graph.quantized_convs():
        if graph.is_weight(graph.dequantized(conv, 1)) \
                and is_slow_on_trt(graph, conv):
            yield f"{view.label(conv)}: slower in int8 than in float"


def check_tensorrt(graph: Graph) -> Iterator[str]:
    yield from check_trt_readers(graph)
    yield from check_trt_adds(graph)
    yield from check_trt_fusion(graph)
    yield from check_trt_sizes(graph)


# ---- ONNX Runtime -----------------------------------------------------------

def output_wrong(graph: Graph, node: NodeProto, name: str,
                 wanted: np.dtype) -> Optional[str]:
    """Why an integer operator cannot give `name`, or None."""
    readers = graph.readers.get(name, [])
    if name in graph.outputs or not readers \
            or any(reader.op_type != Q for reader in readers):
        return f"{view.label(node)}: its output {name} is not only quantized"
    if any(graph.codes(q).zeros.dtype != wanted for q in readers):
        return f"{view.label(node)}: input and output differ in type"
    return None


def check_ort_bias(graph: Graph, conv: NodeProto) -> Iterator[str]:
    name, dequantize = view.label(conv), graph.dequantized(conv, 2)
    if len(conv.input) < 3:
        return
    if dequantize is None or not graph.is_weight(dequantize):
        yield f"{name}: the bias is float"
        return
    x, w = (graph.codes(graph.dequantized(conv, i)) for i in range(2))
    codes = graph.codes(dequantize)
    wanted = x.scales.ravel()[0] * w.scales
    if graph.constants[dequantize.input[0]].dtype != np.int32 \
            or codes.zeros.any():
        yield f"{name}: the bias is not int32 with zero point 0"
    if (codes.scales.shape != wanted.shape
            or not np.allclose(codes.scales, wanted, SCALE_TOLERANCE, 0)):
        yield f"{name}: the bias' scale is not that of input x weight"


def check_ort_convs(graph: Graph) -> Iterator[str]:
    for conv in graph.quantized_convs():
        yield from check_ort_bias(graph, conv)
        wanted = graph.codes(graph.dequantized(conv, 0)).zeros.dtype
        name = conv.output[0]
        readers = graph.readers.get(name, [])
        if len(readers) == 1 and readers[0].op_type in FOLDED:
            name = readers[0].output[0]
        wrong = output_wrong(graph, conv, name, wanted)
        if wrong:
            yield wrong


def check_ort_others(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type in (Q, DQ, "Conv"):
            continue
        count = len(node.input) if node.op_type in JOINING else 1
        given = [graph.dequantized(node, i) for i in range(count)]
        if not any(item is not None for item in given):
            continue
        if any(item is None for item in given):
            yield (f"{view.label(node)}: not every input of {node.op_type} is "
                   "quantized")
            continue
        if node.op_type == "Cast" and graph.is_mixed:
            continue  # check_mixed() looks at them
        types = {graph.codes(item).zeros.dtype for item in given}
        wrongs = [output_wrong(graph, node, name, types.copy().pop())
                  for name in node.output if name]
        yield from filter(None, wrongs)
        if len(types) > 1:
            yield f"{view.label(node)}: inputs differ in type"


def check_optimized(runtime: ort.Ort, path: str, wanted: int) -> list[str]:
    """What ONNX Runtime makes of it: one QLinearConv for each of `wanted`."""
    with tempfile.TemporaryDirectory() as folder:
        dump = os.path.join(folder, "optimized.onnx")
        try:
            ort.Session(runtime, path, dump=dump).close()
        except ort.OrtError as error:
            return [f"ONNX Runtime: {error}"]
        nodes = view.load(dump).graph.node
    found = sum(node.op_type == "QLinearConv" for node in nodes)
    return [] if found == wanted else [
        f"ONNX Runtime computes {found} Convs in integers, want {wanted}"]


# ---- float16 beside it ------------------------------------------------------

def element_types(graph: Graph) -> dict[str, int]:
    """Of each Conv's weight: what is cast to, scaled or stored."""
    types = {}
    for conv in graph.of_type("Conv"):
        name = conv.input[1]
        node = graph.producers.get(name)
        if node is not None and node.op_type == "Cast":
            types[view.label(conv)] = view.attribute(node, "to")
            continue
        scaled = graph.made_by(name, DQ)
        array = graph.constants.get(scaled.input[1] if scaled else name)
        if array is not None:
            types[view.label(conv)] = TENSOR_TYPES.get(array.dtype, 0)
    return types


def check_mixed(graph: Graph, target: str) -> Iterator[str]:
    integer = {view.label(conv) for conv in graph.quantized_convs()}
    in_tail = {view.label(node) for node in graph.nodes
               if node.output and node.output[0] in graph.tail}
    if target == "tensorrt" and infer.opset_of(graph.model) < HALF_OPSET:
        yield f"scales of float16 want opset {HALF_OPSET}"
    for name, dtype in element_types(graph).items():
        is_float = name in in_tail or (target == "onnxruntime"
                                       and name in integer)
        wanted = TensorProto.FLOAT if is_float else TensorProto.FLOAT16
        if dtype != wanted:
            yield (f"{name}: computes in {TensorProto.DataType.Name(dtype)}, "
                   f"want {TensorProto.DataType.Name(wanted)}")
    yield from check_casts(graph, target)


def check_casts(graph: Graph, target: str) -> Iterator[str]:
    """None on the way into or out of what is computed in integers."""
    outputs = {view.label(conv): conv.output[0]
               for conv in graph.quantized_convs()}
    for node in graph.of_type("Cast"):
        for reader in graph.readers.get(node.output[0], []):
            if view.label(reader) in outputs and reader.op_type == "Conv":
                yield f"{view.label(reader)}: reads a Cast"
        if node.input[0] in outputs.values():
            yield f"{view.label(node)}: casts what a quantized Conv gives"
        given = {value.name for value in graph.model.graph.input}
        if target == "tensorrt" and node.input[0] not in given \
                and node.output[0] not in graph.tail:
            yield f"{view.label(node)}: a Cast within the network"


# ---- all of it --------------------------------------------------------------

def check(path: str, target: str, runtime: Optional[ort.Ort] = None,
          report: Optional[dict] = None, is_mixed: bool = False) -> list[str]:
    """What is wrong, a sentence each. report: of `compress --json`."""
    layers = report["quant"]["layers"] if report else []
    graph = Graph(view.load(path), frozenset(
        layer["name"] for layer in layers if layer["type"] != "int8"),
        is_mixed)
    wrong = [*check_model(graph, target), *check_scales(graph, target),
             *check_activations(graph, target),
             *check_convs(graph, target), *check_tail(graph),
             *check_shared(graph, target)]
    if target == "tensorrt":
        wrong += check_tensorrt(graph)
    else:
        wrong += [*check_ort_convs(graph), *check_ort_others(graph)]
    if is_mixed:
        wrong += check_mixed(graph, target)
    found = len(graph.quantized_convs())
    if runtime is not None and target == "onnxruntime":
        wrong += check_optimized(runtime, path, found)
    if report is not None and report["quant"]["convolutions"] != found:
        wrong.append(f"{found} Convs are quantized, the report says "
                     f"{report['quant']['convolutions']}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--target", required=True, choices=TARGETS)
    parser.add_argument("--report")
    parser.add_argument("--fp16", action="store_true")
    args = parser.parse_args()
    report = None
    if args.report:
        with open(args.report, encoding="utf-8") as file:
            report = json.load(file)
    wrong = check(args.model, args.target, ort.open_library(), report,
                  args.fp16)
    for sentence in wrong:
        print(f"{args.model}: {sentence}", file=sys.stderr)
    if not wrong:
        print(f"{args.model}: passes the int8 checklist for {args.target}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
