#!/usr/bin/python3
"""Quantizes detectors for both targets and holds what came out against
verify/int8_checklist.py; breaks one rule at a time in the sample's files, and
sees that the checklist finds each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "verify"))

import int8_checklist  # noqa: E402
import ort  # noqa: E402
from int8_checklist import DQ, Graph, Q  # noqa: E402

SKIPPED = 77
IMAGES = "8"  # the least that are taken: the graph does not depend on them


# ---- files that must pass ---------------------------------------------------

def detectors() -> Iterator[tuple[Path, Path]]:
    """(model, images to calibrate with)"""
    samples = Path(os.environ["SAMPLES"])
    yield samples / "shapes8n.onnx", samples / "data" / "calib"
    if Path(os.environ["BUILD_DIR"]).name in ("asan", "tsan"):
        return  # large models take minutes each, and the same code
    shared = Path(os.environ.get("SHARED", "/nowhere"))
    for model in sorted(shared.glob("models/*.onnx")):
        yield model, shared / "coco" / "calib" / "images"


def quantize(model: Path, images: Path, target: str, out: Path,
             *options: str) -> dict:
    command = [os.environ["COMPRESS"], str(model), "--int8", "--calib",
               str(images), "--calib-images", IMAGES, "--target", target,
               "-o", str(out), "--json", "--max-drop", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=True)
    return json.loads(done.stdout)


def check_files(runtime: ort.Ort) -> Iterator[str]:
    for model, images in detectors():
        for target in int8_checklist.TARGETS:
            out = Path(f"{model.stem}-{target}.onnx")
            report = quantize(model, images, target, out, "--keep", "none")
            for sentence in int8_checklist.check(str(out), target, runtime,
                                                 report):
                yield f"{out}: {sentence}"


def check_mixed(runtime: ort.Ort) -> Iterator[str]:
    """The same with a float16 rest; one Conv of it is among integer ones."""
    model, images = next(detectors())
    for target in int8_checklist.TARGETS:
        out = Path(f"{model.stem}-{target}-fp16.onnx")
        report = quantize(model, images, target, out, "--fp16", "--keep",
                          "/model.2/cv1/conv/Conv")
        for sentence in int8_checklist.check(str(out), target, runtime,
                                             report, is_mixed=True):
            yield f"{out}: {sentence}"
        session = ort.Session(runtime, str(out))
        image = np.random.default_rng(7).random((1, 3, 320, 320), np.float32)
        if not all(np.isfinite(y).all() for y in session.run([image])):
            yield f"{out}: gives what is no number in ONNX Runtime"
        session.close()


def check_kept(runtime: ort.Ort) -> Iterator[str]:
    """Float convolutions among integer ones."""
    model, images = next(detectors())
    keep = [word for n in (2, 4, 9) for word in
            ("--keep", f"/model.{n}/cv1/conv/Conv")]
    for target in int8_checklist.TARGETS:
        out = Path(f"kept-{target}.onnx")
        report = quantize(model, images, target, out, *keep)
        for sentence in int8_checklist.check(str(out), target, runtime,
                                             report):
            yield f"{out}: {sentence}"


# ---- edits ------------------------------------------------------------------

def new_constant(model: ModelProto, array: np.ndarray) -> str:
    name = f"broken_{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def set_parameter(model: ModelProto, node: NodeProto, i: int,
                  change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Another scale (1) or zero point (2), for this node alone."""
    codes = Graph(model).codes(node)
    array = codes.scales if i == 1 else codes.zeros
    name = new_constant(model, np.asarray(change(array)))
    node.input[i:i + 1] = [name]


def set_pair(model: ModelProto, quantize_node: NodeProto, i: int,
             change: Callable[[np.ndarray], np.ndarray]) -> None:
    """The same for a QuantizeLinear and what dequantizes its codes."""
    readers = Graph(model).readers.get(quantize_node.output[0], [])
    for node in [quantize_node, *readers]:
        set_parameter(model, node, i, change)


