"""Renders synthetic scenes: objects of eight classes on a textured ground.

A scene is a pure function of (split, index). Objects are rasterized from the
layers in shapes.py, supersampled, and composited back to front; what later
objects hide is taken from the masks of earlier ones, so that every box is the
tight box of the part that can be seen. Light, blur and noise come last.
Writing files is left to make_data.py, augmentation to train.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from grounds import GROUNDS, smooth_noise
from shapes import CLASSES, OUTLINES, Layer, clutter

# Seeds of the three splits; no scene of one split occurs in another.
SPLIT_SEEDS = {"train": 1001, "val": 2002, "calib": 3003}

# Width, height; three of four are not square, so that letterboxing matters.
IMAGE_SIZES = ((320, 240), (320, 320), (240, 320), (400, 300))

MIN_SIZE, MAX_SIZE = 12.0, 200.0
MIN_VISIBLE = 0.35
SUPERSAMPLE = 4


@dataclass(frozen=True)
class Scene:
    """An image and the objects in it.

    image:  [H,W,3] uint8, BGR as OpenCV has it.
    boxes:  [N,4] float32, x1 y1 x2 y2 in pixels, of the visible part.
    areas:  [N] float32, visible pixels.
    labels: [N] int64, indices into CLASSES.
    """

    image: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    labels: np.ndarray


@dataclass
class Sprite:
    """A rendered object; the colour is not multiplied by alpha.

    colour: [h,w,3] float32 0..255; alpha: [h,w] float32 0..1.
    """

    colour: np.ndarray
    alpha: np.ndarray


def _placement(rng: np.random.Generator) -> np.ndarray:
    """Rotation after a mild foreshortening, [2,2]."""
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    tilt = rng.uniform(0, np.pi)
    d = np.array([np.cos(tilt), np.sin(tilt)])
    squeeze = np.eye(2) - rng.uniform(0, 0.3) * np.outer(d, d)
    return squeeze @ np.array([[c, -s], [s, c]])


def _sprite(rng: np.random.Generator, layers: list[Layer], size: float,
            colour: np.ndarray) -> Sprite:
    """Rasterizes layers so that the longer side is `size` pixels."""
    matrix = _placement(rng)
    contours = [contour @ matrix.T for contour, _ in layers]
    stacked = np.concatenate(contours)
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    scale = size / (high - low).max()
    shift = 1.5 - low * scale + rng.uniform(-0.5, 0.5, 2)
    width, height = np.ceil((high - low) * scale + 3).astype(int)

    fine = (int(height) * SUPERSAMPLE, int(width) * SUPERSAMPLE)
    tone = np.zeros(fine, np.float32)
    alpha = np.zeros(fine, np.float32)
    for contour, (_, factor) in zip(contours, layers):
        polygon = np.round((contour * scale + shift) * SUPERSAMPLE)
        polygon = polygon.astype(np.int32)
        cv2.fillPoly(tone, [polygon], factor or 0.0)
        cv2.fillPoly(alpha, [polygon], 0.0 if factor is None else 1.0)
    tone = cv2.resize(tone, (width, height), interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
    tone /= np.maximum(alpha, 1e-3)
    return Sprite(_paint(rng, tone, colour), alpha)


def _paint(rng: np.random.Generator, tone: np.ndarray,
           colour: np.ndarray) -> np.ndarray:
    """Colours a tone map, with a shading gradient and perhaps a pattern."""
    height, width = tone.shape
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = (np.cos(angle) * (xs / width - 0.5)
             + np.sin(angle) * (ys / height - 0.5))
    shade = tone * (1 + rng.uniform(0, 0.5) * along)
    pattern = rng.random()
    if pattern < 0.25:
        shade *= 1 + 0.12 * smooth_noise(rng, height, width, (2, 5))
    elif pattern < 0.4:
        period = rng.uniform(6, 16)
        shade *= 1 + 0.15 * np.sign(np.sin(along * max(tone.shape)
                                           * 2 * np.pi / period))
    return np.clip(colour * shade[:, :, None], 0, 255).astype(np.float32)


def _colour_unlike(rng: np.random.Generator,
                   ground: np.ndarray) -> np.ndarray:
    """A random BGR colour that can be told from the mean ground colour."""
    while True:
        hsv = np.uint8([[[rng.integers(0, 180), rng.integers(40, 256),
                          rng.integers(60, 256)]]])
        colour = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)
        if np.linalg.norm(colour - ground) > 60:
            return colour


class _Canvas:
    """The picture while it is composited, and the visible masks so far."""

    def __init__(self, ground: np.ndarray) -> None:
        self.image = np.ascontiguousarray(ground, dtype=np.float32)
        self.visible: list[np.ndarray] = []
        self.whole: list[float] = []
        self.labels: list[int] = []

    def paste(self, sprite: Sprite, x: int, y: int,
              label: int | None) -> None:
        """Composites a sprite with its corner at x, y; None is clutter."""
        inside, part = _clip(self.image.shape, sprite.alpha.shape, x, y)
        alpha = sprite.alpha[part]
        for mask in self.visible:
            mask[inside] *= 1 - alpha
        self.image[inside] += alpha[:, :, None] * (
            sprite.colour[part] - self.image[inside])
        if label is not None:
            full = np.zeros(self.image.shape[:2], np.float32)
            full[inside] = alpha
            self.visible.append(full)
            self.whole.append(float((sprite.alpha > 0.5).sum()))
            self.labels.append(label)

    def cast_shadow(self, sprite: Sprite, x: int, y: int,
                    strength: float) -> None:
        """Darkens the picture beneath a sprite, softly."""
        reach = 1 + max(sprite.alpha.shape) // 12
        mask = cv2.copyMakeBorder(sprite.alpha, reach, reach, reach, reach,
                                  cv2.BORDER_CONSTANT, value=0)
        mask = cv2.blur(mask, (2 * reach + 1, 2 * reach + 1))
        inside, part = _clip(self.image.shape, mask.shape, x, y)
        self.image[inside] *= 1 - strength * mask[part][:, :, None]

    def objects(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes, areas and labels of what can be seen well enough."""
        boxes, areas, labels = [], [], []
        for mask, whole, label in zip(self.visible, self.whole, self.labels):
            seen = mask > 0.5
            area = np.count_nonzero(seen)
            if area < max(MIN_VISIBLE * whole, 16):
                continue
            xs = np.flatnonzero(seen.any(axis=0))
            ys = np.flatnonzero(seen.any(axis=1))
            boxes.append([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1])
            areas.append(area)
            labels.append(label)
        return (np.array(boxes, np.float32).reshape(-1, 4),
                np.array(areas, np.float32), np.array(labels, np.int64))


