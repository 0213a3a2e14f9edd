"""COCO's instances format, and average precision by COCO's rules.

Ten IoU thresholds from 0.50 to 0.95, precision at 101 recalls, the 100 best
detections of an image, classes averaged. Crowds and the area ranges are left
out: these samples have no crowds, and only the overall figures are printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, Sequence

import cv2
import numpy as np

from detection import Detections

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_DETS = 100


class Truth(NamedTuple):
    """An image's objects: boxes [N,4] x1 y1 x2 y2, labels [N] from 0."""

    boxes: np.ndarray
    labels: np.ndarray


def load_instances(folder: Path) -> tuple[list[np.ndarray], list[Truth]]:
    """The images (BGR) and objects that folder/instances.json lists."""
    document = json.loads((folder / "instances.json").read_text())
    images, truths = [], []
    for entry in document["images"]:
        rows = [row for row in document["annotations"]
                if row["image_id"] == entry["id"]]
        boxes = np.array([row["bbox"] for row in rows]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([row["category_id"] - 1 for row in rows], int)
        images.append(cv2.imread(str(folder / entry["file_name"])))
        truths.append(Truth(boxes, labels))
    return images, truths


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pairwise IoU, [N,4] and [M,4] to [N,M]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.maximum(high - low, 0).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    return inter / (area_a[:, None] + area_b[None, :] - inter)


def _match(iou: np.ndarray, threshold: float) -> np.ndarray:
    """Which detections [N], best first, find an object of their own."""
    free = np.ones(iou.shape[1], bool)
    hit = np.zeros(iou.shape[0], bool)
    for i, row in enumerate(iou):
        candidates = np.where(free & (row >= threshold), row, -1)
        if candidates.size and candidates.max() >= 0:
            free[candidates.argmax()] = False
            hit[i] = True
    return hit


def _interpolated_precision(hits: np.ndarray, objects: int) -> float:
    """Mean precision at the 101 recalls; hits are sorted by score."""
    true = np.cumsum(hits)
    recall = true / objects
    precision = true / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0)[np.minimum(at, len(hits))].mean())


def average_precision(detections: Sequence[Detections],
                      truths: Sequence[Truth], classes: int) -> np.ndarray:
    """AP for each class and IoU threshold, [C,10]; nan for absent classes."""
    table = np.full((classes, len(IOU_THRESHOLDS)), np.nan)
    for label in range(classes):
        scores, hits, objects = [], [], 0
        for found, truth in zip(detections, truths):
            mine = np.flatnonzero(found.labels == label)
            mine = mine[np.argsort(-found.scores[mine], kind="stable")]
            mine = mine[:MAX_DETS]
            wanted = truth.boxes[truth.labels == label]
            iou = _iou(found.boxes[mine], wanted)
            objects += len(wanted)
            scores.append(found.scores[mine])
            hits.append(np.stack([_match(iou, t) for t in IOU_THRESHOLDS]))
        if objects == 0:
            continue
        order = np.argsort(-np.concatenate(scores), kind="stable")
        ranked = np.concatenate(hits, axis=1)[:, order]
        table[label] = [_interpolated_precision(h, objects) for h in ranked]
    return table
