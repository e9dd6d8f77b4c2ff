"""Move a proposed cut to the scene cut beside it.

The segmenter sees a frame every few seconds, so the cut it proposes may lie seconds away from the change it means, and
would cut an event in two. The seconds around it are therefore looked at more closely, and the strongest change of
picture, if there is a clear one, becomes the cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from components.core.video.readers.pyav import Frame

WHOLE = 10.0
"""Weight of what changes over more than half of the picture: another scene counts more than another thing in it."""

MIN_CHANGE = 8.0
"""Strength of a change, in levels of 255, below which it is no scene cut."""

OUTSTANDING = 3.0
"""How many times the median change a scene cut must reach, so that steady motion has none."""


def strongest_change(frames: Sequence[Frame]) -> float | None:
    """Find the time in seconds of the clearest scene cut among `frames`: that of the first frame after it.

    Args:
        frames: consecutive frames of one size, pixels (height, width, 3) uint8.

    Returns:
        None where no change stands out.
    """
    if len(frames) < 3:
        return None
    changes = [_strength(before, after) for before, after in pairwise(frames)]
    strongest = int(np.argmax(changes))
    if changes[strongest] < max(MIN_CHANGE, OUTSTANDING * float(np.median(changes))):
        return None
    return round(frames[strongest + 1].time_s, 3)


def _strength(before: Frame, after: Frame) -> float:
    change = np.abs(after.pixels[::4, ::4].astype(np.int16) - before.pixels[::4, ::4])
    whole = float(np.median(change, axis=(0, 1)).max())
    return WHOLE * whole + float(change.mean())
