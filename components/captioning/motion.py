"""How much moves in a stretch of video, and the frames that a slower rate keeps.

What changes from frame to frame is measured once, on frames that were read anyway, and remembered without their pixels:
the motion of any part of them, and the frames that a slower rate keeps, are then known without another decoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from components.core.video.readers.pyav import Frame

CELLS = 10
"""Cells along the shorter side of the picture. Their means ignore noise and trembling smaller than a cell."""

CHANGED = 24
"""Levels of 255 by which a cell's mean must differ to count as changed."""

LIVELY = 75
"""The percentile over time that counts: movement in a quarter of the time is enough, a few cuts are not."""


class MeasuredFrame(NamedTuple):
    """A frame without its pixels: the time asked for, its own, and the share of cells that changed since the last."""

    asked_s: float
    time_s: float
    changed: float


def measure_frames(frames: Sequence[Frame]) -> list[MeasuredFrame]:
    """A measure: what is to be known of frames before it is decided which of them are shown.

    Args:
        frames: consecutive frames of one size, pixels (height, width, 3) uint8.
    """
    changed = np.abs(np.diff(cell_means(frames), axis=0)) > CHANGED
    shares = [0.0, *changed.mean(axis=(1, 2)).tolist()]
    return [MeasuredFrame(frame.asked_s, frame.time_s, share) for frame, share in zip(frames, shares, strict=True)]


def motion_of(seen: Sequence[MeasuredFrame], *, full: float) -> float:
    """Measure motion from 0 to 1: the share of the picture that changes from frame to frame, relative to `full`.

    Args:
        seen: consecutive frames.
        full: the share of changed cells that counts as motion 1.
    """
    if len(seen) < 2:
        return 0.0
    return min(1.0, float(np.percentile([frame.changed for frame in seen[1:]], LIVELY)) / full)


def cell_means(frames: Sequence[Frame]) -> np.ndarray:
    """Mean level of each cell of each frame: (time, rows, columns) float32.

    Green stands in for luminance, and every other pixel for all.
    """
    green = np.stack([frame.pixels[::2, ::2, 1] for frame in frames])
    count, height, width = green.shape
    side = max(1, min(height, width) // CELLS)
    rows, columns = height // side, width // side
    cells = green[:, : rows * side, : columns * side].reshape(count, rows, side, columns, side)
    means: np.ndarray = cells.mean(axis=(2, 4), dtype=np.float32)
    return means


def thin(frames: Sequence[MeasuredFrame], rate: float) -> list[MeasuredFrame]:
    """Keep the frames that `rate` looks per second would have asked for, beginning with the first."""
    kept: list[MeasuredFrame] = []
    due_s = frames[0].asked_s if frames else 0.0
    for frame in frames:
        if frame.asked_s >= due_s - 1e-6:
            kept.append(frame)
            looks = math.floor((frame.asked_s - frames[0].asked_s) * rate + 1e-6)
            due_s = frames[0].asked_s + (looks + 1) / rate  # the next on the grid, also after frames that are missing
    return kept
