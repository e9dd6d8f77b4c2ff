"""The audit's lines: a figure, what it was counted from, and the bar it has to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Line:
    """One figure. Without a bar it only informs.

    Attributes:
        counted: numerator and denominator, or n.
    """

    name: str
    value: float
    counted: str
    bar: float | None = None
    side: Literal["at least", "at most"] = "at least"
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether the bar is reached; NaN (nothing to count) reaches none."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.side == "at least" else self.value <= self.bar

    def __str__(self) -> str:
        bar = "" if self.bar is None else f"{self.side} {self.bar:g}{self.unit}"
        verdict = "" if self.bar is None else ("pass" if self.passed else "FAIL")
        value = f"{self.value:.3f}{self.unit}"
        return f"{self.name:<46} {value:>10}   {self.counted:<22} {bar:<16} {verdict}".rstrip()


def share(name: str, hits: int, total: int, bar: float | None = None) -> Line:
    """A rate with its numerator and denominator."""
    return Line(name, hits / total if total else float("nan"), f"{hits} of {total}", bar)


def spread(name: str, values: Sequence[float], worst_bar: float | None = None) -> list[Line]:
    """Median and worst of some errors in seconds."""
    if not values:
        return [Line(f"{name}, worst", float("nan"), "n = 0", worst_bar, "at most", " s")]
    ordered = sorted(values)
    count = f"n = {len(ordered)}"
    return [
        Line(f"{name}, median", ordered[len(ordered) // 2], count, unit=" s"),
        Line(f"{name}, worst", ordered[-1], count, worst_bar, "at most", " s"),
    ]
