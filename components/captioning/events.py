"""From a captioner's events to caption events in absolute time.

absolute = start of the window + relative. The captioner's times are checked, never trusted: what is impossible makes
the reply invalid (it is asked again); what is merely untidy is repaired and counted; what is missing is recorded as a
gap with its reason and left missing, so that the coverage gate can see it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from components.captioning.windows import Span, without


@dataclass(frozen=True)
class Event:
    """What happens from `start_s` to `end_s` (seconds), and the keys of the requests that said so."""

    start_s: float
    end_s: float
    text: str
    request_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gap:
    """What no event covers, from `start_s` to `end_s` (seconds), and why."""

    start_s: float
    end_s: float
    reason: str


UNDESCRIBED = "the captioner described nothing here"


def check(events: Sequence[Event], duration_s: float, *, tolerance_s: float) -> None:
    """Refuse events that cannot be true of a stretch of `duration_s` seconds.

    Raises:
        ValueError: a time is not finite, an event ends before it starts, starts out of order or lies outside the
            stretch by more than `tolerance_s`, or its text is empty. The message is meant for the captioner.
    """
    if not events:
        raise ValueError("the reply holds no event; describe what is visible even if nothing happens")
    previous = -math.inf
    for number, event in enumerate(events, start=1):
        if not (math.isfinite(event.start_s) and math.isfinite(event.end_s)):
            raise ValueError(f"event {number} has a time that is not a finite number")
        if not event.text.strip():
            raise ValueError(f"event {number} has no text")
        if event.end_s <= event.start_s:
            raise ValueError(f"event {number} ends at {event.end_s:g} s, not after its start at {event.start_s:g} s")
        if event.start_s <= previous:
            raise ValueError(f"event {number} starts at {event.start_s:g} s, not after the event before it")
        if event.start_s < -tolerance_s or event.end_s > duration_s + tolerance_s or event.start_s >= duration_s:
            raise ValueError(
                f"event {number} lies at {event.start_s:g}-{event.end_s:g} s, outside the {duration_s:g} s shown"
            )
        previous = event.start_s


def tidy(events: Sequence[Event], duration_s: float) -> tuple[list[Event], Counter[str]]:
    """Clip checked events to the stretch and each to the start of the next, so that none overlap.

    Returns:
        the events, rounded to milliseconds, and the repairs: `clipped` to the stretch, `overlap` closed.
    """
    repairs: Counter[str] = Counter()
    tidied: list[Event] = []
    starts = [max(0.0, round(event.start_s, 3)) for event in events]
    for event, start, limit in zip(events, starts, [*starts[1:], duration_s], strict=True):
        inside = min(event.end_s, duration_s)
        repairs["clipped"] += event.start_s < 0 or inside < event.end_s
        end = min(inside, limit)
        repairs["overlap"] += inside > limit
        if round(end, 3) > start:
            tidied.append(replace(event, start_s=start, end_s=round(end, 3), text=" ".join(event.text.split())))
    return tidied, +repairs


def realign(events: Iterable[Event], offset_s: float) -> list[Event]:
    """Shift events by the start of their window: relative seconds become absolute ones."""
    return [
        replace(event, start_s=round(event.start_s + offset_s, 3), end_s=round(event.end_s + offset_s, 3))
        for event in events
    ]


def join(windows: Sequence[Sequence[Event]], *, tolerance_s: float) -> list[Event]:
    """Concatenate the events of consecutive windows; one that goes on over a border with the same text becomes one.

    Args:
        windows: the events of each window, in absolute time.
        tolerance_s: how far apart the two halves may lie.
    """
    joined: list[Event] = []
    for events in windows:
        for index, event in enumerate(events):
            last = joined[-1] if joined else None
            continues = last is not None and index == 0 and event.text.casefold() == last.text.casefold()
            if last is not None and continues and event.start_s - last.end_s <= tolerance_s:
                keys = (*last.request_keys, *(key for key in event.request_keys if key not in last.request_keys))
                joined[-1] = replace(last, end_s=event.end_s, request_keys=keys)
            else:
                joined.append(event)
    return joined


def cut_out(events: Iterable[Event], holes: Sequence[Span]) -> list[Event]:
    """The events without what they say about times that nobody could see; one that spans such a time becomes two."""
    return [
        replace(event, start_s=start_s, end_s=end_s)
        for event in events
        for start_s, end_s in without((event.start_s, event.end_s), holes)
    ]


def gaps(
    events: Sequence[Event], start_s: float, end_s: float, known: Sequence[Gap] = (), *, tolerance_s: float
) -> list[Gap]:
    """What no event covers of [start_s, end_s): the gaps whose reason is known, and others longer than `tolerance_s`.

    Args:
        events: in order of time.
        known: gaps that have a reason; no event reaches into them.
    """
    covered = [(event.start_s, event.end_s) for event in events] + [(gap.start_s, gap.end_s) for gap in known]
    silent = [
        Gap(open_s, until_s, UNDESCRIBED)
        for open_s, until_s in without((start_s, end_s), covered)
        if until_s - open_s > tolerance_s
    ]
    return sorted([*known, *silent], key=lambda gap: gap.start_s)
