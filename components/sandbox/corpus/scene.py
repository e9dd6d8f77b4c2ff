"""What happens in a sandbox video, before a pixel is drawn: shapes, events, clips, and the truth they amount to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Motion = Literal["", "left", "right", "up", "down"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 40, 40),
    "green": (40, 180, 70),
    "blue": (50, 90, 235),
    "yellow": (240, 220, 40),
    "purple": (165, 55, 205),
    "white": (245, 245, 245),
}
"""Flat, saturated RGB: far apart, so that neither 56×56 pixels nor compression confuses them."""

SHAPES = ("circle", "square", "triangle", "cross")


@dataclass(frozen=True)
class Thing:
    """One shape during one event. Positions are its centre in pixels, at the event's start and end; `size` its side."""

    colour: str
    shape: str
    size: float
    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def motion(self) -> Motion:
        """The direction it moves in, empty when it stays."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        if max(abs(dx), abs(dy)) < 1:
            return ""
        if abs(dx) >= abs(dy):
            return "right" if dx > 0 else "left"
        return "down" if dy > 0 else "up"


@dataclass(frozen=True)
class Event:
    """A stretch of time, half-open, in which the set of visible shapes stays the same."""

    start_s: float
    end_s: float
    things: tuple[Thing, ...]
    background: tuple[int, int, int]


@dataclass(frozen=True)
class Clip:
    """A video to render.

    Attributes:
        times_s: when each frame is shown; regular, except in the clock clip.
        trembles: whether shapes shake by a pixel, so that a resting shape is no frozen picture.
        cuts_s: when the background changes.
    """

    file: str
    kind: Literal["learning", "showcase", "long", "clock"]
    width: int
    height: int
    duration_s: float
    times_s: tuple[float, ...]
    events: tuple[Event, ...]
    seed: int
    trembles: bool = False
    clock: bool = False
    cuts_s: tuple[float, ...] = ()

    def frames(self) -> Iterator[tuple[float, Event]]:
        """Each frame's time and the event it shows."""
        index = 0
        for time_s in self.times_s:
            while index + 1 < len(self.events) and time_s >= self.events[index + 1].start_s - 1e-9:
                index += 1
            yield time_s, self.events[index]

    def truth(self) -> dict[str, Any]:
        """The ground truth, as written to the truth folder."""
        return {
            "file": self.file,
            "kind": self.kind,
            "duration_s": self.duration_s,
            "width": self.width,
            "height": self.height,
            "cuts_s": list(self.cuts_s),
            "events": [
                {
                    "start_s": event.start_s,
                    "end_s": event.end_s,
                    "things": [
                        {"colour": thing.colour, "shape": thing.shape, "motion": thing.motion} for thing in event.things
                    ],
                }
                for event in self.events
            ],
        }
