"""One frame: from JPEG bytes to coloured blobs and their shapes.

Each pixel gets a colour name from a table over 5-bit RGB: saturated pixels by hue, bright grey ones white, all others
none. Equally named pixels are gathered into blobs run by run, which costs a fraction of a millisecond at 112 pixels
and needs nothing but numpy. Large frames are decoded at half or quarter scale by the JPEG decoder itself.

Which shape a blob is tells the nearest of a few silhouettes: how much of its box a shape fills as a whole and at five
heights. Circles, squares, triangles and crosses lie far apart in these six numbers, and compression moves them little.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from components.sandbox.teacher.vocabulary import COLOURS

LARGEST_SIDE = 180
"""Frames with a longer side than this, in pixels, are decoded at a smaller scale."""
LEAST_AREA = 0.004
"""A blob is at least this share of the frame: smaller ones are noise, digits, or fringes between two shapes."""
LEAST_SIDE = 5


@dataclass(frozen=True)
class Blob:
    """A connected patch of one colour.

    Attributes:
        box: left, top, right, bottom in pixels, the right and bottom edges exclusive.
        widths: what share of the box's width is filled at five heights of it.
    """

    colour: str
    area: int
    box: tuple[int, int, int, int]
    widths: tuple[float, float, float, float, float]
    touches_edge: bool

    @property
    def centre(self) -> tuple[float, float]:
        """x and y in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def fill(self) -> float:
        """Area over the area of the box."""
        left, top, right, bottom = self.box
        return self.area / ((right - left) * (bottom - top))


HEIGHTS = (0.125, 0.25, 0.5, 0.75, 0.875)


