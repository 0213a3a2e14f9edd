"""Miniatures of real detectors: each has the operators and the order of
operators that its exporter writes, and a few thousand weights."""

from functools import partial

import numpy as np
from onnx import ModelProto, numpy_helper

from builder import INT64, Net, recipe, scoped

CLASSES = 4
BINS = 16  # of the distribution over each side of a box
SIZE = 64


# ---- YOLOv8 -----------------------------------------------------------------

@scoped
def conv_silu(net: Net, x: str, c_in: int, c_out: int, k: int = 1,
              stride: int = 1, group: int = 1) -> str:
    return net.silu(net.conv(x, c_in, c_out, k, stride=stride, group=group))


@scoped
def c2f(net: Net, x: str, c_in: int, c_out: int, residual: bool) -> str:
    """Cross-stage block: one half passes, the other goes through two convs."""
    half = c_out // 2
    x = conv_silu(net, "cv1", x, c_in, c_out)
    first, second = net.split(x, [half, half], axis=1)
    inner = conv_silu(net, "m.cv1", second, half, half, 3)
    inner = conv_silu(net, "m.cv2", inner, half, half, 3)
    if residual:
        inner = net.node("Add", [second, inner])
    x = net.concat([first, second, inner], axis=1)
    return conv_silu(net, "cv2", x, 3 * half, c_out)


@scoped
def sppf(net: Net, x: str, channels: int) -> str:
    """Spatial pyramid pooling: the same MaxPool three times."""
    half = channels // 2
    levels = [conv_silu(net, "cv1", x, channels, half)]
    for _ in range(3):
        levels.append(net.node("MaxPool", levels[-1:], kernel_shape=[5, 5],
                               strides=[1, 1], pads=[2, 2, 2, 2]))
    return conv_silu(net, "cv2", net.concat(levels, axis=1), 4 * half,
                     channels)


@scoped
def v8_branch(net: Net, x: str, c_in: int, c_out: int, cells: int) -> str:
    """One branch of the head on one level: [1,c_out,cells]."""
    hidden = conv_silu(net, "0", x, c_in, 16, 3)
    return net.reshape(net.conv(hidden, 16, c_out), [1, c_out, cells])


@scoped
def dfl(net: Net, boxes: str, cells: int) -> str:
    """Expected distance for each side: [1,4*BINS,cells] -> [1,4,cells].

    Before opset 13, Softmax runs over all axes from `axis` on, so exporters
    bring the bins to the last one first.
    """
    x = net.reshape(boxes, [1, 4, BINS, cells])
    if net.opset < 13:
        x = net.node("Transpose", [x], perm=[0, 1, 3, 2])
        x = net.node("Softmax", [x], axis=3)
        x = net.node("Transpose", [x], perm=[0, 3, 1, 2])
    else:
        x = net.node("Transpose", [x], perm=[0, 2, 1, 3])
        x = net.node("Softmax", [x], axis=1)
    weight = np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1)
    x = net.conv_with(x, net.const("conv.weight", weight), 1)
    return net.reshape(x, [1, 4, cells])


