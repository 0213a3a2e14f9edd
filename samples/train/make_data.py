"""Writes samples/data: images to validate on, and images to calibrate with.

Each folder holds JPEG files and instances.json in COCO's format. Run from the
repository root: python3 samples/train/make_data.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2

from scenes import Scene, render
from shapes import CLASSES

JPEG_QUALITY = 85
COUNTS = {"val": 64, "calib": 32}


def _annotations(scene: Scene, image_id: int, first_id: int) -> list[dict]:
    rows = []
    for box, area, label in zip(scene.boxes, scene.areas, scene.labels):
        x1, y1, x2, y2 = (int(v) for v in box)
        rows.append({"id": first_id + len(rows), "image_id": image_id,
                     "category_id": int(label) + 1,
                     "bbox": [x1, y1, x2 - x1, y2 - y1],
                     "area": int(area), "iscrowd": 0})
    return rows


def write_split(split: str, count: int, folder: Path) -> int:
    """Renders one split into a folder; returns the bytes of its images."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    size_bytes = 0
    for index in range(count):
        scene = render(split, index)
        name = f"{split}_{index + 1:03d}.jpg"
        cv2.imwrite(str(folder / name), scene.image,
                    [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        size_bytes += (folder / name).stat().st_size
        height, width = scene.image.shape[:2]
        images.append({"id": index + 1, "file_name": name,
                       "width": width, "height": height})
        annotations += _annotations(scene, index + 1, len(annotations) + 1)
    document = {
        "info": {"description": f"shapes8 {split}, synthetic scenes"},
        "licenses": [{"id": 1, "name": "MIT"}],
        "categories": [{"id": i + 1, "name": name, "supercategory": "shape"}
                       for i, name in enumerate(CLASSES)],
        "images": images,
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(document) + "\n")
    return size_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("samples/data"))
    options = parser.parse_args()
    for split, count in COUNTS.items():
        size_bytes = write_split(split, count, options.out / split)
        print(f"{split}: {count} images, {size_bytes} bytes")


if __name__ == "__main__":
    main()
