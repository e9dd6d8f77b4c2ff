"""How much moves in a stretch of video, and the frames that a slower rate keeps.

Motion is measured on frames that were read anyway, so it costs no second decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from components.core.video.reader import Frame

CHANGED = 24
"""Levels of 255 by which a pixel must differ to count as changed: above the noise of compression."""


def motion_of(frames: Sequence[Frame], *, full: float) -> float:
    """Measure motion from 0 to 1: the median share of pixels that change from frame to frame, relative to `full`.

    The median leaves out cuts, which change many pixels once; a still scene with cuts has no motion.

    Args:
        frames: consecutive frames of one size, pixels (height, width, 3) uint8.
        full: the share of changed pixels that counts as motion 1.
    """
    if len(frames) < 2:
        return 0.0
    # Green alone stands in for luminance, and every fourth pixel for all.
    green = [frame.pixels[::2, ::2, 1].astype(np.int16) for frame in frames]
    shares = [float((np.abs(after - before) > CHANGED).mean()) for before, after in pairwise(green)]
    return min(1.0, float(np.median(shares)) / full)


def thin(frames: Sequence[Frame], rate: float) -> list[Frame]:
    """Keep the frames that `rate` looks per second would have asked for, beginning with the first."""
    kept: list[Frame] = []
    for frame in frames:
        if frame.asked_s >= frames[0].asked_s + len(kept) / rate - 1e-6:
            kept.append(frame)
    return kept
