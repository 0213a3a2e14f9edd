#!/usr/bin/python3
"""Checks a model that was converted to float16.

    fp16_checklist.py MODEL --before ORIGINAL [--half-io] [--half-decode]

1. Inputs and outputs have the names, shapes and (but for --half-io) types of
   the original.
2. Types fit on every edge: operands of an operator agree, what ONNX fixes as
   float32 (Resize scales, NonMaxSuppression, ...) is float32, declared types
   are the inferred ones. For opsets up to 17, ONNX's checker and strict shape
   inference agree.
3. Every Conv outside of subgraphs that has a float32 weight and reads what
   operators of ONNX made computes in float16. The decode tail behind the last
   learned operators stays float32 (but for --half-decode); there, float16 may
   only be moved around before it becomes float32.
4. No Cast undoes another one, none does nothing, no value is cast to the same
   type twice.
5. No constant reaches an operator through an added Cast: it is converted, or
   there are two of it.
6. Constants hold the original's numbers: as they were, or in float16, clamped
   to +-65504 and never flushed to zero.
"""

import argparse
import sys
from collections import Counter

import onnx
from onnx import ModelProto, NodeProto

import infer
import view
from infer import FLOAT, HALF, Types, dtype_name

# Operators whose constant operand was trained; Conv is looked at by itself.
LEARNED = {"ConvTranspose", "BatchNormalization", "Gemm", "MatMul"}
# Operators that give the elements they got.
MOVERS = {"Concat", "Flatten", "Gather", "Identity", "Reshape", "Shape",
          "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}


# ---- 1: the model's face ----------------------------------------------------

def face(model: ModelProto, half_io: bool) -> list[tuple]:
    """Name, type and shape of inputs and outputs; default values of IR 3,
    which are inputs only by name, are left out."""
    result = []
    defaults = {tensor.name for tensor in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in defaults]
    for value in inputs + list(model.graph.output):
        tensor = value.type.tensor_type
        dtype = tensor.elem_type
        if half_io and dtype == FLOAT:
            dtype = HALF
        result.append((value.name, dtype, str(tensor.shape)))
    return result


def check_face(before: ModelProto, after: ModelProto,
               half_io: bool) -> list[str]:
    wanted, found = face(before, half_io), face(after, False)
    return [f"{have[0]} is {dtype_name(have[1])}, want {want[0]} as "
            f"{dtype_name(want[1])}"
            for want, have in zip(wanted, found) if want != have] + (
        ["inputs or outputs came or went"] if len(wanted) != len(found)
        else [])


# ---- 2: types ---------------------------------------------------------------

def refused_by_onnx(model: ModelProto) -> str:
    """The checker's or the inference's message, or ''."""
    if infer.opset_of(model) > onnx.defs.onnx_opset_version():
        return ""
    try:
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True,
                                          strict_mode=True)
    except (onnx.checker.ValidationError,
            onnx.shape_inference.InferenceError) as error:
        return str(error)
    return ""


def check_with_onnx(before: ModelProto, after: ModelProto) -> list[str]:
    """What it refuses in the original too says nothing of the conversion."""
    message = refused_by_onnx(after)
    return [f"onnx: {message}"] if message and not refused_by_onnx(before) \
        else []


# ---- 3: what computes in which type -----------------------------------------

def is_learned(node: NodeProto, constants: set[str],
               dfl: set[str]) -> bool:
    if node.op_type == "Conv":
        return label_of_output(node) not in dfl
    return node.op_type in LEARNED and any(
        name in constants for name in node.input)


def label_of_output(node: NodeProto) -> str:
    return node.output[0] if node.output else ""


def tail(model: ModelProto) -> list[NodeProto]:
    """Nodes of the main graph from which no learned operator is reached."""
    read = view.read(model)
    dfl = {label_of_output(c.node) for c in read.convs if view.is_dfl(c)}
    constants = set(read.constants)
    leads_on: set[str] = set()  # values that reach a learned operator
    result = []
    for node in reversed(model.graph.node):
        inside = list(view.nodes_inside(node))
        if (any(is_learned(n, constants, dfl) for n in inside)
                or any(name in leads_on for name in node.output)):
            leads_on.update(name for n in inside for name in n.input)
        else:
            result.append(node)
    return result


