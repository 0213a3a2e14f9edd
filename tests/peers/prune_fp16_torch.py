#!/usr/bin/python3
"""The main job with torch.nn.utils.prune, to measure ours against.

    prune_fp16_torch.py MODEL OUT [SPARSITY]

As prune_fp16_numpy.py, but what is zeroed is torch's choice
(l1_unstructured on each weight, made permanent).
"""

import sys

import onnx
import torch
from onnx import numpy_helper
from torch.nn.utils import prune

import naive_half


def pruned(weights: torch.Tensor, sparsity: float) -> torch.Tensor:
    layer = torch.nn.Module()
    layer.weight = torch.nn.Parameter(weights)
    prune.l1_unstructured(layer, "weight", amount=sparsity)
    prune.remove(layer, "weight")
    return layer.weight.detach()


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sparsity = float(sys.argv[3]) if len(sys.argv) == 4 else 0.05
    model = onnx.load(sys.argv[1])
    for tensor in naive_half.conv_weights(model):
        weights = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        naive_half.replace(tensor, pruned(weights, sparsity).numpy())
    naive_half.convert(model)
    onnx.save(model, sys.argv[2])


if __name__ == "__main__":
    main()
