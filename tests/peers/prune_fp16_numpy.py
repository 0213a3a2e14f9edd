#!/usr/bin/python3
"""The main job with python3-onnx and numpy, to measure ours against.

    prune_fp16_numpy.py MODEL OUT [SPARSITY]

Zeroes the round(SPARSITY * n) smallest weights of each Conv (0.05 when not
given), converts to float16 the naive way, saves.
"""

import sys

import numpy as np
import onnx
from onnx import numpy_helper

import naive_half


def prune(weights: np.ndarray, sparsity: float) -> np.ndarray:
    result = weights.copy()
    count = round(sparsity * weights.size)
    order = np.argsort(abs(weights), axis=None, kind="stable")
    result.ravel()[order[:count]] = 0
    return result


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sparsity = float(sys.argv[3]) if len(sys.argv) == 4 else 0.05
    model = onnx.load(sys.argv[1])
    for tensor in naive_half.conv_weights(model):
        array = numpy_helper.to_array(tensor)
        naive_half.replace(tensor, prune(array, sparsity))
    naive_half.convert(model)
    onnx.save(model, sys.argv[2])


if __name__ == "__main__":
    main()