def is_half_compute(node: NodeProto, types: Types) -> bool:
    """Whether it works on float16 values, not only moves them or lets them
    in or out."""
    if node.op_type in MOVERS | {"Cast", "Constant"}:
        return False
    return any(types.of.get(name) == HALF
               for name in list(node.input) + list(node.output))


def check_tail(before: ModelProto, after: ModelProto,
               types: Types) -> list[str]:
    names = {node.name for node in tail(before)} - {""}
    decode = [node for node in after.graph.node if node.name in names]
    made = {name for node in decode for name in node.output}
    wrong = [f"{node.name}: {node.op_type} of the decode tail computes in "
             "float16" for node in decode if is_half_compute(node, types)]
    wrong += [f"{node.name}: Cast to float16 in the decode tail"
              for node in after.graph.node if node.op_type == "Cast"
              and view.attribute(node, "to") == HALF
              and node.input[0] in made]
    return wrong


def check_convs(before: ModelProto, after: ModelProto,
                types: Types) -> list[str]:
    wanted = {view.label(c.node) for c in view.read(before).convs
              if c.weight and c.weight.dtype == FLOAT and not view.is_dfl(c)}
    return [f"{view.label(node)}: Conv computes in float32"
            for node in after.graph.node if view.label(node) in wanted
            and types.of.get(node.input[0]) == FLOAT]


# ---- 4, 5: Casts and constants ----------------------------------------------

def added_casts(before: ModelProto, after: ModelProto) -> list[NodeProto]:
    known = {node.name for node in before.graph.node}
    return [node for node in after.graph.node
            if node.op_type == "Cast" and node.name not in known]


def check_casts(after: ModelProto, added: list[NodeProto],
                types: Types) -> list[str]:
    producers = {name: node for node in after.graph.node
                 for name in node.output}
    wrong = []
    for node in added:
        source, to = node.input[0], view.attribute(node, "to")
        maker = producers.get(source)
        if types.of.get(source) == to:
            wrong.append(f"{node.name}: Cast to the type that it has")
        if (maker is not None and maker.op_type == "Cast"
                and types.of.get(maker.input[0]) == to):
            wrong.append(f"{node.name}: Cast undoes {maker.name}")
    counts = Counter((node.input[0], view.attribute(node, "to"))
                     for node in after.graph.node if node.op_type == "Cast")
    wrong += [f"{name}: {n} Casts to {dtype_name(to)}"
              for (name, to), n in counts.items() if n > 1]
    return wrong


def check_cast_constants(after: ModelProto,
                         added: list[NodeProto]) -> list[str]:
    constants = view.read(after).constants
    return [f"{node.name}: Cast of the constant {node.input[0]}"
            for node in added if node.input[0] in constants]


# ---- 6: numbers -------------------------------------------------------------

def check_numbers(before: ModelProto, after: ModelProto) -> list[str]:
    old, new = view.read(before).constants, view.read(after).constants
    wrong = [f"constant {key}: " + ("is gone" if key not in new
                                    else "has other numbers")
             for key in old if key not in new
             or not view.same_numbers(old[key].array, new[key].array)]
    wrong += [f"constant {key}: was added, and nobody reads it"
              for key in new if key not in old and not new[key].readers]
    return wrong


def check(before_path: str, after_path: str, half_io: bool = False,
          half_decode: bool = False) -> list[str]:
    """What is wrong, a sentence each."""
    before, after = view.load(before_path), view.load(after_path)
    types = infer.infer(after)
    added = added_casts(before, after)
    return (check_face(before, after, half_io) + types.wrong
            + check_with_onnx(before, after)
            + check_convs(before, after, types)
            + ([] if half_decode else check_tail(before, after, types))
            + check_casts(after, added, types)
            + check_cast_constants(after, added)
            + check_numbers(before, after))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--before", required=True)
    parser.add_argument("--half-io", action="store_true")
    parser.add_argument("--half-decode", action="store_true")
    args = parser.parse_args()
    wrong = check(args.before, args.model, args.half_io, args.half_decode)
    for sentence in wrong:
        print(f"{args.model}: {sentence}", file=sys.stderr)
    if not wrong:
        print(f"{args.model}: passes the float16 checklist")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
