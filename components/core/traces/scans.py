"""A search written as a scan: what each second shows and whether it is what was sought, then from when to when.

    00:00 white circle no 00:01 purple cross yes 00:02 purple cross yes 00:03 yellow circle no. 00:01-00:03

Whoever is told a span at once has to find it in the video in one go: a comparison of two words at once, with a time to
carry along, which a small student never learned. A scan takes it apart into looks, and a comparison of words that stand
side by side (sft/README.md). It runs from the start to the first moment after the last yes. What it says is the
caption's: the verdict of a moment is whether the event on screen is one that the search's own step cites.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.traces import timecodes

if TYPE_CHECKING:
    from components.core.data.rows import CaptionEvent, Step, Trajectory

YES, NO = "yes", "no"
_TIME = r"\d{1,4}:[0-5]\d(?:\.\d)?"
_SPAN = rf"{_TIME}-{_TIME}"
_WHOLE = re.compile(rf"(?P<entries>{_TIME} .*) ?\. (?P<span>{_SPAN})", re.DOTALL)
_ENTRY = re.compile(rf"({_TIME}) (.+?) ({YES}|{NO})(?= {_TIME} |$)", re.DOTALL)
_ONE_SPAN = re.compile(rf"{_SPAN}(?! *;)[^;]*")


@dataclass(frozen=True)
class Entry:
    """A moment of a scan: what is shown, and whether it is what was sought."""

    time_s: float
    text: str
    sought: bool

    def __str__(self) -> str:
        return f"{timecodes.render(self.time_s)} {self.text} {YES if self.sought else NO}"


@dataclass(frozen=True)
class Scan:
    """Moments in order of time, and the span of what was sought."""

    entries: tuple[Entry, ...]
    start_s: float
    end_s: float

    def __str__(self) -> str:
        return f"{' '.join(map(str, self.entries))}. {timecodes.render_span(self.start_s, self.end_s)}"


def event_at(events: Sequence[CaptionEvent], time_s: float) -> CaptionEvent | None:
    """The event on screen at a time."""
    return next((event for event in events if event.start_s <= time_s < event.end_s), None)


def scan(events: Sequence[CaptionEvent], sought: Collection[str], moments: Sequence[float]) -> Scan | None:
    """The search for some events.

    Args:
        events: of the whole video, in order of time.
        sought: their ids.
        moments: the times in seconds at which somebody can look, ascending.

    Returns:
        None where no moment shows them, where they come and go (one span would say more than was seen), and where two
        moments are one timecode.
    """
    shown = [(time_s, event) for time_s in moments if (event := event_at(events, time_s)) is not None]
    found = [event.event_id in sought for _, event in shown]
    if not any(found) or len({timecodes.render(time_s) for time_s, _ in shown}) < len(shown):
        return None
    first, last = found.index(True), len(found) - 1 - found[::-1].index(True)
    if not all(found[first : last + 1]):
        return None
    behind = shown[last + 1][0] if last + 1 < len(shown) else shown[last][1].end_s
    entries = (Entry(time_s, event.text, yes) for (time_s, event), yes in zip(shown, found, strict=True))
    return Scan(tuple(entries)[: last + 2], shown[first][0], behind)


def parse(text: str) -> Scan:
    """Read what `str` of a scan wrote.

    Raises:
        ValueError: it is not a scan and nothing else.
    """
    whole = _WHOLE.fullmatch(text.strip())
    entries = _ENTRY.findall(whole["entries"]) if whole else []
    if whole is None or " ".join(" ".join(entry) for entry in entries) != whole["entries"]:
        raise ValueError(f"not a scan: {text!r}")
    read = tuple(Entry(timecodes.parse(time), said, verdict == YES) for time, said, verdict in entries)
    return Scan(read, *timecodes.parse_span(whole["span"]))


def scanned(trajectory: Trajectory, events: Sequence[CaptionEvent], moments: Sequence[float]) -> str:
    """The trajectory's text with every search that tells one span written as a scan; what cannot be one stays."""
    text = trajectory.text
    for step in trajectory.steps:
        written = scan(events, step.event_ids, moments) if _tells_one_span(step) else None
        if written is not None:
            told, seen = (f"<observation>{said}</observation>" for said in (step.observation, written))
            text = text.replace(told, seen, 1)
    return text


def _tells_one_span(step: Step) -> bool:
    return step.action == "segment_retrieval" and _ONE_SPAN.fullmatch(step.observation) is not None