def grid_centres(sides: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Cell centres in cells [1,2,N] and strides [1,N] of square levels."""
    centres, strides = [], []
    for side in sides:
        y, x = np.mgrid[:side, :side] + 0.5
        centres.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(side * side, SIZE / side))
    return (np.concatenate(centres, 1)[None].astype(np.float32),
            np.concatenate(strides)[None].astype(np.float32))


@scoped
def v8_decode(net: Net, distances: str, sides: list[int]) -> str:
    """Distances to the four sides -> centre, width, height in pixels."""
    centres, strides = grid_centres(sides)
    anchors = net.const("anchors", centres)
    near, far = net.split(distances, [2, 2], axis=1)
    top_left = net.node("Sub", [anchors, near])
    bottom_right = net.node("Add", [anchors, far])
    middle = net.node("Div", [net.node("Add", [top_left, bottom_right]),
                              net.const("two", np.float32(2))])
    size = net.node("Sub", [bottom_right, top_left])
    boxes = net.concat([middle, size], axis=1)
    return net.node("Mul", [boxes, net.const("strides", strides)])


def v8_backbone(net: Net, images: str) -> list[tuple[str, int, int]]:
    """(value, channels, side) of two levels, at strides 8 and 16."""
    x = conv_silu(net, "model.0", images, 3, 8, 3, stride=2)
    x = conv_silu(net, "model.1", x, 8, 16, 3, stride=2)
    x = c2f(net, "model.2", x, 16, 16, residual=True)
    fine = conv_silu(net, "model.3", x, 16, 32, 3, stride=2)
    x = conv_silu(net, "model.4", fine, 32, 32, 3, stride=2)
    coarse = sppf(net, "model.5", x, 32)
    x = net.concat([net.upsample(coarse), fine], axis=1)
    fine = c2f(net, "model.8", x, 64, 16, residual=False)
    x = conv_silu(net, "model.9", fine, 16, 16, 3, stride=2)
    coarse = c2f(net, "model.11", net.concat([x, coarse], axis=1), 48, 32,
                 residual=False)
    return [(fine, 16, SIZE // 8), (coarse, 32, SIZE // 16)]


def tiny_v8(opset: int) -> ModelProto:
    net = Net("tiny_v8", opset, seed=8)
    levels = v8_backbone(net, net.input("images", [1, 3, SIZE, SIZE]))
    sides = [side for _, _, side in levels]
    cells = sum(side * side for side in sides)
    net.scope = "model.12"
    boxes = [v8_branch(net, f"cv2.{i}", x, c, 4 * BINS, s * s)
             for i, (x, c, s) in enumerate(levels)]
    scores = [v8_branch(net, f"cv3.{i}", x, c, CLASSES, s * s)
              for i, (x, c, s) in enumerate(levels)]
    distances = dfl(net, "dfl", net.concat(boxes, axis=2), cells)
    decoded = v8_decode(net, "decode", distances, sides)
    probabilities = net.node("Sigmoid", [net.concat(scores, axis=2)])
    net.concat([decoded, probabilities], axis=1, out="output0")
    net.output("output0", [1, 4 + CLASSES, cells])
    return net.model()


for _opset in (11, 12, 17, 19, 22):
    recipe(f"tiny_v8_opset{_opset}.onnx",
           f"YOLOv8 as exported for opset {_opset}: C2f, SPPF, Resize, DFL, "
           "decode; the same weights in all of them")(partial(tiny_v8, _opset))


# ---- YOLOv5 -----------------------------------------------------------------

def shape_item(net: Net, x: str, index: int) -> str:
    """One dimension of `x` as a list of one, the way tracing writes it."""
    position = net.node("Constant", [], value=numpy_helper.from_array(
        np.array(index, np.int64)))
    item = net.node("Gather", [net.node("Shape", [x]), position], axis=0)
    return net.node("Unsqueeze", [item], axes=[0])


def v5_grids(side: int, anchors: list[list[int]]) -> tuple[np.ndarray, ...]:
    """Offsets and anchor sizes of every cell: [1,A,side,side,2] each."""
    y, x = np.mgrid[:side, :side]
    offsets = np.stack([x, y], -1)[None, None] - 0.5
    sizes = np.array(anchors)[None, :, None, None]
    shape = [1, len(anchors), side, side, 2]
    return (np.broadcast_to(offsets, shape).astype(np.float32),
            np.broadcast_to(sizes, shape).astype(np.float32))


@scoped
def v5_level(net: Net, x: str, c_in: int, side: int,
             anchors: list[list[int]]) -> str:
    """Head and decode of one level: [1,A*side*side,5+CLASSES]."""
    width = 5 + CLASSES
    raw = net.conv(x, c_in, len(anchors) * width)
    batch, height, breadth = (shape_item(net, raw, i) for i in (0, 2, 3))
    counts = net.const("counts", np.array([len(anchors), width], np.int64))
    shape = net.concat([batch, counts, height, breadth], axis=0)
    x = net.node("Reshape", [raw, shape])
    x = net.node("Sigmoid", [net.node("Transpose", [x], perm=[0, 1, 3, 4, 2])])
    xy, wh, scores = net.split(x, [2, 2, width - 4], axis=4)
    offsets, sizes = v5_grids(side, anchors)
    two = net.const("two", np.float32(2))
    xy = net.node("Add", [net.node("Mul", [xy, two]),
                          net.const("grid", offsets)])
    xy = net.node("Mul", [xy, net.const("stride", np.float32(SIZE / side))])
    wh = net.node("Pow", [net.node("Mul", [wh, two]), two])
    wh = net.node("Mul", [wh, net.const("anchor_grid", sizes)])
    rows = net.const("rows", np.array([-1, width], np.int64))
    shape = net.concat([batch, rows], axis=0)
    return net.node("Reshape", [net.concat([xy, wh, scores], axis=4), shape])


@recipe("tiny_v5.onnx", "YOLOv5, opset 12: anchors, grids as constants, a "
        "Shape/Gather/Unsqueeze/Concat chain for each Reshape, Pow")
def tiny_v5() -> ModelProto:
    net = Net("tiny_v5", 12, seed=5)
    x = net.input("images", [1, 3, SIZE, SIZE])
    x = conv_silu(net, "model.0", x, 3, 8, 6, stride=2)
    x = conv_silu(net, "model.1", x, 8, 16, 3, stride=2)
    fine = conv_silu(net, "model.2", x, 16, 16, 3, stride=2)
    coarse = conv_silu(net, "model.3", fine, 16, 24, 3, stride=2)
    fine = net.concat([net.upsample(coarse), fine], axis=1)
    rows = [v5_level(net, "model.24.0", fine, 40, SIZE // 8,
                     [[10, 13], [16, 30], [33, 23]]),
            v5_level(net, "model.24.1", coarse, 24, SIZE // 16,
                     [[30, 61], [62, 45], [59, 119]])]
    net.concat(rows, axis=1, out="output")
    net.output("output", [1, 3 * (64 + 16), 5 + CLASSES])
    return net.model()


# ---- YOLOX ------------------------------------------------------------------

def slice_one(net: Net, x: str, start: int, axis: int) -> str:
    """Every second row or column from `start` on."""
    ints = {"starts": start, "ends": np.iinfo(np.int64).max, "axes": axis,
            "steps": 2}
    return net.node("Slice", [x] + [
        net.const(name, np.array([n], np.int64)) for name, n in ints.items()])


@scoped
def focus(net: Net, x: str) -> str:
    """[N,3,H,W] -> [N,12,H/2,W/2] by four strided slices."""
    corners = [slice_one(net, slice_one(net, x, row, 2), column, 3)
               for column in (0, 1) for row in (0, 1)]
    return net.concat(corners, axis=1)


@scoped
def depthwise(net: Net, x: str, c_in: int, c_out: int, stride: int = 1) -> str:
    x = conv_silu(net, "dconv", x, c_in, c_in, 3, stride=stride, group=c_in)
    return conv_silu(net, "pconv", x, c_in, c_out)


@scoped
def yolox_level(net: Net, x: str, channels: int) -> str:
    """Decoupled head without decode: [1,5+CLASSES,H*W]."""
    shared = depthwise(net, "reg_conv", x, channels, channels)
    classes = depthwise(net, "cls_conv", x, channels, channels)
    parts = [net.conv(shared, channels, 4),
             net.node("Sigmoid", [net.conv(shared, channels, 1)]),
             net.node("Sigmoid", [net.conv(classes, channels, CLASSES)])]
    return net.reshape(net.concat(parts, axis=1), [1, 5 + CLASSES, -1])


@recipe("tiny_yolox.onnx", "YOLOX, opset 11: Focus by strided Slices, "
        "depthwise Convs, raw grid output without decode")
def tiny_yolox() -> ModelProto:
    net = Net("tiny_yolox", 11, seed=10)
    x = focus(net, "stem", net.input("images", [1, 3, SIZE, SIZE]))
    x = conv_silu(net, "stem.conv", x, 12, 8, 3)
    x = depthwise(net, "dark2", x, 8, 16, stride=2)
    fine = depthwise(net, "dark3", x, 16, 16, stride=2)
    coarse = depthwise(net, "dark4", fine, 16, 16, stride=2)
    fine = net.node("Add", [net.upsample(coarse), fine])
    levels = [yolox_level(net, "head.0", fine, 16),
              yolox_level(net, "head.1", coarse, 16)]
    net.node("Transpose", [net.concat(levels, axis=2)], out="output",
             perm=[0, 2, 1])
    net.output("output", [1, 64 + 16, 5 + CLASSES])
    return net.model()


# ---- in-graph selection, free dimensions -------------------------------------

@recipe("tiny_nms.onnx", "NonMaxSuppression, TopK, Gather and GatherND in the "
        "graph, as exporters with embedded NMS write them (opset 17)")
def tiny_nms() -> ModelProto:
    net = Net("tiny_nms", 17, seed=3)
    x = conv_silu(net, "stem", net.image(3, 16), 3, 8, 3, stride=2)
    raw = net.reshape(net.conv(x, 8, 4 + CLASSES), [1, 4 + CLASSES, 64])
    boxes, scores = net.split(raw, [4, CLASSES], axis=1)
    boxes = net.node("Transpose", [boxes], perm=[0, 2, 1])
    scores = net.node("Sigmoid", [scores])
    kept = net.node("NonMaxSuppression", [
        boxes, scores, net.const("max_boxes", np.array([10], np.int64)),
        net.const("iou", np.float32([0.7])),
        net.const("score", np.float32([0.1]))], out="selected")
    columns = net.const("columns", np.array([0, 2], np.int64))
    box_ids = net.node("Gather", [kept, columns], axis=1)
    net.node("GatherND", [boxes, box_ids], out="boxes")
    best = net.node("ReduceMax", [scores], axes=[1], keepdims=0)
    top, ids = net.nodes_out(
        "TopK", [best, net.const("k", np.array([5], np.int64))], 2, axis=1)
    net.output(kept, ["selected", 3], INT64)
    net.output("boxes", ["selected", 4])
    net.output(top, [1, 5])
    net.output(ids, [1, 5], INT64)
    return net.model()


@recipe("dynamic_axes.onnx", "batch, height and width are names, not numbers; "
        "Reshape to the batch and -1 by shape arithmetic")
def dynamic_axes() -> ModelProto:
    net = Net("dynamic_axes", 17, seed=4)
    x = net.input("images", ["batch", 3, "height", "width"])
    x = conv_silu(net, "stem", x, 3, 8, 3, stride=2)
    x = net.concat([net.upsample(net.conv(x, 8, 8, 3, stride=2)), x], axis=1)
    raw = net.conv(x, 16, 4 + CLASSES)
    batch = net.node("Slice", [net.node("Shape", [raw])] + [
        net.const(name, np.array([n], np.int64))
        for name, n in (("starts", 0), ("ends", 1))])
    rest = net.const("rest", np.array([4 + CLASSES, -1], np.int64))
    net.node("Reshape", [raw, net.concat([batch, rest], axis=0)],
             out="output0")
    net.output("output0", ["batch", 4 + CLASSES, "cells"])
    return net.model()
