"""Curves over steps: one line per series, smoothed, the raw values faint behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from components.reporting.charts.svg import SERIES, element, figure, path, text

WIDTH, HEIGHT = 420.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 12.0, 26.0
POINTS = 240
"""Points drawn per series at most; more are averaged in equal groups."""

Point = tuple[float, float]


def line_chart(series: Mapping[str, Sequence[Point]], label: str, x_title: str = "step") -> str:
    """Curves of (x, y) points by name; the page prints the legend. Values that are not finite are left out."""
    finite = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] for name, points in series.items()
    }
    everything = [point for points in finite.values() for point in points]
    if not everything:
        return ""
    low, high, ticks = nice_range([y for _, y in everything])
    first, last = min(x for x, _ in everything), max(x for x, _ in everything)

    def place(point: Point) -> Point:
        across = (point[0] - first) / (last - first) if last > first else 0.5
        up = (point[1] - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [_grid(place, ticks, first, last, x_title)]
    for index, points in enumerate(finite.values()):
        thin = thinned(points)
        colour = f"s{index % SERIES}"
        parts.append(path(map(place, thin), class_=f"line faint {colour}"))
        parts.append(path(map(place, smoothed(thin)), class_=f"line {colour}"))
        if len(thin) == 1:
            x, y = place(thin[0])
            parts.append(element("circle", cx=x, cy=y, r=3.0, class_=f"dot {colour}"))
    return figure(WIDTH, HEIGHT, parts, label)


def thinned(points: Sequence[Point], at_most: int = POINTS) -> list[Point]:
    """Averages of equal groups when there are more than `at_most` points.

    >>> thinned([(0, 1), (1, 3), (2, 5), (3, 7)], at_most=2)
    [(0.5, 2.0), (2.5, 6.0)]
    """
    if len(points) <= at_most:
        return list(points)
    size = math.ceil(len(points) / at_most)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


def smoothed(points: Sequence[Point], weight: float = 0.85) -> list[Point]:
    """Exponential moving average, corrected for its start (Kingma & Ba 2014, section 3)."""
    mean, made = 0.0, []
    for count, (x, y) in enumerate(points, start=1):
        mean = weight * mean + (1 - weight) * y
        made.append((x, mean / (1 - weight**count)))
    return made


def nice_range(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Bounds that hold all values, and about four round ticks between them.

    >>> nice_range([0.03, 0.97])
    (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 4
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * magnitude >= raw * 0.999)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return start * step, end * step, [round(index * step, 10) for index in range(start, end + 1)]


def _grid(place: Callable[[Point], Point], ticks: Sequence[float], first: float, last: float, x_title: str) -> str:
    parts = []
    for tick in ticks:
        _, y = place((first, tick))
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(text(LEFT - 6, y + 4, f"{tick:g}", class_="tick end"))
    parts.append(text(LEFT, HEIGHT - 8, f"{first:g}", class_="tick"))
    parts.append(text(WIDTH - RIGHT, HEIGHT - 8, f"{x_title} {last:g}", class_="tick end"))
    return "".join(parts)
