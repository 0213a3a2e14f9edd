#!/usr/bin/python3
"""Least squares after pruning, with torch, to measure ours against.

    recover_torch.py MODEL OUT IMAGES [SPARSITY [COUNT]]

The method of `compress MODEL --prune SPARSITY --recover lsq --calib IMAGES
--calib-images COUNT`: each Conv by magnitude, then layer after layer the
remaining weights and the bias from 256 random windows of each image, inputs of
the pruned network, outputs of the original one, ridge 0.003 towards the old
weights. It shares no code with the program. All images go through one operator
before the next, as there; what nobody reads any more is freed. For models whose
operators up to the last Conv are those below, with 640 x 640 RGB inputs.
"""

import pathlib
import sys

import cv2
import numpy as np
import onnx
import torch
from onnx import numpy_helper

import detection
import naive_half

WINDOWS = 256
RIDGE = 0.003


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def pair_of(numbers):
    """[top, left, bottom, right] with equal ends, as torch wants them."""
    assert list(numbers[:2]) == list(numbers[2:])
    return tuple(numbers[:2])


def conv_arguments(node):
    a = attributes(node)
    return {"stride": tuple(a.get("strides", (1, 1))),
            "padding": pair_of(a.get("pads", (0, 0, 0, 0))),
            "dilation": tuple(a.get("dilations", (1, 1))),
            "groups": a.get("group", 1)}


def run(node, x, constants):
    """The outputs of one operator for inputs `x`."""
    a = attributes(node)
    if node.op_type == "Conv":
        return [torch.conv2d(*x, **conv_arguments(node))]
    if node.op_type == "Sigmoid":
        return [torch.sigmoid(x[0])]
    if node.op_type == "Mul":
        return [x[0] * x[1]]
    if node.op_type == "Add":
        return [x[0] + x[1]]
    if node.op_type == "Concat":
        return [torch.cat(x, dim=a["axis"])]
    if node.op_type == "Split":
        sizes = a.get("split") or constants[node.input[1]].tolist()
        return list(torch.split(x[0], list(sizes), dim=a.get("axis", 0)))
    if node.op_type == "MaxPool":
        return [torch.max_pool2d(x[0], tuple(a["kernel_shape"]),
                                 tuple(a["strides"]), pair_of(a["pads"]))]
    if node.op_type == "Resize":
        return [torch.nn.functional.interpolate(x[0], scale_factor=2.0)]
    sys.exit(f"{node.op_type}: not among the operators here")


def reached(graph):
    """The nodes that a Conv depends on, in order, but no constants."""
    producer = {o: n for n in graph.node for o in n.output}
    wanted, stack = set(), [n for n in graph.node if n.op_type == "Conv"
                            and not is_dfl(n, graph)]
    while stack:
        node = stack.pop()
        if id(node) not in wanted and node.op_type != "Constant":
            wanted.add(id(node))
            stack += [producer[i] for i in node.input if i in producer]
    return [n for n in graph.node if id(n) in wanted]


def is_dfl(node, graph):
    """A Conv that reads what a Softmax made, or its transpose."""
    producer = {o: n for n in graph.node for o in n.output}
    before = producer.get(node.input[0])
    while before is not None and before.op_type == "Transpose":
        before = producer.get(before.input[0])
    return before is not None and before.op_type == "Softmax"


def windows(x, node, kernel, out, places):
    """[len(places), C * kernel] of what a Conv reads."""
    a = conv_arguments(node)
    columns = torch.nn.functional.unfold(x, kernel, a["dilation"],
                                         a["padding"], a["stride"])
    assert columns.shape[2] == out
    return columns[0][:, places].T


