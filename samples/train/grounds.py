"""Textured grounds for the scenes: asphalt, grass, planks, tiles and cloth.

Each returns a new image [H,W,3], BGR 0..255 but not clipped. The noise that
they are made of also roughens the objects in scenes.py.
"""

from __future__ import annotations

import cv2
import numpy as np


def smooth_noise(rng: np.random.Generator, height: int, width: int,
                 octaves: tuple[int, ...]) -> np.ndarray:
    """Smooth noise [H,W], about -1..1; an octave is a cell size in pixels."""
    total = np.zeros((height, width), np.float32)
    for cell in octaves:
        grid = rng.standard_normal(
            (height // cell + 2, width // cell + 2), np.float32)
        total += cv2.resize(grid, (width, height),
                            interpolation=cv2.INTER_CUBIC)
    return total / len(octaves) ** 0.5 / 2


def _asphalt(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    grey = rng.uniform(60, 140)
    shade = 1 + 0.1 * smooth_noise(rng, h, w, (1, 2, 40))
    image = np.repeat((grey * shade)[:, :, None], 3, axis=2)
    for _ in range(int(rng.integers(0, 3))):
        ends = rng.uniform(-0.2, 1.2, (2, 2)) * (w, h)
        tint = (rng.uniform(150, 230), rng.uniform(190, 235), 230)
        cv2.line(image, *[tuple(int(v) for v in end) for end in ends], tint,
                 int(rng.integers(2, 10)), cv2.LINE_AA)
    return image


def _grass(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    blades = smooth_noise(rng, h, w, (2, 4, 9))
    patches = smooth_noise(rng, h, w, (30, 70))
    green = rng.uniform(80, 150)
    shade = 1 + 0.2 * blades + 0.15 * patches
    tint = np.array([rng.uniform(0.3, 0.6), 1.0, rng.uniform(0.5, 0.9)])
    return green * shade[:, :, None] * tint


def _planks(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    grain = cv2.resize(smooth_noise(rng, h, w // 8 + 2, (1, 3, 8)), (w, h))
    plank = int(rng.integers(24, 80))
    rows = (np.arange(h) + int(rng.integers(0, plank))) // plank
    level = rng.uniform(0.85, 1.15, rows.max() + 1)[rows]
    seam = np.where(np.diff(rows, prepend=rows[0]) != 0, 0.6, 1.0)
    shade = (1 + 0.15 * grain) * (level * seam)[:, None]
    tint = np.array([rng.uniform(0.4, 0.7), rng.uniform(0.6, 0.85), 1.0])
    image = rng.uniform(100, 200) * shade[:, :, None] * tint
    return image if rng.random() < 0.5 or h != w else image.swapaxes(0, 1)


def _tiles(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    tile = int(rng.integers(18, 70))
    ys = (np.arange(h) + int(rng.integers(0, tile)))[:, None]
    xs = (np.arange(w) + int(rng.integers(0, tile)))[None, :]
    odd = ((ys // tile + xs // tile) % 2).astype(np.float32)
    joint = ((ys % tile < 2) | (xs % tile < 2)).astype(np.float32)
    shade = 1 - rng.uniform(0, 0.4) * odd - rng.uniform(0.1, 0.4) * joint
    shade *= 1 + 0.06 * smooth_noise(rng, h, w, (2, 20))
    return rng.uniform(120, 220) * shade[:, :, None] * rng.uniform(0.7, 1, 3)


def _cloth(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 30)
    along = xs * np.cos(angle) + ys * np.sin(angle)
    creases = smooth_noise(rng, h, w, (60, 120))
    wave = np.sin(along * 2 * np.pi / period + 2 * creases)
    mix = (0.5 + 0.5 * wave)[:, :, None] * rng.uniform(0.1, 0.6)
    one, two = rng.uniform(40, 220, (2, 3))
    return (one * (1 - mix) + two * mix
            + 8 * smooth_noise(rng, h, w, (1, 3))[:, :, None])


GROUNDS = (_asphalt, _grass, _planks, _tiles, _cloth)
