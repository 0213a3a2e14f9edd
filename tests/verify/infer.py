"""Element types of every value of a model, by the operators' signatures.

onnx.shape_inference does the same for the opsets that it knows; this covers
newer ones too and says which operand of which node does not fit. Only what
detectors use is listed; any other operator is taken to have float operands of
one type and to give that type.
"""

from collections import ChainMap
from dataclasses import dataclass, field

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from view import attribute, constant_of_node, label, subgraphs

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
INT64, BOOL, UINT8 = TensorProto.INT64, TensorProto.BOOL, TensorProto.UINT8
MIXABLE = {FLOAT, HALF}

GIVES_INT64 = {"Shape", "Size", "NonZero", "ArgMax", "ArgMin",
               "NonMaxSuppression"}
GIVES_BOOL = {"Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual",
              "Not", "And", "Or", "Xor", "IsNaN", "IsInf"}
GIVES_INDICES = {"TopK": [1], "MaxPool": [1], "Unique": [1, 2, 3]}

# Operands that are float32 whatever the others are; "all" of them.
ALWAYS_FLOAT = {"Resize": {2}, "Upsample": {1}, "NonMaxSuppression": "all",
                "Range": "all", "DynamicQuantizeLinear": "all"}
ALWAYS_FLOAT_BEFORE = {"CumSum": (14, "all"), "QuantizeLinear": (19, "all"),
                       "DequantizeLinear": (19, {1})}
# Operands with a type of their own: they may differ from operand 0.
OWN_TYPE = {"Resize": {1, 2, 3}, "Pow": {1}, "GridSample": {1},
            "Upsample": {1}, "Dropout": {1}}


@dataclass
class Types:
    """What was found. Values are known by the path of their graph and name."""
    opset: int
    of: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def opset_of(model: ModelProto) -> int:
    return next(o.version for o in model.opset_import
                if o.domain in ("", "ai.onnx"))


def dtype_name(dtype: int) -> str:
    return TensorProto.DataType.Name(dtype).lower()


def float_only(node: NodeProto, i: int, opset: int) -> bool:
    fixed = ALWAYS_FLOAT.get(node.op_type, set())
    limit, before = ALWAYS_FLOAT_BEFORE.get(node.op_type, (0, set()))
    if opset < limit:
        fixed = before
    return fixed == "all" or i in fixed


def check_operands(types: Types, node: NodeProto, given: list[int]) -> None:
    """All float operands have one type, fixed ones the type they must."""
    own = OWN_TYPE.get(node.op_type, set())
    first = None
    for i, dtype in enumerate(given):
        if dtype not in MIXABLE:
            continue
        if float_only(node, i, types.opset):
            if dtype != FLOAT:
                types.wrong.append(f"{label(node)}: {node.op_type} input {i} "
                                   f"is {dtype_name(dtype)}, want float32")
        elif i not in own:
            first = first or dtype
            if dtype != first:
                types.wrong.append(f"{label(node)}: {node.op_type} mixes "
                                   "float32 and float16")


def constant_type(node: NodeProto) -> int:
    made = constant_of_node(node)
    return made[1] if made else FLOAT


def output_types(node: NodeProto, given: list[int]) -> list[int]:
    """One for each output; 0 where it is not known."""
    op, count = node.op_type, len(node.output)
    first = given[0] if given else 0
    if op == "Cast":
        first = attribute(node, "to")
    elif op == "Constant" or op == "ConstantOfShape":
        first = constant_type(node)
    elif op in GIVES_INT64:
        first = INT64
    elif op in GIVES_BOOL:
        first = BOOL
    elif op in ("Where", "DequantizeLinear"):
        first = given[1]
    elif op == "QuantizeLinear":
        first = given[2] if len(given) > 2 else UINT8
    result = [first] * count
    for i in GIVES_INDICES.get(op, []):
        result[i:i + 1] = [INT64] * (i < count)
    if op == "Dropout":
        result[1:] = [BOOL] * (count - 1)
    return result


def visit_node(types: Types, node: NodeProto, path: str,
               known: ChainMap) -> None:
    given = [known.get(name, 0) for name in node.input]
    own_domain = node.domain in ("", "ai.onnx")
    inner = [visit_graph(types, graph, f"{path}{label(node)}/{name}/", known)
             for name, graph in subgraphs(node)]
    if not own_domain and HALF in given:
        types.wrong.append(f"{label(node)}: float16 goes into {node.op_type} "
                           f"of {node.domain}")
    if not own_domain:
        made = [0] * len(node.output)
    elif inner:
        made = inner[0][1 if node.op_type == "Loop" else 0:]
    else:
        check_operands(types, node, given)
        made = output_types(node, given)
    for name, dtype in zip(node.output, made):
        known[name] = types.of[path + name] = dtype


def visit_graph(types: Types, graph: GraphProto, path: str,
                outer: ChainMap) -> list[int]:
    """The types of the graph's outputs."""
    known = outer.new_child()
    for value in graph.input:
        known[value.name] = value.type.tensor_type.elem_type
    for tensor in graph.initializer:
        known[tensor.name] = tensor.data_type
    for sparse in graph.sparse_initializer:
        known[sparse.values.name] = sparse.values.data_type
    types.of.update({path + name: known[name] for name in known.maps[0]})
    for node in graph.node:
        visit_node(types, node, path, known)
    for value in list(graph.output) + list(graph.value_info):
        declared = value.type.tensor_type.elem_type
        found = known.get(value.name, 0)
        if declared and found and declared != found:
            types.wrong.append(f"{path}{value.name}: declared "
                               f"{dtype_name(declared)}, is "
                               f"{dtype_name(found)}")
    return [known.get(value.name, 0) for value in graph.output]


def infer(model: ModelProto) -> Types:
    types = Types(opset_of(model))
    visit_graph(types, model.graph, "", ChainMap())
    return types
