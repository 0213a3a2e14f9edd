"""Trains the detector on rendered scenes and saves a checkpoint.

The training scenes are rendered once, kept in memory as JPEG (so that they
have the artefacts of the images measured on) and flipped and recoloured as
they are read. The weights that are saved are an exponential moving average
after the last step; none is picked by its figure on the validation images.
Run from the repository root: python3 samples/train/train.py
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pool
from pathlib import Path
from typing import Iterator, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from detection import letterbox, to_input
from evaluate import evaluate
from loss import DetectionLoss
from make_data import JPEG_QUALITY
from model import Detector
from scenes import render
from shapes import CLASSES

WARMUP_STEPS = 200
FINAL_LR = 0.02
WEIGHT_DECAY = 0.01
EMA_DECAY, EMA_RAMP = 0.999, 300
GRADIENT_CLIP = 10.0
LOG_EVERY, EVALUATE_EVERY = 100, 500


class Sample(NamedTuple):
    """A rendered scene: JPEG bytes, boxes [N,4] x1 y1 x2 y2, labels [N]."""

    jpeg: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


class Batch(NamedTuple):
    """images [B,3,320,320]; boxes [B,G,4] in pixels of the input, labels
    [B,G] and mask [B,G], padded to the largest number of objects."""

    images: Tensor
    boxes: Tensor
    labels: Tensor
    mask: Tensor


def render_sample(index: int) -> Sample:
    """Renders one training scene; called in worker processes."""
    cv2.setNumThreads(1)
    scene = render("train", index)
    _, jpeg = cv2.imencode(".jpg", scene.image,
                           [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return Sample(jpeg, scene.boxes, scene.labels)


def augment(rng: np.random.Generator, image: np.ndarray,
            boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flips along either axis and changes gain of each colour a little."""
    height, width = image.shape[:2]
    boxes = boxes.copy()
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    if rng.random() < 0.5:
        image = image[::-1]
        boxes[:, [1, 3]] = height - boxes[:, [3, 1]]
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.9, 1.1, 3)
    levels = np.arange(256)[:, None] * gain
    table = np.clip(levels, 0, 255).astype(np.uint8)[None]
    return cv2.LUT(np.ascontiguousarray(image), table), boxes


def collate(rng: np.random.Generator, samples: list[Sample]) -> Batch:
    """Decodes, augments and letterboxes samples into one batch."""
    most = max(1, *(len(s.labels) for s in samples))
    boxes = np.zeros((len(samples), most, 4), np.float32)
    labels = np.zeros((len(samples), most), np.int64)
    mask = np.zeros((len(samples), most), bool)
    squares = []
    for i, sample in enumerate(samples):
        image = cv2.imdecode(sample.jpeg, cv2.IMREAD_COLOR)
        image, moved = augment(rng, image, sample.boxes)
        square, frame = letterbox(image)
        squares.append(square)
        n = len(sample.labels)
        boxes[i, :n] = moved * frame.scale + (frame.left, frame.top) * 2
        labels[i, :n] = sample.labels
        mask[i, :n] = True
    return Batch(torch.from_numpy(to_input(squares)), torch.from_numpy(boxes),
                 torch.from_numpy(labels), torch.from_numpy(mask))


def shuffled(samples: list[Sample], size: int,
             seed: int) -> Iterator[list[Sample]]:
    """Yields groups of `size` without end, each sample once a round."""
    rng = np.random.default_rng([seed, 0])
    while True:
        order = rng.permutation(len(samples))
        for first in range(0, len(samples) - size + 1, size):
            yield [samples[i] for i in order[first:first + size]]


def batches(samples: list[Sample], size: int, steps: int,
            seed: int) -> Iterator[Batch]:
    """Yields batches; the next one is made while one is in use."""
    rng = np.random.default_rng([seed, 1])
    groups = shuffled(samples, size, seed)
    with ThreadPoolExecutor(1) as worker:
        pending = worker.submit(collate, rng, next(groups))
        for _ in range(steps):
            batch = pending.result()
            pending = worker.submit(collate, rng, next(groups))
            yield batch


class Average:
    """Exponential moving average of a network's weights."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)
        self.updates = 0

    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = EMA_DECAY * (1 - math.exp(-self.updates / EMA_RAMP))
        source = network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(source[name], 1 - decay)


def make_optimizer(network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW that lets biases and normalization be as they will."""
    trained = [p for p in network.parameters() if p.requires_grad]
    return torch.optim.AdamW([
        {"params": [p for p in trained if p.ndim > 1],
         "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim == 1],
         "weight_decay": 0.0}], lr=lr)


def lr_factor(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to FINAL_LR."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return FINAL_LR + (1 - FINAL_LR) * (1 + math.cos(math.pi * done)) / 2


def report_map(network: nn.Module, folder: Path, step: int) -> None:
    """Prints the figures of a network on a folder of images."""

    @torch.no_grad()
    def forward(x: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(x)).numpy()

    table = evaluate(forward, folder)
    print(f"step {step}: mAP50-95 {np.nanmean(table):.4f} "
          f"mAP50 {np.nanmean(table[:, 0]):.4f}", flush=True)


def train(options: argparse.Namespace, samples: list[Sample]) -> nn.Module:
    """The training loop; saves and returns the averaged network."""
    network = Detector(len(CLASSES)).to(memory_format=torch.channels_last)
    if options.init:
        network.load_state_dict(torch.load(options.init))
    average = Average(network)
    criterion = DetectionLoss()
    optimizer = make_optimizer(network, options.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: lr_factor(step, options.steps))
    losses = torch.zeros(3)
    start = time.monotonic()
    stream = batches(samples, options.batch, options.steps, options.seed)
    for step, batch in enumerate(stream, 1):
        network.train()
        images = batch.images.contiguous(memory_format=torch.channels_last)
        total, parts = criterion(*network(images), *batch[1:])
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_CLIP)
        optimizer.step()
        schedule.step()
        average.update(network)
        losses += parts
        if step % LOG_EVERY == 0:
            box, cls, dfl = (losses / LOG_EVERY).tolist()
            losses.zero_()
            print(f"step {step}: box {box:.3f} cls {cls:.3f} dfl {dfl:.3f} "
                  f"{time.monotonic() - start:.0f} s", flush=True)
        if step % EVALUATE_EVERY == 0 or step == options.steps:
            report_map(average.network, options.data, step)
            torch.save(average.network.state_dict(),
                       options.out / "shapes8n.pt")
    return average.network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/train"))
    parser.add_argument("--data", type=Path, default=Path("samples/data/val"))
    parser.add_argument("--init", type=Path,
                        help="checkpoint to go on from, with a new schedule")
    parser.add_argument("--scenes", type=int, default=10000)
    parser.add_argument("--first-scene", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    start = time.monotonic()
    indices = range(options.first_scene,
                    options.first_scene + options.scenes)
    with Pool(options.threads) as pool:
        samples = pool.map(render_sample, indices, 50)
    print(f"{len(samples)} scenes, {time.monotonic() - start:.0f} s",
          flush=True)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    train(options, samples)


if __name__ == "__main__":
    main()
