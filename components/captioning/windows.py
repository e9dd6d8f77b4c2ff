"""Which stretches of a segment are captioned in one request.

A request holds a bounded number of frames, so a long segment is captioned window by window. The windows tile the
segment and are of nearly equal length: a short last window would show an event without what leads to it.
"""

from __future__ import annotations

import math
from itertools import pairwise


def windows_of(start_s: float, end_s: float, longest_s: float) -> list[tuple[float, float]]:
    """Tile [start_s, end_s) with as few nearly equal windows of at most `longest_s` seconds as possible.

    Borders fall on whole seconds where that keeps the windows within the limit.
    """
    count = max(1, math.ceil((end_s - start_s) / longest_s - 1e-9))
    step = (end_s - start_s) / count
    exact = [start_s, *(start_s + step * index for index in range(1, count)), end_s]
    whole = [start_s, *(float(math.floor(border)) for border in exact[1:-1]), end_s]
    fits = all(0 < end - start <= longest_s for start, end in pairwise(whole))
    borders = whole if fits else exact
    return list(pairwise(borders))
