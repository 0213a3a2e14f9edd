"""From an image to the network's input, and from its output to boxes.

The rules are those of Ultralytics' evaluation: letterbox with grey 114 and
centred padding, RGB / 255, confidence 0.001, several classes for one box,
NMS with IoU 0.7 class by class, at most 300 detections an image.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from model import INPUT_SIZE

CONF_THRESHOLD = 0.001
NMS_IOU = 0.7
MAX_DETECTIONS = 300
PAD_VALUE = 114


class Frame(NamedTuple):
    """How an image was fitted into the square: pixel * scale + (left, top)."""

    scale: float
    left: int
    top: int


class Detections(NamedTuple):
    """boxes [N,4] x1 y1 x2 y2 in image pixels, scores [N], labels [N]."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def letterbox(image: np.ndarray) -> tuple[np.ndarray, Frame]:
    """Fits [H,W,3] uint8 into [320,320,3], keeping its proportions."""
    h, w = image.shape[:2]
    scale = min(INPUT_SIZE / h, INPUT_SIZE / w)
    new_w, new_h = round(w * scale), round(h * scale)
    if (new_w, new_h) != (w, h):
        image = cv2.resize(image, (new_w, new_h),
                           interpolation=cv2.INTER_LINEAR)
    left, top = (INPUT_SIZE - new_w) // 2, (INPUT_SIZE - new_h) // 2
    square = np.full((INPUT_SIZE, INPUT_SIZE, 3), PAD_VALUE, np.uint8)
    square[top:top + new_h, left:left + new_w] = image
    return square, Frame(scale, left, top)


def to_input(squares: list[np.ndarray]) -> np.ndarray:
    """BGR squares to [B,3,320,320] float32, RGB 0..1."""
    batch = np.stack(squares)[:, :, :, ::-1].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch, dtype=np.float32) / 255


def nms(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Indices that greedy non-maximum suppression keeps, best first."""
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept: list[int] = []
    while len(order) > 0:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        inter = np.maximum(high - low, 0).prod(axis=1)
        iou = inter / (areas[best] + areas[rest] - inter + 1e-12)
        order = rest[iou <= NMS_IOU]
    return kept


def decode(output: np.ndarray, frame: Frame,
           shape: tuple[int, ...]) -> Detections:
    """One image's output [4+C,A] to detections, clipped to `shape` (H,W)."""
    xy, wh, probabilities = output[:2].T, output[2:4].T, output[4:].T
    boxes = np.concatenate([xy - wh / 2, xy + wh / 2], axis=1)
    boxes -= (frame.left, frame.top) * 2
    boxes /= frame.scale
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, shape[1])
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, shape[0])

    anchors: list[int] = []
    labels: list[int] = []
    for label in range(probabilities.shape[1]):
        scores = probabilities[:, label]
        likely = np.flatnonzero(scores > CONF_THRESHOLD)
        kept = likely[nms(boxes[likely], scores[likely])]
        anchors.extend(kept)
        labels.extend([label] * len(kept))
    where, label_of = np.array(anchors, int), np.array(labels, int)
    scores = probabilities[where, label_of]
    best = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    return Detections(boxes[where[best]], scores[best], label_of[best])