def decode(image: str) -> np.ndarray:
    """Pixels of a data URI with a JPEG or PNG image: uint8 RGB (height, width, 3).

    Raises:
        ValueError: it holds no image.
    """
    data = image.partition(",")[2] if image.startswith("data:") else image
    try:
        opened = Image.open(io.BytesIO(base64.b64decode(data)))
        if max(opened.size) > LARGEST_SIDE:
            opened.draft("RGB", (opened.width // 2, opened.height // 2))
            if max(opened.size) > 2 * LARGEST_SIDE:
                opened.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        return np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise ValueError(f"a frame is no readable image: {error}") from error


@cache
def _colour_table() -> np.ndarray:
    """Index into COLOURS plus one, or 0, for every 5-bit RGB: uint8 (32768,)."""
    levels = np.arange(32, dtype=np.int16) * 8 + 4
    red, green, blue = np.meshgrid(levels, levels, levels, indexing="ij")
    top, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    saturated = (top - low > 70) & (top > 100)
    name = {colour: np.uint8(index + 1) for index, colour in enumerate(COLOURS)}
    table = np.zeros(red.shape, dtype=np.uint8)
    table[saturated & (top == red)] = name["red"]
    table[saturated & (top == green)] = name["green"]
    table[saturated & (top == blue)] = name["blue"]
    table[saturated & (top != blue) & (np.minimum(red, green) - low > 0.55 * (top - low))] = name["yellow"]
    table[saturated & (top != green) & (np.minimum(red, blue) - low > 0.4 * (top - low)) & (blue > green)] = name[
        "purple"
    ]
    table[(top - low <= 70) & (low > 160)] = name["white"]
    return table.reshape(-1)


def name_colours(pixels: np.ndarray) -> np.ndarray:
    """Colour of each pixel, as index into COLOURS plus one, 0 for none: uint8 (height, width)."""
    fine = (pixels >> 3).astype(np.uint16)
    return _colour_table()[(fine[..., 0] << 10) | (fine[..., 1] << 5) | fine[..., 2]]


def find_blobs(names: np.ndarray) -> list[Blob]:
    """The blobs of a frame of colour names, largest first; specks and fringes left out."""
    height, width = names.shape
    padded = np.zeros((height, width + 1), dtype=np.uint8)
    padded[:, :width] = names
    flat = padded.reshape(-1)
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        starts = np.concatenate(([0], starts))
    ends = np.append(starts[1:], flat.size)
    keep = (flat[starts] > 0) & (ends - starts > 1)
    rows, lefts = np.divmod(starts[keep], width + 1)
    rights = lefts + (ends - starts)[keep]
    groups = _join_runs(rows.tolist(), lefts.tolist(), rights.tolist(), flat[starts][keep].tolist())
    found = []
    for members in groups:
        if len(members) >= LEAST_SIDE:
            blob = _blob_of(
                rows[members], lefts[members], rights[members], int(flat[starts][keep][members[0]]), names.shape
            )
            if blob is not None:
                found.append(blob)
    return sorted(found, key=lambda blob: -blob.area)


def _join_runs(rows: list[int], lefts: list[int], rights: list[int], names: list[int]) -> list[list[int]]:
    """Indices of runs that hang together: equal names, neighbouring rows, overlapping columns."""
    roots = list(range(len(rows)))

    def root_of(index: int) -> int:
        while roots[index] != index:
            roots[index] = roots[roots[index]]
            index = roots[index]
        return index

    above, first = 0, 0
    for index, row in enumerate(rows):
        if index and row != rows[index - 1]:
            above, first = first, index
        other = above
        while other < first and rows[other] != row - 1:
            other += 1
        while other < first:
            if names[other] == names[index] and lefts[other] < rights[index] and lefts[index] < rights[other]:
                roots[root_of(index)] = root_of(other)
            other += 1
    groups: dict[int, list[int]] = {}
    for index in range(len(rows)):
        groups.setdefault(root_of(index), []).append(index)
    return list(groups.values())


def _blob_of(rows: np.ndarray, lefts: np.ndarray, rights: np.ndarray, name: int, size: tuple[int, ...]) -> Blob | None:
    area = int((rights - lefts).sum())
    left, top, right, bottom = int(lefts.min()), int(rows[0]), int(rights.max()), int(rows[-1]) + 1
    width, height = right - left, bottom - top
    if area < LEAST_AREA * size[0] * size[1] or min(width, height) < LEAST_SIDE:
        return None
    by_row = np.bincount(rows - top, weights=rights - lefts, minlength=height) / width
    one, two, three, four, five = (float(by_row[int(share * height)]) for share in HEIGHTS)
    touches = left == 0 or top == 0 or right == size[1] or bottom == size[0]
    return Blob(COLOURS[name - 1], area, (left, top, right, bottom), (one, two, three, four, five), touches)


def _chord(height: float) -> float:
    return 2 * math.sqrt(height * (1 - height))


_SILHOUETTES: list[tuple[str, tuple[float, ...]]] = [
    ("circle", (math.pi / 4, *(_chord(height) for height in HEIGHTS))),
    ("square", (1.0,) * 6),
    ("triangle", (0.5, *HEIGHTS)),
    ("triangle", (0.5, *reversed(HEIGHTS))),
    ("cross", (5 / 9, 1 / 3, 1 / 3, 1.0, 1 / 3, 1 / 3)),
]
_LARGEST_MISFIT = 0.45
_LARGEST_ASPECT = 1.45


def classify(blob: Blob) -> tuple[str, float]:
    """The shape's name and the confidence in it, from 0 (a guess: cut off, covered, or no such shape) to 1.

    The confidence is how much better the best silhouette fits than the next shape's.

    >>> classify(Blob("red", 100, (0, 0, 10, 10), (1.0,) * 5, touches_edge=False))
    ('square', 1.0)
    """
    measured = (blob.fill, *blob.widths)
    misfits = sorted(
        (math.sqrt(sum((a - b) ** 2 for a, b in zip(measured, silhouette, strict=True))), shape)
        for shape, silhouette in _SILHOUETTES
    )
    best, shape = misfits[0]
    left, top, right, bottom = blob.box
    aspect = max((right - left) / (bottom - top), (bottom - top) / (right - left))
    confidence = 1 - best / next(misfit for misfit, other in misfits if other != shape)
    if aspect > _LARGEST_ASPECT or best > _LARGEST_MISFIT:
        confidence = 0.0
    elif blob.touches_edge:
        confidence *= 0.5
    return shape, confidence
