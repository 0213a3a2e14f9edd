#!/usr/bin/python3
"""Makes annotations and detections of any size, always the same ones.

    big_dets.py ANN.json DETS.json [IMAGES [BOXES [DETECTIONS]]]

The default is the size of val2017 with a detector at confidence 0.001: 5000
images, 36,000 boxes of 80 classes, 500,000 detections. Classes are as uneven as
there (the first has 30 % of the boxes); two thirds of the detections lie near a
box, most of them of its class; scores rise with the overlap.
"""

import json
import sys

import numpy as np

CLASSES = 80
CROWDS = .012  # share of the boxes, as in val2017
NEAR = .66     # share of the detections


def classes_of(rng: np.random.Generator, count: int) -> np.ndarray:
    weights = 1 / np.arange(1, CLASSES + 1) ** 1.1
    return 1 + rng.choice(CLASSES, count, p=weights / weights.sum())


def make_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """x y w h in an image of 640 x 480; sizes over three decades."""
    size = np.exp(rng.uniform(np.log(8), np.log(400), (count, 2)))
    size = np.minimum(size, [640, 480])
    return np.hstack([rng.uniform(0, 1, (count, 2)) * ([640, 480] - size),
                      size])


def make_truth(rng, n_images, n_boxes) -> dict:
    boxes, classes = make_boxes(rng, n_boxes), classes_of(rng, n_boxes)
    images = 1 + rng.integers(0, n_images, n_boxes)
    crowds = rng.random(n_boxes) < CROWDS
    return {
        "images": [{"id": int(i), "width": 640, "height": 480,
                    "file_name": f"{i:012}.jpg"}
                   for i in range(1, n_images + 1)],
        "categories": [{"id": int(c), "name": f"class {c}"}
                       for c in range(1, CLASSES + 1)],
        "annotations": [
            {"id": i + 1, "image_id": int(images[i]),
             "category_id": int(classes[i]),
             "bbox": boxes[i].round(2).tolist(),
             "area": round(float(boxes[i, 2] * boxes[i, 3] * .7), 4),
             "iscrowd": int(crowds[i])} for i in range(n_boxes)],
    }


def make_detections(rng, truth: dict, n_images: int, count: int) -> list:
    boxes, classes = make_boxes(rng, count), classes_of(rng, count)
    images = 1 + rng.integers(0, n_images, count)
    scores = rng.random(count) ** 6 * .5
    annotations = truth["annotations"]
    near = rng.random(count) < (NEAR if annotations else 0)
    chosen = rng.integers(0, max(1, len(annotations)), count)
    shift = rng.normal(0, 1, (count, 4)) * rng.exponential(.12, (count, 1))
    for i in np.flatnonzero(near):
        a = annotations[chosen[i]]
        box = np.array(a["bbox"])
        boxes[i] = box + shift[i] * [box[2], box[3], box[2], box[3]]
        images[i] = a["image_id"]
        if rng.random() < .8:
            classes[i] = a["category_id"]
        scores[i] = min(1, scores[i] + .5 * np.exp(-4 * abs(shift[i]).max()))
    boxes[:, 2:] = abs(boxes[:, 2:]) + .1
    order = np.lexsort((-scores, images))
    return [{"image_id": int(images[i]), "category_id": int(classes[i]),
             "bbox": boxes[i].round(3).tolist(),
             "score": round(float(scores[i]), 5)} for i in order]


def main() -> None:
    if not 3 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    given = [int(x) for x in sys.argv[3:]]
    n_images, n_boxes, n_detections = given + [5000, 36000, 500000][len(given):]
    rng = np.random.default_rng(11)
    truth = make_truth(rng, n_images, n_boxes)
    results = make_detections(rng, truth, n_images, n_detections)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(truth, f)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(results, f)


if __name__ == "__main__":
    main()
