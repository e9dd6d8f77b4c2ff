"""Which shape a blob is: the nearest of a few silhouettes, and how sure that is.

A silhouette is how much of its box a shape fills as a whole and at five heights. Circles, squares, triangles and
crosses lie far apart in these six numbers, and compression moves them little.
"""

from __future__ import annotations

import math

from components.sandbox.teacher.vision import HEIGHTS, Blob


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
