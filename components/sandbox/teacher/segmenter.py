"""Cutting a long video into chunks: about as long as asked, and never in the middle of a scene if that can be helped.

The video is divided evenly; each dividing line then moves to the strongest change of picture near it. A change of the
whole ground (another scene) counts more than a change of what stands on it (another event).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np

from components.sandbox.teacher.blobs import decode
from components.sandbox.teacher.real_footage import shrink

TOLERANCE = 0.05
"""By which share of `target_s` a chunk may be longer without being divided."""
REACH = 0.25
"""How far a cut may lie from the even division, as a share of a chunk."""


def cut_into_segments(frames: Sequence[tuple[float, str]], duration_s: float, target_s: float) -> list[dict[str, Any]]:
    """Segments `{"start_s", "end_s", "title"}` that tile [0, duration_s), none much longer than `target_s`.

    Raises:
        ValueError: a frame is no image, or `target_s` is not positive.
    """
    if target_s <= 0:
        raise ValueError("target_s must be positive")
    count = max(1, ceil(duration_s / target_s - TOLERANCE))
    length_s = duration_s / count
    times, strengths = _changes(frames) if count > 1 else ([], [])
    cuts = [0.0]
    for index in range(1, count):
        cuts.append(_nearest_change(index * length_s, length_s * REACH, times, strengths))
    cuts.append(duration_s)
    return [
        {"start_s": cuts[i], "end_s": cuts[i + 1], "title": f"part {i + 1} of {count}"}
        for i in range(count)
        if cuts[i + 1] > cuts[i]
    ]


def _changes(frames: Sequence[tuple[float, str]]) -> tuple[list[float], list[float]]:
    """For each frame but the first: its time, and how much of the picture changed since the one before."""
    ordered = sorted(frames, key=lambda frame: frame[0])
    small = [shrink(decode(image)).astype(np.int16) for _, image in ordered]
    strengths = [_strength(before, after) for before, after in pairwise(small)]
    return [time_s for time_s, _ in ordered][1:], strengths


def _strength(before: np.ndarray, after: np.ndarray) -> float:
    """Change of the ground (the median over the frame), which a new scene brings, far above change of single places."""
    ground = float(np.abs(np.median(before, axis=(0, 1)) - np.median(after, axis=(0, 1))).max())
    return 10 * ground + float(np.abs(before - after).mean())


def _nearest_change(ideal_s: float, reach_s: float, times: Sequence[float], strengths: Sequence[float]) -> float:
    """The strongest change within reach, nearer ones preferred by up to half; the even division if there is none."""
    near = [
        (strength * (1 - 0.5 * abs(time_s - ideal_s) / reach_s), time_s)
        for time_s, strength in zip(times, strengths, strict=True)
        if abs(time_s - ideal_s) < reach_s
    ]
    return max(near)[1] if near else ideal_s
