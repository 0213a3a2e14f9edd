#!/usr/bin/python3
"""Checks a pruned model against what it was made of.

    count_zeros.py BEFORE AFTER P [--skip-dfl] [--report FILE.json]

In each Conv, the round(P*n) weights of smallest magnitude must be zero (ties
go to the lower index) and all others what they were, or that in float16.
Every other constant must be what it was, biases included. Weights that are
shared with anything but Convs must be untouched; with --skip-dfl those of the
DFL convolution too. With --report, what `compress --json` printed must say
the same of each layer.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import view
from view import Constant, Conv, View


def prunable(conv: Conv, skipped: set[Constant]) -> bool:
    """Whether only Convs read the weight, and none that is skipped."""
    weight = conv.weight
    if weight is None or weight in skipped:
        return False
    return all(node is not None and node.op_type == "Conv" and i == 1
               for node, i in weight.readers)


def pruned(weights: np.ndarray, sparsity: float) -> np.ndarray:
    """Python's round() takes halves to the even number, as rint() does."""
    result = weights.copy()
    count = round(sparsity * weights.size)
    order = np.argsort(abs(weights), axis=None, kind="stable")
    result.ravel()[order[:count]] = 0
    return result


def check_convs(before: View, after: View, sparsity: float,
                skipped: set[Constant]) -> list[str]:
    if len(before.convs) != len(after.convs):
        return [f"{len(before.convs)} Convs became {len(after.convs)}"]
    wrong = []
    for old, new in zip(before.convs, after.convs):
        if old.weight is None:
            continue
        name = view.label(old.node)
        if new.weight is None:
            wrong.append(f"{name}: its weight is no constant any more")
            continue
        expected = old.weight.array
        if prunable(old, skipped):
            expected = pruned(expected, sparsity)
        if not view.same_numbers(expected, new.weight.array):
            wrong.append(f"{name}: {np.sum(new.weight.array == 0)} zeros of "
                         f"{expected.size}, want {np.sum(expected == 0)} "
                         "and all other weights as they were")
    return wrong


def check_others(before: View, after: View) -> list[str]:
    weights = {id(conv.weight) for conv in before.convs}
    wrong = []
    for key, old in before.constants.items():
        new = after.constants.get(key)
        if id(old) in weights:
            continue
        if new is None or not view.same_numbers(old.array, new.array):
            wrong.append(f"{key}: is {'gone' if new is None else 'changed'}")
    return wrong


def check_report(before: View, after: View, skipped: set[Constant],
                 report: dict) -> list[str]:
    """Compares what compress says of each layer with what is in the file."""
    layers = report["prune"]["layers"]
    if len(layers) != len(after.convs):
        return [f"{len(layers)} layers reported, {len(after.convs)} Convs"]
    wrong = []
    for layer, old, new in zip(layers, before.convs, after.convs):
        array = new.weight.array if new.weight else np.empty(0)
        counted = {"weights": array.size,
                   "zeros": int(np.sum(array == 0)),
                   "skipped": not prunable(old, skipped)}
        said = {key: layer[key] for key in counted}
        said["skipped"] = bool(said["skipped"])
        if said != counted:
            wrong.append(f"{layer['name']}: reported {said}, is {counted}")
    return wrong


def check(before_path: str, after_path: str, sparsity: float,
          skip_dfl: bool, report: dict | None = None) -> list[str]:
    """What is wrong, a sentence each."""
    before = view.read(view.load(before_path))
    after = view.read(view.load(after_path))
    skipped = {conv.weight for conv in before.convs
               if skip_dfl and view.is_dfl(conv)}
    wrong = check_convs(before, after, sparsity, skipped)
    wrong += check_others(before, after)
    if report is not None:
        wrong += check_report(before, after, skipped, report)
    return wrong


def summary(path: str) -> str:
    convs = view.read(view.load(path)).convs
    weights = {id(c.weight): c.weight.array for c in convs if c.weight}
    total = sum(array.size for array in weights.values())
    zeros = sum(int(np.sum(array == 0)) for array in weights.values())
    return f"{len(convs)} Convs, {zeros} of {total} weights are zero"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("sparsity", type=float)
    parser.add_argument("--skip-dfl", action="store_true")
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    report = json.loads(args.report.read_text()) if args.report else None
    wrong = check(args.before, args.after, args.sparsity, args.skip_dfl,
                  report)
    for sentence in wrong:
        print(f"{args.after}: {sentence}", file=sys.stderr)
    if not wrong:
        print(f"{args.after}: {summary(args.after)}, as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
