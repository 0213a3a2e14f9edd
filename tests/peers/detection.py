"""Detection in numpy and OpenCV: letterbox, decoders, NMS, as the models'
authors publish them. It shares no code with the program and is slow.

Boxes are rows of x1 y1 x2 y2, scores rows of one number for each class.
"""

from typing import NamedTuple

import numpy as np

STRIDES = (8, 16, 32)
V5_ANCHORS = np.array([[10, 13], [16, 30], [33, 23], [30, 61], [62, 45],
                       [59, 119], [116, 90], [156, 198], [373, 326]], float)


class Fit(NamedTuple):
    scale: float
    left: int
    top: int


def letterbox(image, height, width, corner=False, longest=0):
    """[H,W,3] uint8 resized by OpenCV into [height,width,3], and its fit."""
    import cv2
    h, w = image.shape[:2]
    scale = min(height / h, width / w)
    if longest:
        scale = min(scale, longest / max(h, w))
    new_w, new_h = max(round(w * scale), 1), max(round(h * scale), 1)
    if (new_w, new_h) != (w, h):
        image = cv2.resize(image, (new_w, new_h),
                           interpolation=cv2.INTER_LINEAR)
    top = 0 if corner else round((height - new_h) / 2 - 0.1)
    left = 0 if corner else round((width - new_w) / 2 - 0.1)
    square = np.full((height, width, 3), 114, np.uint8)
    square[top:top + new_h, left:left + new_w] = image
    return square, Fit(scale, left, top)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def corners(centre, size):
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def cells(size, stride):
    """x y of the cells of a grid, [N,2], row after row."""
    y, x = np.mgrid[:size // stride, :size // stride]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(float)


# ---- decoders: outputs to (boxes [N,4], scores [N,C]) ----------------------

def decode_v8(output):
    """[4+C,N]"""
    return corners(output[:2].T, output[2:4].T), output[4:].T


def decode_v5(output):
    """[N,5+C]"""
    return corners(output[:, :2], output[:, 2:4]), output[:, 5:] * output[:, 4:5]


def decode_yolox(output, size):
    """[N,5+C]"""
    grid = np.concatenate([cells(size, s) for s in STRIDES])
    stride = np.concatenate([np.full((len(cells(size, s)), 1), float(s))
                             for s in STRIDES])
    return (corners((output[:, :2] + grid) * stride,
                    np.exp(output[:, 2:4]) * stride),
            output[:, 5:] * output[:, 4:5])


def decode_v5_maps(maps, size, logits):
    """[3,5+C,H,W] for each stride."""
    boxes, scores = [], []
    for stride, anchors, m in zip(STRIDES, V5_ANCHORS.reshape(3, 3, 2), maps):
        for anchor, fields in zip(anchors, m):
            rows = fields.reshape(len(fields), -1).T
            rows = sigmoid(rows) if logits else rows
            boxes.append(corners(
                (rows[:, :2] * 2 - 0.5 + cells(size, stride)) * stride,
                (rows[:, 2:4] * 2) ** 2 * anchor))
            scores.append(rows[:, 5:] * rows[:, 4:5])
    return np.concatenate(boxes), np.concatenate(scores)


def decode_v8_maps(maps, size, logits):
    """([4*bins,H,W], [C,H,W]) for each stride."""
    boxes, scores = [], []
    for stride, (sides, classes) in zip(STRIDES, maps):
        bins = len(sides) // 4
        d = sides.reshape(4, bins, -1)
        if bins > 1:
            weights = np.exp(d - d.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
            d = weights * np.arange(bins)[None, :, None]
        d = d.sum(axis=1).T
        centre = cells(size, stride) + 0.5
        boxes.append(np.concatenate([centre - d[:, :2], centre + d[:, 2:]],
                                    axis=1) * stride)
        rows = classes.reshape(len(classes), -1).T
        scores.append(sigmoid(rows) if logits else rows)
    return np.concatenate(boxes), np.concatenate(scores)


# ---- what is kept ----------------------------------------------------------

def candidates(scores, conf, multi_label, limit=30000):
    """(anchors, labels), best first, ties by anchor and class."""
    if multi_label:
        anchors, labels = np.nonzero(scores > conf)
    else:
        labels = scores.argmax(axis=1)
        anchors = np.flatnonzero(scores.max(axis=1) > conf)
        labels = labels[anchors]
    order = np.argsort(-scores[anchors, labels], kind="stable")[:limit]
    return anchors[order], labels[order]


def suppress(boxes, labels, iou, agnostic, limit):
    """Indices that greedy NMS keeps of boxes that come best first."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    rest, kept = np.arange(len(boxes)), []
    while len(rest) and len(kept) < limit:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        inter = np.maximum(high - low, 0).prod(axis=1)
        overlap = inter / np.maximum(areas[best] + areas[rest] - inter, 1e-12)
        same = agnostic | (labels[best] == labels[rest])
        rest = rest[~(same & (overlap > iou))]
    return np.array(kept, int)


def to_image(boxes, fit, shape):
    """Clipped to `shape`, (H, W)."""
    boxes = (boxes - (fit.left, fit.top) * 2) / fit.scale
    return boxes.clip(0, (shape[1], shape[0]) * 2)


def detect(boxes, scores, fit, shape, *, conf, iou, multi_label=False,
           agnostic=False, limit=300):
    """(boxes in the image, scores, labels), best first."""
    anchors, labels = candidates(scores, conf, multi_label)
    kept = suppress(boxes[anchors], labels, iou, agnostic, limit)
    anchors, labels = anchors[kept], labels[kept]
    return (to_image(boxes[anchors], fit, shape), scores[anchors, labels],
            labels)
