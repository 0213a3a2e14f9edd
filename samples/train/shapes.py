"""The outlines of the eight classes, and of clutter that has no class.

An object is a list of layers, drawn in order: a contour in the object's own
frame, about -1..1 with y down, and the factor by which it lightens the
object's colour, or None where it cuts a hole. Proportions are drawn from the
generator that is passed; placing and painting are left to scenes.py.
"""

from __future__ import annotations

from typing import Callable

import numpy as np

CLASSES = ("ball", "box", "cone", "star", "ring", "cross", "arrow", "key")

Contour = np.ndarray                    # [N,2]
Layer = tuple[Contour, float | None]


def _points(*xy: tuple[float, float]) -> Contour:
    return np.array(xy, np.float64)


def _circle(radius: float, x: float = 0.0, y: float = 0.0) -> Contour:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + radius * np.cos(angles),
                     y + radius * np.sin(angles)], axis=1)


def _rect(x1: float, y1: float, x2: float, y2: float) -> Contour:
    return _points((x1, y1), (x2, y1), (x2, y2), (x1, y2))


def _ball(rng: np.random.Generator) -> list[Layer]:
    angle = rng.uniform(0, 2 * np.pi)
    dx, dy = np.cos(angle), np.sin(angle)
    steps = ((1.0, 0.75), (0.85, 0.9), (0.65, 1.05), (0.42, 1.2), (0.2, 1.5))
    return [(_circle(r, (1 - r) * 0.7 * dx, (1 - r) * 0.7 * dy), tone)
            for r, tone in steps]


def _box(rng: np.random.Generator) -> list[Layer]:
    d = rng.uniform(0.35, 0.6)
    a, b = -0.95, 0.95 - d
    front = _rect(a, -b, b, 0.95)
    top = _points((a, -b), (a + d, -b - d), (b + d, -b - d), (b, -b))
    side = _points((b, -b), (b + d, -b - d), (b + d, 0.95 - d), (b, 0.95))
    return [(front, 1.0), (top, 1.35), (side, 0.6)]


def _cone(rng: np.random.Generator) -> list[Layer]:
    def band(y1: float, y2: float) -> Contour:
        x1, x2 = 0.1 + (y1 + 0.95) * 0.32, 0.1 + (y2 + 0.95) * 0.32
        return _points((-x1, y1), (x1, y1), (x2, y2), (-x2, y2))

    stripe = rng.uniform(-0.35, 0.0)
    return [(_rect(-0.95, 0.72, 0.95, 0.95), 0.75), (band(-0.95, 0.75), 1.0),
            (band(stripe, stripe + 0.35), 1.7)]


def _star(rng: np.random.Generator) -> list[Layer]:
    inner = rng.uniform(0.38, 0.48)
    angles = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2 == 0, 1.0, inner)
    return [(np.stack([radii * np.sin(angles), -radii * np.cos(angles)],
                      axis=1), 1.0)]


def _ring(rng: np.random.Generator) -> list[Layer]:
    hole = rng.uniform(0.5, 0.68)
    return [(_circle(1.0), 0.8), (_circle(0.93), 1.1),
            (_circle(hole + 0.06), 0.8), (_circle(hole), None)]


def _cross(rng: np.random.Generator) -> list[Layer]:
    w = rng.uniform(0.26, 0.36)
    return [(_rect(-w, -1, w, 1), 1.0), (_rect(-1, -w, 1, w), 1.0)]


def _arrow(rng: np.random.Generator) -> list[Layer]:
    w, neck = rng.uniform(0.2, 0.3), rng.uniform(-0.15, 0.15)
    return [(_points((-1, -w), (neck, -w), (neck, -0.75), (1, 0),
                     (neck, 0.75), (neck, w), (-1, w)), 1.0)]


def _key(rng: np.random.Generator) -> list[Layer]:
    tooth = rng.uniform(0.28, 0.4)
    return [(_rect(-0.3, -0.12, 1.0, 0.12), 0.9),
            (_rect(0.45, 0.0, 0.62, tooth), 0.9),
            (_rect(0.82, 0.0, 1.0, tooth + 0.06), 0.9),
            (_circle(0.46, -0.54), 1.05), (_circle(0.22, -0.6), None)]


OUTLINES: dict[str, Callable[[np.random.Generator], list[Layer]]] = {
    "ball": _ball, "box": _box, "cone": _cone, "star": _star,
    "ring": _ring, "cross": _cross, "arrow": _arrow, "key": _key,
}


def clutter(rng: np.random.Generator) -> list[Layer]:
    """A stone, a leaf or a stick: an irregular blob of no class."""
    n = int(rng.integers(5, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, n))
    radii = rng.uniform(0.45, 1.0, n)
    contour = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    contour[:, 1] *= rng.choice([0.12, 0.5, 1.0])
    return [(contour, 1.0)]