def put_pair(model: ModelProto, name: str, dtype: type,
             scale: float = 0.5) -> str:
    """Quantizes and dequantizes `name`; gives the result's name."""
    parameters = [new_constant(model, np.float32(scale)),
                  new_constant(model, np.asarray(0, dtype))]
    codes, result = (f"{name}_{suffix}{len(model.graph.node)}"
                     for suffix in ("codes", "values"))
    model.graph.node.extend([
        helper.make_node(Q, [name, *parameters], [codes], codes),
        helper.make_node(DQ, [codes, *parameters], [result], result)])
    return result


def read_through(model: ModelProto, node: NodeProto, i: int,
                 dtype: type) -> None:
    node.input[i] = put_pair(model, node.input[i], dtype)


def read_float(model: ModelProto, node: NodeProto, i: int) -> None:
    node.input[i] = int8_checklist.origin(Graph(model), node.input[i])


def quantized_conv(model: ModelProto) -> NodeProto:
    return Graph(model).quantized_convs()[3]


def weight_of(model: ModelProto, conv: NodeProto) -> NodeProto:
    return Graph(model).dequantized(conv, 1)


def first(model: ModelProto, op_type: str,
          accept: Callable[[Graph, NodeProto], bool] = lambda g, n: True
          ) -> NodeProto:
    """Outside of the decode tail."""
    graph = Graph(model)
    return next(node for node in graph.of_type(op_type)
                if node.output[0] not in graph.tail and accept(graph, node))


def is_activation(graph: Graph, node: NodeProto) -> bool:
    return node.op_type == Q or not graph.is_weight(node)


def last_conv(model: ModelProto) -> NodeProto:
    graph = Graph(model)
    return next(conv for conv in graph.of_type("Conv")
                if graph.is_last(conv) and conv.output[0] not in graph.tail)


def is_residual(graph: Graph, node: NodeProto) -> bool:
    return any(graph.dequantized(node, i) is not None for i in range(2))


def set_weight(model: ModelProto, conv: NodeProto, array: np.ndarray,
               group: int) -> None:
    """Other codes, with as many scales as they want."""
    dequantize = weight_of(model, conv)
    count = array.shape[0]
    dequantize.input[0] = new_constant(model, array)
    set_parameter(model, dequantize, 1, lambda a: np.ones(count, a.dtype))
    set_parameter(model, dequantize, 2, lambda a: np.zeros(count, a.dtype))
    others = [item for item in conv.attribute if item.name != "group"]
    del conv.attribute[:]
    conv.attribute.extend(
        [*others, helper.make_attribute("group", group)])


# ---- broken rules: both -----------------------------------------------------

def set_opset(model: ModelProto, version: int) -> None:
    for entry in model.opset_import:
        if entry.domain == "":
            entry.version = version


def old_opset(model: ModelProto) -> None:
    set_opset(model, 12)


def integer_conv(model: ModelProto) -> None:
    quantized_conv(model).op_type = "QLinearConv"


def wide_scale(model: ModelProto) -> None:
    set_pair(model, first(model, Q), 1, lambda a: a.astype(np.float64))


def scale_of_zero(model: ModelProto) -> None:
    set_pair(model, first(model, Q), 1, lambda a: a * np.float32(0))


def scale_for_each_channel(model: ModelProto) -> None:
    for i in range(1, 3):
        set_pair(model, first(model, Q), i, lambda a: np.tile(a, 16))


def other_parameters(model: ModelProto) -> None:
    set_parameter(model, first(model, DQ, is_activation), 1,
                  lambda a: a * np.float32(2))


def weight_on_axis_1(model: ModelProto) -> None:
    node = weight_of(model, quantized_conv(model))
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("axis", 1))


def one_scale_for_weight(model: ModelProto) -> None:
    node = weight_of(model, quantized_conv(model))
    for i in range(1, 3):
        set_parameter(model, node, i, lambda a: a.reshape(-1)[0])


def asymmetric_weight(model: ModelProto) -> None:
    set_parameter(model, weight_of(model, quantized_conv(model)), 2,
                  lambda a: a + a.dtype.type(3))


def float_weight(model: ModelProto) -> None:
    conv = quantized_conv(model)
    codes = Graph(model).constants[weight_of(model, conv).input[0]]
    conv.input[1] = new_constant(model, codes.astype(np.float32))


def float_input(model: ModelProto) -> None:
    read_float(model, quantized_conv(model), 0)