def _clip(outer: tuple[int, ...], inner: tuple[int, ...], x: int,
          y: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """What `inner` put at x, y covers of `outer`, in both their frames."""
    top, left = max(y, 0), max(x, 0)
    bottom = max(min(y + inner[0], outer[0]), top)
    right = max(min(x + inner[1], outer[1]), left)
    return ((slice(top, bottom), slice(left, right)),
            (slice(top - y, bottom - y), slice(left - x, right - x)))


def _choose_corner(rng: np.random.Generator, sprite: Sprite,
                   taken: list[np.ndarray],
                   shape: tuple[int, ...]) -> tuple[int, int] | None:
    """A corner that hides at most half of any earlier object's box."""
    h, w = sprite.alpha.shape
    for _ in range(12):
        x = int(rng.integers(-w // 6, max(shape[1] - w * 5 // 6, 1)))
        y = int(rng.integers(-h // 6, max(shape[0] - h * 5 // 6, 1)))
        box = np.array([x, y, x + w, y + h])
        if all(_overlap(box, other) < 0.5 for other in taken):
            taken.append(box)
            return x, y
    return None


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over the smaller of two boxes."""
    side = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    smaller = min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))
    return float(np.prod(np.maximum(side, 0)) / smaller)


def _photograph(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Light from one side, a colour cast, a soft lens and a noisy sensor."""
    h, w = image.shape[:2]
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (xs / w - 0.5) + np.sin(angle) * (ys / h - 0.5)
    light = rng.uniform(0.65, 1.15) * (1 + rng.uniform(0, 0.7) * along)
    cast = rng.uniform(0.9, 1.1, 3).astype(np.float32)
    image = image * light[:, :, None].astype(np.float32) * cast
    sigma = rng.uniform(0, 1.1)
    if sigma > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    grain = rng.standard_normal(image.shape, np.float32)
    image += np.float32(rng.uniform(1, 7)) * grain
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def render(split: str, index: int) -> Scene:
    """Renders scene `index` of a split; the same arguments, the same scene."""
    rng = np.random.default_rng([SPLIT_SEEDS[split], index])
    width, height = IMAGE_SIZES[index % len(IMAGE_SIZES)]
    ground = GROUNDS[int(rng.integers(len(GROUNDS)))](rng, height, width)
    canvas = _Canvas(ground)
    mean = canvas.image.mean(axis=(0, 1))
    largest = min(MAX_SIZE, 0.65 * min(width, height))
    shadow = rng.uniform(0, 0.5)

    kinds: list[int | None] = list(rng.integers(0, len(CLASSES),
                                                int(rng.integers(1, 13))))
    kinds += [None] * int(rng.integers(0, 5))
    rng.shuffle(kinds)
    taken: list[np.ndarray] = []
    for kind in kinds:
        outline = clutter if kind is None else OUTLINES[CLASSES[kind]]
        size = float(np.exp(rng.uniform(np.log(MIN_SIZE), np.log(largest))))
        sprite = _sprite(rng, outline(rng), size, _colour_unlike(rng, mean))
        corner = _choose_corner(rng, sprite, taken, canvas.image.shape)
        if corner is None:
            continue
        canvas.cast_shadow(sprite, *corner, shadow)
        canvas.paste(sprite, *corner, None if kind is None else int(kind))
    return Scene(_photograph(rng, canvas.image), *canvas.objects())
