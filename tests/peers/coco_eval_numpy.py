#!/usr/bin/python3
"""COCOeval once more, with numpy, to hold ours against.

    coco_eval_numpy.py ANN.json DETS.json

A re-statement of what pycocotools does for boxes (pycocotools/coco.py loadRes,
cocoeval.py evaluateImg, accumulate, summarize; common/maskApi.c bbIou), loop for
loop, with nothing left out and nothing made faster: it shares no idea with
eval/. Prints one JSON object: stats, per_category_AP, per_iou_AP, seconds. Boxes
without area get that of their bbox, as ours do.
"""

import json
import sys
import time
from collections import defaultdict

import numpy as np

IOUS = np.linspace(.5, .95, 10, endpoint=True)
RECALLS = np.linspace(.0, 1.0, 101, endpoint=True)
MAX_DETS = [1, 10, 100]
AREAS = [[0, 1e5 ** 2], [0, 32 ** 2], [32 ** 2, 96 ** 2], [96 ** 2, 1e5 ** 2]]
NAMES = ["AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10",
         "AR100", "ARsmall", "ARmedium", "ARlarge"]


def box_ious(detections: np.ndarray, truths: np.ndarray,
             crowds: np.ndarray) -> np.ndarray:
    """[D, 4], [G, 4], [G] -> [D, G]; maskApi.c is C, so this is vectors."""
    d, g = detections[:, None, :], truths[None, :, :]
    w = (np.minimum(d[..., 2] + d[..., 0], g[..., 2] + g[..., 0])
         - np.maximum(d[..., 0], g[..., 0]))
    h = (np.minimum(d[..., 3] + d[..., 1], g[..., 3] + g[..., 1])
         - np.maximum(d[..., 1], g[..., 1]))
    area = d[..., 2] * d[..., 3] + 0 * g[..., 0]
    both = w * h
    union = np.where(crowds[None, :], area,
                     area + g[..., 2] * g[..., 3] - both)
    hit = (w > 0) & (h > 0)
    return np.where(hit, both / np.where(hit, union, 1), 0)


