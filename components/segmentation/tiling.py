"""From a segmenter's proposals to segments that tile the video exactly.

A proposal is used for what it says about *where to cut*; that the segments begin at 0, end at the video's duration and
touch each other is this module's promise and never the teacher's. Every departure from the proposals is counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Proposal:
    """A chunk that the segmenter proposes, in seconds of the video; nothing about it is trusted."""

    start_s: float
    end_s: float
    title: str = ""


@dataclass(frozen=True)
class Lengths:
    """The bounds of a segment's length in seconds; at most half of `max_s` may be asked of `min_s`."""

    min_s: float
    max_s: float

    def __post_init__(self) -> None:
        if not 0 < self.min_s <= self.max_s / 2:
            raise ValueError(f"min_s is {self.min_s}, must be above 0 and at most half of max_s ({self.max_s})")


def cuts_of(
    proposals: Sequence[Proposal], duration_s: float, *, tolerance_s: float
) -> tuple[list[float], Counter[str]]:
    """Find the interior cuts that the proposals ask for.

    Two proposals that do not meet (a gap or an overlap over `tolerance_s`) are cut at the middle of the disagreement.

    Returns:
        the cuts in seconds, ascending, strictly inside (0, duration_s), and the repairs made: `invalid` proposals
        dropped, `clipped` to the video, `gap` and `overlap` closed.
    """
    repairs: Counter[str] = Counter()
    usable: list[tuple[float, float]] = []
    for proposal in proposals:
        if not (math.isfinite(proposal.start_s) and math.isfinite(proposal.end_s)):
            repairs["invalid"] += 1
            continue
        start, end = max(0.0, proposal.start_s), min(duration_s, proposal.end_s)
        if end <= start:
            repairs["invalid"] += 1
            continue
        if start - proposal.start_s > tolerance_s or proposal.end_s - end > tolerance_s:
            repairs["clipped"] += 1
        usable.append((start, end))
    usable.sort()
    if not usable:
        repairs["gap"] += 1
        return [], repairs
    repairs["gap"] += (usable[0][0] > tolerance_s) + (usable[-1][1] < duration_s - tolerance_s)
    cuts = set()
    for (_, end), (start, _) in pairwise(usable):
        repairs["gap"] += start - end > tolerance_s
        repairs["overlap"] += end - start > tolerance_s
        cuts.add(round((start + end) / 2, 3))
    return sorted(cut for cut in cuts if 0 < cut < duration_s), +repairs


def fit_lengths(cuts: Sequence[float], duration_s: float, lengths: Lengths) -> tuple[list[float], Counter[str]]:
    """Remove and add cuts until every segment keeps to `lengths`.

    A segment under the minimum is joined to its shorter neighbour; one over the maximum is split into equal parts.
    A video shorter than the minimum is one segment.

    Returns:
        the cuts in seconds and the repairs made: `joined`, `split`.
    """
    repairs: Counter[str] = Counter()
    edges = [0.0, *cuts, duration_s]
    while len(edges) > 2:
        sizes = [end - start for start, end in pairwise(edges)]
        shortest = min(range(len(sizes)), key=sizes.__getitem__)
        if sizes[shortest] >= lengths.min_s:
            break
        joins_left = shortest == len(sizes) - 1 or (shortest > 0 and sizes[shortest - 1] <= sizes[shortest + 1])
        del edges[shortest if joins_left else shortest + 1]
        repairs["joined"] += 1
    fitted: list[float] = []
    for start, end in pairwise(edges):
        parts = max(1, math.ceil((end - start) / lengths.max_s))
        repairs["split"] += parts - 1
        fitted += [round(start + (end - start) * part / parts, 3) for part in range(1, parts)]
        fitted.append(end)
    return fitted[:-1], +repairs


def spans_of(cuts: Sequence[float], duration_s: float) -> list[tuple[float, float]]:
    """Turn cuts into the spans between them: (0, first cut), …, (last cut, duration_s)."""
    edges = [0.0, *cuts, duration_s]
    return list(pairwise(edges))


def title_of(span: tuple[float, float], proposals: Sequence[Proposal]) -> str:
    """Title a span by the proposal that shares most time with it; empty where none does."""
    start, end = span
    best, most = "", 0.0
    for proposal in proposals:
        if not (math.isfinite(proposal.start_s) and math.isfinite(proposal.end_s)):
            continue
        shared = min(end, proposal.end_s) - max(start, proposal.start_s)
        if shared > most:
            best, most = proposal.title, shared
    return best
