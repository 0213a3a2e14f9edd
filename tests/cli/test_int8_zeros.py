#!/usr/bin/python3
"""Zeros that pruning made stay zeros in int8: in files for both runtimes, with
and without a float16 rest, each weight that is 0 in the pruned float model has
the code of 0, which is 128 where codes are uint8."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

SPARSITY = "0.3"
TARGETS = ("onnxruntime", "tensorrt")


def compress(out: str, *options: str) -> None:
    command = [os.environ["COMPRESS"],
               os.path.join(os.environ["SAMPLES"], "shapes8n.onnx"),
               "--prune", SPARSITY, "-o", out, "--quiet", *options]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def weights(path: str) -> dict[str, np.ndarray]:
    """Of each Conv by name, codes less their zero point."""
    graph = onnx.load(path).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}
    found = {}
    for conv in graph.node:
        if conv.op_type != "Conv":
            continue
        name = conv.input[1]
        while name in producers and producers[name].op_type == "Cast":
            name = producers[name].input[0]
        if name in constants:
            found[conv.name] = constants[name]
        elif producers[name].op_type == "DequantizeLinear":
            codes, _, *zeros = (constants[i] for i in producers[name].input)
            zero = (zeros[0].reshape([-1] + [1] * (codes.ndim - 1)).astype(int)
                    if zeros else 0)
            found[conv.name] = codes.astype(int) - zero
    return found


def check(path: str, pruned: dict[str, np.ndarray]) -> Iterator[str]:
    after = weights(path)
    if set(after) != set(pruned):
        yield f"{path}: {len(after)} Convs, want {len(pruned)}"
    for name, array in after.items():
        lost = np.count_nonzero(array[pruned[name] == 0])
        if lost:
            yield f"{path}: {name}: {lost} zeros are none any more"
    total = sum(array.size for array in after.values())
    zeros = sum(np.count_nonzero(array == 0) for array in after.values())
    if zeros < float(SPARSITY) * total * 0.99:
        yield f"{path}: {zeros} of {total} weights are zero"


def main() -> int:
    compress("pruned.onnx")
    pruned, wrong = weights("pruned.onnx"), []
    calib = str(Path(os.environ["SAMPLES"]) / "data" / "calib")
    for target in TARGETS:
        for rest in ((), ("--fp16", "--rounding", "nearest")):
            path = f"{target}{''.join(rest[:1])}.onnx"
            compress(path, "--int8", "--calib", calib, "--calib-images", "8",
                     "--target", target, "--keep", "none", *rest)
            wrong += check(path, pruned)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
