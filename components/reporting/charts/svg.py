"""The few SVG elements the charts are made of. Every text and attribute passes through `escape`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

SERIES = 8
"""Distinct series colours in the page's CSS: classes s0 to s7."""


def element(name: str, content: str = "", **attributes: object) -> str:
    """One element; underscores in attribute names become hyphens, a trailing one is dropped (`class_`).

    >>> element("circle", cx=1, cy=2.0, class_="s0")
    '<circle cx="1" cy="2" class="s0"/>'
    """
    pairs = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{pairs}>{content}</{name}>" if content else f"<{name}{pairs}/>"


def text(x: float, y: float, words: str, class_: str) -> str:
    """A text element, its words escaped."""
    return element("text", escape(words), x=x, y=y, class_=class_)


def titled(shape: str, words: str) -> str:
    """A shape with a tooltip."""
    return f"<g>{element('title', escape(words))}{shape}</g>"


def figure(width: float, height: float, parts: Iterable[str], label: str, min_width: int = 0) -> str:
    """The outer element: scales to its container, not below `min_width` pixels (the container scrolls)."""
    style = f"min-width:{min_width}px" if min_width else None
    return element(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
        aria_label=label,
        style=style,
    )


def path(points: Iterable[tuple[float, float]], class_: str) -> str:
    """A polyline through `points` in user units."""
    steps = " ".join(f"{'L' if index else 'M'}{_number(x)} {_number(y)}" for index, (x, y) in enumerate(points))
    return element("path", d=steps, class_=class_)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _value(value: object) -> str:
    return _number(value) if isinstance(value, float) else escape(str(value))


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