def quantized_scores(model: ModelProto) -> None:
    graph = Graph(model)
    sigmoid = next(node for node in graph.of_type("Sigmoid")
                   if node.output[0] in graph.tail)
    read_through(model, sigmoid, 0, np.int8)


def two_scales(op_type: str, dtype: type) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        node = first(model, op_type)
        source = int8_checklist.origin(Graph(model), node.input[0])
        put_pair(model, source, dtype, 0.25)
        put_pair(model, node.output[0], dtype)
    return edit


# ---- TensorRT ---------------------------------------------------------------

def shifted_activation(model: ModelProto) -> None:
    set_pair(model, first(model, Q), 2, lambda a: a + a.dtype.type(1))


def quantized_bias(model: ModelProto) -> None:
    conv = quantized_conv(model)
    conv.input[2] = put_pair(model, conv.input[2], np.int8)


def quantized_before_activation(model: ModelProto) -> None:
    put_pair(model, quantized_conv(model).output[0], np.int8)


def quantized_within_activation(model: ModelProto) -> None:
    graph = Graph(model)
    sigmoid = next(node for node in
                   graph.readers[quantized_conv(model).output[0]]
                   if node.op_type == "Sigmoid")
    put_pair(model, sigmoid.output[0], np.int8)


def quantized_mul(model: ModelProto) -> None:
    read_through(model, first(model, "Mul"), 0, np.int8)


def both_branches(model: ModelProto) -> None:
    add = first(model, "Add", is_residual)
    for i in range(2):
        if Graph(model).dequantized(add, i) is None:
            read_through(model, add, i, np.int8)


def wrong_branch(model: ModelProto) -> None:
    add = first(model, "Add", is_residual)
    for i in range(2):
        if Graph(model).dequantized(add, i) is None:
            read_through(model, add, i, np.int8)
        else:
            read_float(model, add, i)


def quantized_last_conv(model: ModelProto) -> None:
    read_through(model, last_conv(model), 0, np.int8)


def thin_depthwise(model: ModelProto) -> None:
    set_weight(model, quantized_conv(model), np.ones((12, 1, 3, 3), np.int8),
               12)


def depthwise_of_one_pixel(model: ModelProto) -> None:
    set_weight(model, quantized_conv(model), np.ones((16, 1, 1, 1), np.int8),
               16)


def small_conv(model: ModelProto) -> None:
    set_weight(model, quantized_conv(model), np.ones((8, 8, 3, 3), np.int8), 1)


# ---- ONNX Runtime -----------------------------------------------------------

def new_opset(model: ModelProto) -> None:
    set_opset(model, 21)


def signed_activation(model: ModelProto) -> None:
    set_pair(model, first(model, Q), 2, lambda a: a.astype(np.int8))


def signed_output(model: ModelProto) -> None:
    quantizer = Graph(model).quantizers(quantized_conv(model).output[0])[0]
    set_pair(model, quantizer, 2, lambda a: a.astype(np.int8))


def float_output(model: ModelProto) -> None:
    conv = quantized_conv(model)
    quantizer = Graph(model).quantizers(conv.output[0])[0]
    for dequantize in Graph(model).readers[quantizer.output[0]]:
        for reader in Graph(model).readers[dequantize.output[0]]:
            for i, name in enumerate(reader.input):
                if name == dequantize.output[0]:
                    reader.input[i] = conv.output[0]


def float_bias(model: ModelProto) -> None:
    conv = quantized_conv(model)
    conv.input[2] = new_constant(model, np.zeros(16, np.float32))


def other_bias_scale(model: ModelProto) -> None:
    node = Graph(model).dequantized(quantized_conv(model), 2)
    set_parameter(model, node, 1, lambda a: a * np.float32(1.001))


def narrow_bias(model: ModelProto) -> None:
    node = Graph(model).dequantized(quantized_conv(model), 2)
    codes = Graph(model).constants[node.input[0]]
    node.input[0] = new_constant(model, codes.astype(np.int8))


def half_quantized(op_type: str) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        read_float(model, first(model, op_type), 1)
    return edit


