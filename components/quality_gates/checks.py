"""What a gate measures and what it decided: plain data, no rule of its own.

A `Figure` is one number about the whole dataset (mean actions per trajectory); `RowFigures` hold one per row (the
coverage of each video) of which a share must lie within bounds. Both carry their denominator and their three worst
examples, so that a refusal can be understood without opening the data. The expectations module turns them into
verdicts (core/data/gate_result.py), which are stored as JSON for the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WORST = 3
"""Examples quoted with each check."""


@dataclass(frozen=True)
class Figure:
    """One number about a dataset. `value` is None when there was nothing to measure, which fails.

    Args:
        n: the denominator, counted in `unit`.
        too_few: why n cannot decide; the figure is then reported, and neither passes nor fails.
    """

    name: str
    explains: str
    value: float | None
    n: int
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    low: float | None = None
    high: float | None = None
    worst: tuple[str, ...] = ()
    too_few: str = ""


@dataclass(frozen=True)
class RowFigures:
    """One number per row, of which at least `share` must lie within the bounds.

    Args:
        labels: what each value belongs to, quoted when it is among the worst.
        frame: columns of one frame have equal length; each frame is one page of the Data Docs.
    """

    name: str
    explains: str
    values: Sequence[float]
    labels: Sequence[str]
    unit: str
    frame: str
    minimum: float | None = None
    maximum: float | None = None
    share: float = 1.0


def worst_labels(
    values: Sequence[float], labels: Sequence[str], minimum: float | None, maximum: float | None
) -> tuple[str, ...]:
    """The labels furthest outside the bounds, worst first, with their values.

    >>> worst_labels([1.0, 0.2, 0.5], ["a", "b", "c"], 0.9, None)
    ('b (0.2)', 'c (0.5)')
    """

    def excess(value: float) -> float:
        below = minimum - value if minimum is not None else 0.0
        above = value - maximum if maximum is not None else 0.0
        return max(below, above)

    outside = [(excess(value), label, value) for value, label in zip(values, labels, strict=True) if excess(value) > 0]
    outside.sort(key=lambda item: (-item[0], item[1]))
    return tuple(f"{label} ({value:.4g})" for _, label, value in outside[:WORST])
