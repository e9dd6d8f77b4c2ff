"""Reading timed text: caption lines, caption events, and the observations of an agent, all as `Event`s.

An observation of a single moment ("00:03 a yellow triangle") is an event without extent: it tells about that second
and no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from components.core.traces.scans import Scan
from components.core.traces.scans import parse as parse_scan
from components.core.traces.timecodes import parse, render, render_span
from components.sandbox.teacher.vocabulary import Picture, Sighting, Thing, read_picture, read_sightings

# Only what `timecodes.parse` accepts: text from policies is full of times that are none.
TIMECODE = r"(?:\d{1,2}:[0-5]\d|\d{1,4}):[0-5]\d(?:\.\d+)?"
_LINE = re.compile(rf"\[({TIMECODE})\s*[-–]\s*({TIMECODE})\]\s*([^\[\n]*)")
_STAMP = re.compile(rf"(?<![\d:\[])({TIMECODE})(?:\s*[-–]\s*({TIMECODE}))?\s+(?=[a-z])")
TIME = re.compile(rf"(?<![\d:])({TIMECODE})(?!\d|:\d)")


@dataclass(frozen=True)
class Event:
    """What a text says of the half-open stretch [start_s, end_s); a moment has `end_s == start_s`."""

    index: int
    start_s: float
    end_s: float
    text: str

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        return read_sightings(self.text)

    @property
    def things(self) -> tuple[Thing, ...]:
        return tuple(sighting.thing for sighting in self.sightings)

    @property
    def picture(self) -> Picture | None:
        return read_picture(self.text)

    def covers(self, time_s: float) -> bool:
        """Whether the event tells about this time."""
        return self.start_s <= time_s < self.end_s or time_s == self.start_s == self.end_s

    def when(self) -> str:
        """The event's key: `MM:SS-MM:SS`, or `MM:SS` for a moment."""
        return render(self.start_s) if self.end_s == self.start_s else render_span(self.start_s, self.end_s)


@lru_cache(maxsize=16384)
def seconds_of(text: str) -> float:
    """Seconds of a timecode; raises what `timecodes.parse` raises."""
    return parse(text)


def read_lines(lines: Iterable[str]) -> list[Event]:
    """Events of caption lines `[MM:SS-MM:SS] text`; what is not such a line tells nothing."""
    return read_prose("\n".join(lines))


@lru_cache(maxsize=512)
def _read_prose(text: str) -> tuple[Event, ...]:
    return tuple(
        Event(index, seconds_of(start), seconds_of(end), said.strip())
        for index, (start, end, said) in enumerate(_LINE.findall(text))
    )


def read_prose(text: str) -> list[Event]:
    """Events of every `[MM:SS-MM:SS] text` that occurs anywhere in a text."""
    return list(_read_prose(text))


def read_events(events: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Events of `{"event": int, "time": "MM:SS-MM:SS", "text": str}`."""
    found = []
    for event in events:
        start, _, end = str(event["time"]).strip("[]").partition("-")
        found.append(Event(int(event["event"]), seconds_of(start.strip()), seconds_of(end.strip()), str(event["text"])))
    return found


@lru_cache(maxsize=8192)
def read_scan(text: str) -> Scan | None:
    """The scan that an observation is; None where it is none."""
    try:
        return parse_scan(text)
    except ValueError:
        return None


def read_observation(text: str) -> list[Event]:
    """Events that an observation states: "00:03 a yellow triangle", "00:02-00:05 a red circle; 00:06-00:07 …".

    A scan states when what was sought is seen, as a search does. The seconds on its way are not for later use: what is
    shown next to it has to be looked at.
    """
    scan = read_scan(text)
    if scan is not None:
        stretches = zip(scan.spans, scan.found, strict=True)
        return [Event(index, start_s, end_s, text) for index, ((start_s, end_s), text) in enumerate(stretches)]
    stamps = list(_STAMP.finditer(text))
    found = []
    for index, stamp in enumerate(stamps):
        until = stamps[index + 1].start() if index + 1 < len(stamps) else len(text)
        start_s = seconds_of(stamp[1])
        end_s = seconds_of(stamp[2]) if stamp[2] else start_s
        found.append(Event(index, start_s, max(start_s, end_s), text[stamp.end() : until].strip(" ;,.")))
    return found


def event_at(events: Sequence[Event], time_s: float) -> Event | None:
    """The event that tells about this time, the last one where several do."""
    return next((event for event in reversed(events) if event.covers(time_s)), None)


def stretches_of(events: Sequence[Event], thing: Thing, gap_s: float = 0.5) -> list[list[Event]]:
    """The unbroken runs of events in which the thing is seen, in order of time."""
    runs: list[list[Event]] = []
    for event in sorted(events, key=lambda event: (event.start_s, event.end_s)):
        if thing not in event.things:
            continue
        if runs and event.start_s - runs[-1][-1].end_s <= gap_s:
            runs[-1].append(event)
        else:
            runs.append([event])
    return runs


def moves_of(events: Sequence[Event], thing: Thing) -> list[list[Event]]:
    """The unbroken runs of events in which the thing moves one way, in order of time."""
    runs: list[list[Event]] = []
    for run in stretches_of(events, thing):
        for _, same_way in groupby(run, key=lambda event: _direction_in(event, thing)):
            runs.append(list(same_way))
    return [run for run in runs if _direction_in(run[0], thing)]


def _direction_in(event: Event, thing: Thing) -> str:
    return next((s.direction for s in event.sightings if s.thing == thing), "")
