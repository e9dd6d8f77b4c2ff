"""Which stretches of a segment are captioned in one request.

A request holds a bounded number of frames, so a long segment is captioned window by window. The windows tile the
segment and are of nearly equal length: a short last window would show an event without what leads to it. A window that
no valid reply is had about is asked about in halves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Span = tuple[float, float]
"""From when to when, in seconds."""


def windows_of(start_s: float, end_s: float, longest_s: float) -> list[Span]:
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


def halves_of(window: Span, times_s: Sequence[float], shortest_s: float) -> list[Span]:
    """The two halves of a window, or nothing where they would be shorter than `shortest_s`.

    Args:
        times_s: the times of the window's frames; the halves meet at the one nearest to the middle.

    >>> halves_of((0.0, 8.0), [0.0, 2.0, 4.5, 6.0], 4.0), halves_of((0.0, 4.5), [0.0, 2.0], 4.0)
    ([(0.0, 4.5), (4.5, 8.0)], [])
    """
    start_s, end_s = window
    inside = [time_s for time_s in times_s if start_s < time_s < end_s]
    if (end_s - start_s) / 2 < shortest_s - 1e-6 or not inside:
        return []
    border = min(inside, key=lambda time_s: abs(time_s - (start_s + end_s) / 2))
    return [(start_s, border), (border, end_s)]


def without(span: Span, holes: Sequence[Span]) -> list[Span]:
    """What is left of a span outside some holes, in order.

    >>> without((0.0, 8.0), [(2.0, 3.0), (7.0, 9.0)])
    [(0.0, 2.0), (3.0, 7.0)]
    """
    left: list[Span] = []
    start_s, end_s = span
    for hole_start, hole_end in sorted(holes):
        if start_s < min(hole_start, end_s):
            left.append((start_s, min(hole_start, end_s)))
        start_s = max(start_s, hole_end)
    if start_s < end_s:
        left.append((start_s, end_s))
    return left
