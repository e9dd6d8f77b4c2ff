"""The summary of a caption: what kind of clip it is, and no single fact that a question could be about.

Two in three state how many shapes are shown. A question about that number does not need the video, and it is for the
summary-only filter to find out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.sandbox.teacher import seeded
from components.sandbox.teacher.caption_text import read_lines


def summarise(lines: Sequence[str]) -> str:
    """One or two sentences over a caption's lines."""
    events = read_lines(lines)
    things = {thing for event in events for thing in event.things}
    if not things:
        return _summarise_footage(len(events), lines)
    moving = any(sighting.direction for event in events for sighting in event.sightings)
    together = any(len(event.things) > 1 for event in events)
    noun = f"{len(things)} different shapes" if len(things) != 1 else "1 shape"
    subject = noun if _states_count(lines) else "coloured shapes"
    course = "come and go, some at the same time" if together else "are shown one after another"
    summary = f"On a plain background {subject} {course}."
    return f"{summary} Some of them move." if moving else summary


def _summarise_footage(shots: int, lines: Sequence[str]) -> str:
    if shots == 0:
        return "Nothing can be told about the video."
    number = f"{shots} shots" if shots != 1 else "one shot"
    content = number if _states_count(lines) else "changing content"
    return f"Footage of {content} with varying light, colours and movement."


def _states_count(lines: Sequence[str]) -> bool:
    """Whether the summary of this caption says how many there are."""
    return seeded.number("summary", *lines) % 3 != 0
