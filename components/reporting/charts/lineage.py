"""The ancestry of a run as an arc diagram: a row per dataset or model, ancestors above, arcs to what they became.

Rows read like a list on a phone; arcs keep to the left, wider the further apart their ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.reporting.charts.svg import element, figure, text, titled

WIDTH, ROW = 720.0, 40.0
AXIS = 170.0
"""Where the dots stand; arcs swing to its left."""
ROOM = 84
"""Letters of detail that fit beside a dot; the tooltip holds them all."""


@dataclass(frozen=True)
class Stop:
    """One row: what it is, and what a reader should know of it."""

    name: str
    detail: str
    kind: Literal["dataset", "model", "gate", "refused"] = "dataset"


def arc_diagram(stops: Sequence[Stop], arcs: Sequence[tuple[int, int]], label: str) -> str:
    """Draw `arcs` between rows given by index, upstream first."""
    if not stops:
        return ""
    longest = max((below - above for above, below in arcs), default=1)
    parts = []
    for above, below in sorted(set(arcs), key=lambda arc: arc[0] - arc[1]):
        reach = 16 + (AXIS - 40) * ((below - above) / max(longest, 2)) ** 0.7
        start, end = _y(above), _y(below)
        curve = f"M{AXIS} {start} C{AXIS - reach:.1f} {start} {AXIS - reach:.1f} {end} {AXIS} {end}"
        shape = element("path", d=curve, class_="arc")
        parts.append(titled(shape, f"{stops[above].name} → {stops[below].name}"))
    for index, stop in enumerate(stops):
        y = _y(index)
        parts.append(element("circle", cx=AXIS, cy=y, r=7.0, class_=f"stop {stop.kind}"))
        parts.append(text(AXIS + 20, y - 1, stop.name, class_="name"))
        detail = stop.detail if len(stop.detail) <= ROOM else stop.detail[: ROOM - 1] + "…"
        parts.append(titled(text(AXIS + 20, y + 14, detail, class_="tick"), stop.detail))
    return figure(WIDTH, ROW * len(stops) + 8, parts, label, min_width=520)


def _y(index: int) -> float:
    return ROW * (index + 0.5) + 4
