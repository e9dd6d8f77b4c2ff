"""Dots with their 95 % intervals, one row per system: what can be told apart, and what can not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.reporting.charts.lines import nice_range
from components.reporting.charts.svg import element, figure, text, titled

WIDTH = 480.0
ROW, TOP, BOTTOM = 30.0, 8.0, 26.0
RIGHT = 64.0
LETTER = 6.6
"""Width of an average letter of a name, in user units."""


@dataclass(frozen=True)
class Dot:
    """One row: a name, a value and its interval, in fractions; `muted` for references such as chance."""

    name: str
    value: float
    low: float
    high: float
    n: int
    muted: bool = False


def interval_plot(dots: Sequence[Dot], label: str, reference: float | None = None, signed: bool = False) -> str:
    """The rows from top to bottom on one axis, a dashed line at `reference`.

    Args:
        signed: differences, whose axis need not start at 0.
    """
    if not dots:
        return ""
    bounds = [value for dot in dots for value in (dot.low, dot.high)] + ([] if reference is None else [reference])
    low, high, ticks = nice_range(bounds if signed else [0.0, *bounds])
    height = TOP + ROW * len(dots) + BOTTOM
    left = 22 + LETTER * max(len(dot.name) for dot in dots)

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH - left - RIGHT)

    parts = []
    for tick in ticks:
        x = place(tick)
        parts.append(element("line", x1=x, x2=x, y1=TOP, y2=height - BOTTOM, class_="grid"))
        parts.append(text(x, height - 8, f"{tick:+.0%}" if signed else f"{tick:.0%}", class_="tick middle"))
    if reference is not None:
        x = place(reference)
        parts.append(element("line", x1=x, x2=x, y1=TOP, y2=height - BOTTOM, class_="reference"))
    for index, dot in enumerate(dots):
        parts.append(text(left - 14, TOP + ROW * (index + 0.5) + 4, dot.name, class_="name end"))
        parts.append(_row(dot, TOP + ROW * (index + 0.5), place(dot.low), place(dot.value), place(dot.high), signed))
    return figure(WIDTH, height, parts, label, min_width=340)


def _row(dot: Dot, y: float, low: float, middle: float, high: float, signed: bool) -> str:
    shown = f"{dot.value:+.1%}" if signed else f"{dot.value:.1%}"
    colour = "muted" if dot.muted else "s0"
    marks = element("line", x1=low, x2=high, y1=y, y2=y, class_=f"whisker {colour}")
    marks += element("circle", cx=middle, cy=y, r=5.0, class_=f"dot {colour}")
    tooltip = f"{dot.name}: {shown}, 95 % {dot.low:.1%} to {dot.high:.1%}, n = {dot.n}"
    return titled(marks, tooltip) + text(WIDTH - RIGHT + 12, y + 4, shown, class_="value")
