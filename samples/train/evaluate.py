"""Measures mAP50-95 and mAP50 of an ONNX file on samples/data/val.

The file is run by onnx_torch.py, so that neither ONNX Runtime nor anything
else is needed. Run from the repository root:
python3 samples/train/evaluate.py samples/shapes8n.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Callable

import numpy as np

from coco import average_precision, load_instances
from detection import decode, letterbox, to_input
from onnx_torch import OnnxModel
from shapes import CLASSES

# [1,3,320,320] float32 to [1,4+C,A] float32.
Forward = Callable[[np.ndarray], np.ndarray]


def evaluate(forward: Forward, folder: Path) -> np.ndarray:
    """AP of each class at each IoU threshold, [C,10], on a folder."""
    images, truths = load_instances(folder)
    detections = []
    for image in images:
        square, frame = letterbox(image)
        output = forward(to_input([square]))[0]
        detections.append(decode(output, frame, image.shape[:2]))
    return average_precision(detections, truths, len(CLASSES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path,
                        default=Path("samples/data/val"))
    options = parser.parse_args()
    table = evaluate(OnnxModel(options.model), options.data)
    for name, row in zip(CLASSES, table):
        print(f"{name:8} AP {row.mean():.4f}  AP50 {row[0]:.4f}")
    print(f"mAP50-95 {np.nanmean(table):.4f}")
    print(f"mAP50    {np.nanmean(table[:, 0]):.4f}")


if __name__ == "__main__":
    main()
