#!/usr/bin/python3
"""Random annotations and detections: `compress eval` and the numpy re-statement
of COCOeval (tests/peers) give the same numbers.

The files are drawn to be nasty: few distinct scores and boxes (ties of scores
and of overlaps), crowds, more than 100 detections of a class in an image,
categories without boxes or detections, images without either, ids that are
sparse, negative, unsorted or 0, areas missing, unlike the box, or at the ends of
the ranges, boxes without extent.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers"))

import coco_eval_numpy  # noqa: E402

FILES = 40
# JSON has 10 digits, the means are summed in another order; nothing else
# may differ.
TOLERANCE = 1e-9


def make_ids(rng: random.Random, count: int) -> list[int]:
    kind = rng.randrange(3)
    if kind == 0:
        return list(range(1, count + 1))
    ids = rng.sample(range(-50, 50 * count), count)
    return ids if kind == 1 else [i * 2 ** 40 for i in ids]


def make_box(rng: random.Random, step: float) -> list[float]:
    """On a grid, so that boxes and overlaps are often the same."""
    side = [0, 1, 32, 96, 10, 20, 50, 150]
    if step:
        return [rng.randrange(8) * step, rng.randrange(8) * step,
                rng.choice(side), rng.choice(side)]
    return [round(rng.uniform(-5, 100), 2), round(rng.uniform(-5, 100), 2),
            round(rng.expovariate(.02), 2), round(rng.expovariate(.02), 2)]


def make_truth(rng: random.Random, step: float) -> dict:
    images = make_ids(rng, rng.randrange(1, 12))
    categories = make_ids(rng, rng.choice([1, 2, 5, 30]))
    count = rng.choice([0, 3, 30, 200])
    ids = make_ids(rng, max(1, count))
    annotations = []
    for i in range(count):
        a = {"id": ids[i], "image_id": rng.choice(images),
             "category_id": rng.choice(categories), "bbox": make_box(rng, step),
             "segmentation": [[1, 2, 3, [4]], {"counts": "x", "bbox": 3}]}
        area = rng.randrange(4)
        if area == 0:
            a["area"] = rng.choice([0, 1023, 1024, 1025, 9215, 9216, 9217, 1e11])
        elif area == 1:
            a["area"] = a["bbox"][2] * a["bbox"][3] * rng.random()
        if rng.random() < .2:
            a["iscrowd"] = rng.choice([0, 1, 1])
        annotations.append(a)
    parts = [("images", [{"id": i} for i in images]),
             ("annotations", annotations),
             ("categories", [{"id": c} for c in categories]),
             ("info", {"annotations": [1, {"id": None}]})]
    rng.shuffle(parts)
    return dict(parts)


def make_results(rng: random.Random, truth: dict, step: float) -> list[dict]:
    scores = rng.choice([[.5], [.1, .5, .9, 0, 1], None])
    few = rng.random() < .5  # one class of one image has most of them
    results = []
    for _ in range(rng.choice([0, 5, 150, 1500])):
        near = truth["annotations"] and rng.random() < .6
        box = make_box(rng, step)
        image = rng.choice(truth["images"][:1] if few else truth["images"])
        category = rng.choice(truth["categories"][:1] if few
                              else truth["categories"])["id"]
        image = image["id"]
        if near:
            a = rng.choice(truth["annotations"])
            jitter = rng.choice([0, .1, .4])
            box = [v + rng.uniform(-jitter, jitter) * a["bbox"][2 + i % 2]
                   for i, v in enumerate(a["bbox"])]
            box[2:] = [abs(v) for v in box[2:]]
            image, category = a["image_id"], a["category_id"]
        results.append({"image_id": image, "category_id": category,
                        "bbox": box, "score": rng.choice(scores) if scores
                        else rng.random()})
    return results


def ours(truth: dict, results: list[dict]) -> dict:
    Path("ann.json").write_text(json.dumps(truth), encoding="utf-8")
    Path("dets.json").write_text(json.dumps(results, indent=1),
                                 encoding="utf-8")
    text = subprocess.run(
        [os.environ["COMPRESS"], "eval", "--ann", "ann.json", "--dets",
         "dets.json", "--per-class", "--json"], check=True,
        stdout=subprocess.PIPE).stdout
    return json.loads(text)


def flatten(stats: dict, classes: dict, ious: list) -> dict:
    """One name for each number; -1 where there is none."""
    numbers = {**stats, **{f"AP of {c}": v for c, v in classes.items()},
               **{f"AP at {t}": v for t, v in enumerate(ious)}}
    return {k: -1 if v is None else v for k, v in numbers.items()}


def differences(seed: int) -> list[str]:
    rng = random.Random(seed)
    step = rng.choice([0, 10, 16])
    truth = make_truth(rng, step)
    results = make_results(rng, truth, step)
    found = ours(truth, results)
    found = flatten(found["stats"],
                    {str(c["id"]): c["AP"] for c in found["per_class"]},
                    found["ap_by_iou"])
    right = coco_eval_numpy.evaluate(truth, results)
    right = flatten(right["stats"], right["per_category_AP"],
                    right["per_iou_AP"])
    assert found.keys() == right.keys()
    return [f"seed {seed}: {k}: {found[k]}, want {right[k]}" for k in right
            if not abs(found[k] - right[k]) <= TOLERANCE], right["AP"]


def main() -> None:
    wrong, scores = [], []
    for seed in range(FILES):
        lines, ap = differences(seed)
        wrong += lines
        scores.append(ap)
    print("\n".join(wrong))
    # The files have to be of all kinds for this to mean anything.
    assert min(scores) == -1 and max(scores) > .3, scores
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