def output_twice(op_type: str) -> Callable[[ModelProto], None]:
    """What an integer operator gives is read as float, too."""
    def edit(model: ModelProto) -> None:
        name = first(model, op_type).output[0]
        model.graph.output.append(helper.make_tensor_value_info(
            name, onnx.TensorProto.FLOAT, None))
    return edit


# ---- that each is found -----------------------------------------------------

BOTH = [
    (old_opset, "opset 12"),
    (integer_conv, "QLinearConv in QDQ form"),
    (wide_scale, "scale is float64"),
    (scale_of_zero, "no positive number"),
    (scale_for_each_channel, "an activation wants one scale"),
    (other_parameters, "other parameters than its quantizer"),
    (weight_on_axis_1, "on axis 1"),
    (one_scale_for_weight, "weight has 1 scales"),
    (asymmetric_weight, "weight's zero point"),
    (float_weight, "only its input is quantized"),
    (float_input, "only its weight is quantized"),
    (quantized_scores, "of the decode tail is quantized"),
]
BROKEN = {
    "tensorrt": BOTH + [
        (shifted_activation, "zero point is not 0"),
        (quantized_bias, "the bias is quantized"),
        (quantized_before_activation, "between Conv and activation"),
        (quantized_within_activation, "between Conv and activation"),
        (quantized_mul, "Mul reads dequantized"),
        (both_branches, "both branches"),
        (wrong_branch, "the wrong branch"),
        (quantized_last_conv, "the last Conv of a head"),
        (thin_depthwise, "slower in int8"),
        (depthwise_of_one_pixel, "slower in int8"),
        (small_conv, "slower in int8"),
        (two_scales("Concat", np.int8), "has two scales"),
        (two_scales("MaxPool", np.int8), "has two scales"),
        (two_scales("Resize", np.int8), "has two scales"),
        (two_scales("Split", np.int8), "has two scales"),
    ],
    "onnxruntime": BOTH + [
        (new_opset, "opset 21"),
        (signed_activation, "is int8, want uint8"),
        (signed_output, "input and output differ in type"),
        (float_output, "is not only quantized"),
        (output_twice("Conv"), "is not only quantized"),
        (output_twice("Concat"), "is not only quantized"),
        (float_bias, "the bias is float"),
        (other_bias_scale, "scale is not that of input x weight"),
        (narrow_bias, "the bias is not int32"),
        (half_quantized("Add"), "not every input of Add"),
        (half_quantized("Mul"), "not every input of Mul"),
        (half_quantized("Concat"), "not every input of Concat"),
        (two_scales("MaxPool", np.uint8), "has two scales"),
        (two_scales("Resize", np.uint8), "has two scales"),
        (two_scales("Split", np.uint8), "has two scales"),
    ],
}


def check_broken(target: str) -> Iterator[str]:
    good = f"shapes8n-{target}.onnx"
    for edit, wanted in BROKEN[target]:
        model = onnx.load(good)
        edit(model)
        onnx.save(model, "broken.onnx")
        found = int8_checklist.check("broken.onnx", target)
        if not any(wanted in sentence for sentence in found):
            yield (f"{target}: {edit.__qualname__}: want '{wanted}', found "
                   f"{found}")


def check_broken_fusion(runtime: ort.Ort) -> Iterator[str]:
    """ONNX Runtime computes a Conv in float that gives more than codes."""
    good = "shapes8n-onnxruntime.onnx"
    model = onnx.load(good)
    wanted = len(Graph(model).quantized_convs())
    if int8_checklist.check_optimized(runtime, good, wanted):
        yield "ONNX Runtime fuses less than it should"
    output_twice("Conv")(model)
    onnx.save(model, "broken.onnx")
    found = int8_checklist.check_optimized(runtime, "broken.onnx", wanted)
    if found != [f"ONNX Runtime computes {wanted - 1} Convs in integers, "
                 f"want {wanted}"]:
        yield f"one Conv less is not found: {found}"


def main() -> int:
    runtime = ort.open_library()
    if runtime is None:
        print("no ONNX Runtime")
        return SKIPPED
    wrong = [*check_files(runtime), *check_kept(runtime),
             *check_mixed(runtime)]
    for target in int8_checklist.TARGETS:
        wrong += check_broken(target)
    wrong += check_broken_fusion(runtime)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