class Evaluation:
    def __init__(self, annotations: dict, results: list) -> None:
        self.image_ids = sorted(i["id"] for i in annotations["images"])
        self.category_ids = sorted(c["id"] for c in annotations["categories"])
        truths, found = defaultdict(list), defaultdict(list)
        for a in annotations["annotations"]:
            a.setdefault("area", a["bbox"][2] * a["bbox"][3])
            a["ignore"] = int(bool(a.get("iscrowd", 0)))
            truths[a["image_id"], a["category_id"]].append(a)
        for number, r in enumerate(results, 1):
            r["id"] = number
            r["area"] = r["bbox"][2] * r["bbox"][3]
            found[r["image_id"], r["category_id"]].append(r)
        self.truths, self.found = truths, found
        self.ious = {(i, c): self.compute_iou(i, c) for i in self.image_ids
                     for c in self.category_ids}

    def compute_iou(self, image: int, category: int):
        g, d = self.truths[image, category], self.found[image, category]
        if not g or not d:
            return []
        order = np.argsort([-x["score"] for x in d], kind="mergesort")
        d = [d[i] for i in order[:MAX_DETS[-1]]]
        return box_ious(np.array([x["bbox"] for x in d], float),
                        np.array([x["bbox"] for x in g], float),
                        np.array([x["ignore"] for x in g], bool))

    def evaluate_image(self, image: int, category: int, area: list):
        g, d = self.truths[image, category], self.found[image, category]
        if not g and not d:
            return None
        ignore = [x["ignore"] or x["area"] < area[0] or x["area"] > area[1]
                  for x in g]
        g_order = np.argsort(ignore, kind="mergesort") if g else []
        g = [g[i] for i in g_order]
        g_ignore = np.array([bool(ignore[i]) for i in g_order], bool)
        d_order = np.argsort([-x["score"] for x in d], kind="mergesort")
        d = [d[i] for i in d_order[:MAX_DETS[-1]]]
        ious = self.ious[image, category]
        if len(ious):
            ious = ious[:, g_order]
        g_match = np.zeros((len(IOUS), len(g)))
        d_match = np.zeros((len(IOUS), len(d)))
        d_ignore = np.zeros((len(IOUS), len(d)), bool)
        if len(ious):
            for t, threshold in enumerate(IOUS):
                for i, detection in enumerate(d):
                    best, m = min(threshold, 1 - 1e-10), -1
                    for j, truth in enumerate(g):
                        if g_match[t, j] > 0 and not truth["ignore"]:
                            continue
                        if m > -1 and not g_ignore[m] and g_ignore[j]:
                            break
                        if ious[i, j] < best:
                            continue
                        best, m = ious[i, j], j
                    if m == -1:
                        continue
                    d_ignore[t, i] = g_ignore[m]
                    d_match[t, i] = g[m]["id"]
                    g_match[t, m] = detection["id"]
        outside = np.array([x["area"] < area[0] or x["area"] > area[1]
                            for x in d], bool).reshape(1, len(d))
        d_ignore = d_ignore | ((d_match == 0) & outside)
        return ([x["score"] for x in d], d_match, d_ignore, g_ignore)

    def accumulate(self) -> None:
        shape = (len(self.category_ids), len(AREAS), len(MAX_DETS))
        self.precision = -np.ones((len(IOUS), len(RECALLS)) + shape)
        self.recall = -np.ones((len(IOUS),) + shape)
        for k, category in enumerate(self.category_ids):
            for a, area in enumerate(AREAS):
                images = [self.evaluate_image(i, category, area)
                          for i in self.image_ids]
                images = [e for e in images if e is not None]
                for m, most in enumerate(MAX_DETS):
                    if images:
                        self.accumulate_one(images, k, a, m, most)

    def accumulate_one(self, images: list, k: int, a: int, m: int,
                       most: int) -> None:
        scores = np.concatenate([e[0][:most] for e in images])
        order = np.argsort(-scores, kind="mergesort")
        match = np.concatenate([e[1][:, :most] for e in images], 1)[:, order]
        ignore = np.concatenate([e[2][:, :most] for e in images], 1)[:, order]
        to_find = np.count_nonzero(~np.concatenate([e[3] for e in images]))
        if to_find == 0:
            return
        found = np.cumsum((match != 0) & ~ignore, 1).astype(float)
        wrong = np.cumsum((match == 0) & ~ignore, 1).astype(float)
        for t, (tp, fp) in enumerate(zip(found, wrong)):
            recall, precision = tp / to_find, tp / (fp + tp + np.spacing(1))
            self.recall[t, k, a, m] = recall[-1] if len(tp) else 0
            precision = precision.tolist()
            for i in range(len(tp) - 1, 0, -1):
                precision[i - 1] = max(precision[i - 1], precision[i])
            q = np.zeros(len(RECALLS))
            for r, at in enumerate(np.searchsorted(recall, RECALLS, "left")):
                if at >= len(tp):
                    break
                q[r] = precision[at]
            self.precision[t, :, k, a, m] = q

    def stats(self) -> dict:
        p, r = self.precision, self.recall
        values = [p[..., 0, 2], p[0, ..., 0, 2], p[5, ..., 0, 2],
                  p[..., 1, 2], p[..., 2, 2], p[..., 3, 2],
                  r[..., 0, 0], r[..., 0, 1], r[..., 0, 2],
                  r[..., 1, 2], r[..., 2, 2], r[..., 3, 2]]
        return dict(zip(NAMES, map(mean, values)))


def mean(values: np.ndarray) -> float:
    values = values[values > -1]
    return float(values.mean()) if values.size else -1.0


def evaluate(annotations: dict, results: list) -> dict:
    start = time.perf_counter()
    e = Evaluation(annotations, results)
    e.accumulate()
    stats = e.stats()
    seconds = time.perf_counter() - start
    return {
        "stats": stats,
        "per_category_AP": {str(c): mean(e.precision[:, :, k, 0, 2])
                            for k, c in enumerate(e.category_ids)},
        "per_iou_AP": [mean(e.precision[t, :, :, 0, 2])
                       for t in range(len(IOUS))],
        "seconds": seconds,
    }


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        annotations = json.load(f)
    with open(sys.argv[2], encoding="utf-8") as f:
        results = json.load(f)
    json.dump(evaluate(annotations, results), sys.stdout)


if __name__ == "__main__":
    main()
