"""Shapes and digits as pixels, anti-aliased from signed distances; (height, width, 3) uint8 RGB throughout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.sandbox.corpus.scene import COLOURS, Thing

Array = np.ndarray

CLOCK_SCALE = 3
CLOCK_COLOUR = (150, 150, 150)
CLOCK_STRIP = 36
"""Height in pixels of the black strip at the foot of the frame that carries the clock."""

GLYPHS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    ":": "00000 00100 00100 00000 00100 00100 00000",
    ".": "00000 00000 00000 00000 00000 00110 00110",
}
"""A 5×7 font, row by row."""


def coverage(shape: str, size: float, centre: tuple[float, float], width: int, height: int) -> Array:
    """How much of each pixel the shape covers: float32 (height, width) in [0, 1]."""
    x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5 - centre[0])
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5 - centre[1])
    return np.clip(0.5 - _DISTANCES[shape](x, y, size / 2), 0, 1)


def paint(frame: Array, thing: Thing, centre: tuple[float, float]) -> None:
    """Draw `thing` onto `frame` in place, at `centre` (x, y)."""
    reach = thing.size / 2 + 2
    left, top = max(0, int(centre[0] - reach)), max(0, int(centre[1] - reach))
    patch = frame[top : int(centre[1] + reach) + 1, left : int(centre[0] + reach) + 1]
    height, width = patch.shape[:2]
    mask = coverage(thing.shape, thing.size, (centre[0] - left, centre[1] - top), width, height)[..., None]
    patch[:] = patch + (np.array(COLOURS[thing.colour], dtype=np.float32) - patch) * mask + np.float32(0.5)


def clock_mask(text: str) -> Array:
    """`text` in the clock's font: bool (7 · scale, 6 · scale · characters)."""
    cells = [np.array([[c == "1" for c in row + "0"] for row in GLYPHS[char].split()]) for char in text]
    return np.kron(np.hstack(cells), np.ones((CLOCK_SCALE, CLOCK_SCALE), dtype=bool))


def clock_origin(width: int, height: int, mask: Array) -> tuple[int, int]:
    """Top and left pixel of the clock in a frame."""
    return height - CLOCK_STRIP + (CLOCK_STRIP - mask.shape[0]) // 2, (width - mask.shape[1]) // 2


def clock_text(time_s: float) -> str:
    """What the clock shows: minutes, seconds and tenths."""
    minutes, tenths = divmod(round(time_s * 10), 600)
    return f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}"


def paint_clock(frame: Array, time_s: float) -> None:
    """Burn the time into the foot of `frame`, in place; grey, so that it is no white shape."""
    height, width = frame.shape[:2]
    frame[height - CLOCK_STRIP :] = 0
    mask = clock_mask(clock_text(time_s))
    top, left = clock_origin(width, height, mask)
    frame[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = CLOCK_COLOUR


def _circle(x: Array, y: Array, radius: float) -> Array:
    return np.hypot(x, y) - radius


def _square(x: Array, y: Array, radius: float) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - radius * 0.9


def _triangle(x: Array, y: Array, radius: float) -> Array:
    # Isosceles, apex up: the sides run from (0, -r) to (±r, r).
    slope = np.float32(5**-0.5)
    return np.maximum(y - radius, (2 * np.abs(x) - y - radius) * slope)


def _cross(x: Array, y: Array, radius: float) -> Array:
    arm = radius / 3
    across = np.maximum(np.abs(x) - radius, np.abs(y) - arm)
    return np.minimum(across, np.maximum(np.abs(y) - radius, np.abs(x) - arm))


_DISTANCES: dict[str, Callable[[Array, Array, float], Array]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
}
