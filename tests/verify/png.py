"""Reads the PNG files of ../shared/golden: 8-bit RGB, not interlaced
(PNG specification, sections 5.3, 9 and 11.2.2)."""

import struct
import zlib
from pathlib import Path
from typing import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB_8_BIT = (8, 2, 0, 0, 0)  # depth, colour type, methods, not interlaced
CHANNELS = 3
NONE, SUB, UP, AVERAGE, PAETH = range(5)


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8:at + 8 + size]
        at += size + 12


def paeth(left: int, up: int, corner: int) -> int:
    """Whichever is nearest to left + up - corner."""
    guess = left + up - corner
    distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
    return (left, up, corner)[distances.index(min(distances))]


def predicted_row(kind: int, row: bytes, above: bytes) -> bytes:
    """Undoes AVERAGE and PAETH, where each byte needs the one before."""
    out = bytearray(CHANNELS) + bytearray(row)
    above = bytes(CHANNELS) + above
    for i in range(CHANNELS, len(out)):
        left, up, corner = out[i - CHANNELS], above[i], above[i - CHANNELS]
        guess = (paeth(left, up, corner) if kind == PAETH
                 else (left + up) // 2)
        out[i] = out[i] + guess & 255
    return bytes(out[CHANNELS:])


def unfiltered(kind: int, row: np.ndarray, above: np.ndarray) -> np.ndarray:
    if kind == NONE:
        return row
    if kind == UP:
        return row + above
    if kind == SUB:
        return np.cumsum(row.reshape(-1, CHANNELS), 0,
                         dtype=np.uint8).ravel()
    return np.frombuffer(predicted_row(kind, row.tobytes(), above.tobytes()),
                         np.uint8)


def read(path: Path) -> np.ndarray:
    """[H,W,3], R first."""
    data = path.read_bytes()
    parts = list(chunks(data))
    width, height, *form = struct.unpack(">IIBBBBB", parts[0][1])
    if not data.startswith(SIGNATURE) or tuple(form) != RGB_8_BIT:
        raise ValueError(f"{path}: not an 8-bit RGB PNG")
    packed = b"".join(body for kind, body in parts if kind == b"IDAT")
    rows = np.frombuffer(zlib.decompress(packed), np.uint8)
    rows = rows.reshape(height, 1 + width * CHANNELS)
    image = np.zeros((height + 1, width * CHANNELS), np.uint8)
    for y, row in enumerate(rows):
        image[y + 1] = unfiltered(int(row[0]), row[1:], image[y])
    return image[1:].reshape(height, width, CHANNELS)