def solve(w, bias, x, y, groups):
    """The layer's new weights and bias: lsq_internal.h, in float64."""
    m, n = w.shape[0], w[0].numel()
    flat, solved = w.reshape(m, n), torch.zeros(m, n, dtype=torch.float64)
    new_bias = bias.double().clone()
    per_group = m // groups
    for g in range(groups):
        xg = x[:, g * n:(g + 1) * n]
        mean = xg.mean(0)
        xx = (xg.T @ xg) / len(xg) - torch.outer(mean, mean)
        ridge = RIDGE * xx.diagonal().mean()
        for c in range(g * per_group, (g + 1) * per_group):
            keep = flat[c].nonzero()[:, 0]
            yc = y[:, c] - y[:, c].mean()
            right = (xg[:, keep] - mean[keep]).T @ yc / len(xg)
            right += ridge * flat[c, keep].double()
            left = xx[keep][:, keep] + ridge * torch.eye(len(keep))
            factor = torch.linalg.cholesky(left)
            v = torch.cholesky_solve(right[:, None], factor)[:, 0]
            solved[c, keep] = v
            new_bias[c] = y[:, c].mean() - v @ mean[keep]
    return solved.reshape(w.shape).float(), new_bias.float()


def recover(node, frames, weights, original, seed):
    """Solves for one Conv, before which all frames stand."""
    w = weights[node.input[1]]
    bias = weights[node.input[2]]
    generator = torch.Generator().manual_seed(seed)
    xs, ys = [], []
    for before, now in frames:
        y = torch.conv2d(before[node.input[0]], original[node.input[1]],
                         original[node.input[2]], **conv_arguments(node))
        out = y[0, 0].numel()
        places = torch.randint(out, (WINDOWS,), generator=generator)
        xs.append(windows(now[node.input[0]], node, tuple(w.shape[2:]), out,
                          places).double())
        ys.append(y.reshape(len(w), out)[:, places].T.double())
    weights[node.input[1]], weights[node.input[2]] = solve(
        w, bias, torch.cat(xs), torch.cat(ys),
        attributes(node).get("group", 1))


def read_image(path):
    square, _ = detection.letterbox(cv2.imread(str(path)), 640, 640)
    rgb = square[:, :, ::-1].astype(np.float32) / 255
    return torch.from_numpy(rgb.transpose(2, 0, 1)[None].copy())


def walk(model, weights, original, images):
    """All frames through one operator, then all through the next."""
    nodes = reached(model.graph)
    constants = {t.name: numpy_helper.to_array(t)
                 for t in model.graph.initializer}
    last = {i: k for k, n in enumerate(nodes) for i in n.input}
    name = model.graph.input[0].name
    frames = [({name: x}, {name: x}) for x in map(read_image, images)]
    for k, node in enumerate(nodes):
        if node.op_type == "Conv" and (weights[node.input[1]] == 0).any():
            recover(node, frames, weights, original, k)
        for frame in frames:
            for values, own in zip(frame, (original, weights)):
                x = [values[i] if i in values else own[i] for i in node.input
                     if i in values or i in own]
                values.update(zip(node.output, run(node, x, constants)))
                for i in set(node.input):
                    if last[i] == k:
                        values.pop(i, None)


def main() -> None:
    if not 4 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    sparsity = float(sys.argv[4]) if len(sys.argv) > 4 else 0.3
    count = int(sys.argv[5]) if len(sys.argv) > 5 else 64
    model = onnx.load(sys.argv[1])
    images = sorted(p for p in pathlib.Path(sys.argv[3]).rglob("*")
                    if p.suffix.lower() in (".jpg", ".png"))
    images = [images[i * len(images) // count] for i in range(count)]
    original = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
                for t in model.graph.initializer
                if t.data_type == onnx.TensorProto.FLOAT and t.dims}
    weights = dict(original)
    nodes = {n.input[1]: n for n in model.graph.node if n.op_type == "Conv"}
    for tensor in naive_half.conv_weights(model):
        if is_dfl(nodes[tensor.name], model.graph):
            continue
        w = weights[tensor.name].clone()
        zeros = round(sparsity * w.numel())
        smallest = w.abs().flatten().argsort(stable=True)[:zeros]
        w.view(-1)[smallest] = 0
        weights[tensor.name] = w
    with torch.no_grad():
        walk(model, weights, original, images)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            naive_half.replace(tensor, weights[tensor.name].numpy())
    onnx.save(model, sys.argv[2])


if __name__ == "__main__":
    main()
