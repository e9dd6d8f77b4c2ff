"""The question-answering engine: an answer from timed events, by rule, or None where they do not tell.

The verifier runs it over caption lines, the reasoner and the inferrer over observations. It never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.core.traces.timecodes import render, render_span
from components.sandbox.teacher.caption_text import Event, event_at, stretches_of
from components.sandbox.teacher.question_text import Ask, Kind
from components.sandbox.teacher.vocabulary import Thing


def answer(ask: Ask, events: Sequence[Event]) -> str | None:
    """The answer that the events give, in the words of a caption; None where they do not settle it."""
    return _RULES[ask.kind](ask, events)


def _at(ask: Ask, events: Sequence[Event]) -> Event | None:
    return event_at(events, ask.time_s) if ask.time_s is not None else None


def _only(values: set[str]) -> str | None:
    return values.pop() if len(values) == 1 else None


def _colour_at(ask: Ask, events: Sequence[Event]) -> str | None:
    event = _at(ask, events)
    return _only({thing.colour for thing in event.things if ask.shape in ("", thing.shape)}) if event else None


def _shape_at(ask: Ask, events: Sequence[Event]) -> str | None:
    event = _at(ask, events)
    return _only({thing.shape for thing in event.things if ask.colour in ("", thing.colour)}) if event else None


def _stretch(ask: Ask, events: Sequence[Event]) -> list[Event] | None:
    """The one stretch in which the thing of the question is seen."""
    assert ask.thing is not None, f"{ask.kind} names a thing"
    extended = [event for event in events if event.end_s > event.start_s]
    runs = stretches_of(extended, ask.thing)
    return runs[0] if len(runs) == 1 else None


def _things_around(events: Sequence[Event], time_s: float) -> tuple[set[Thing], set[Thing]]:
    """What is seen just before a time (until it, or at a moment of the second before it) and from it on."""
    after = event_at(events, time_s)
    before = [event for event in events if _is_just_before(event, time_s) and event is not after]
    return {thing for event in before for thing in event.things}, set(after.things) if after else set()


def _is_just_before(event: Event, time_s: float) -> bool:
    reach_s = 1.0 if event.end_s == event.start_s else 0.5
    return event.start_s < time_s and event.end_s >= time_s - reach_s


def _after(ask: Ask, events: Sequence[Event]) -> str | None:
    run = _stretch(ask, events)
    if run is None:
        return None
    before, after = _things_around(events, run[-1].end_s)
    return _only({str(thing) for thing in after - before})


def _before(ask: Ask, events: Sequence[Event]) -> str | None:
    run = _stretch(ask, events)
    if run is None or run[0].start_s <= 0:
        return None
    before, _ = _things_around(events, run[0].start_s)
    return _only({str(thing) for thing in before - {ask.thing}})


def _when(ask: Ask, events: Sequence[Event]) -> str | None:
    run = _stretch(ask, events)
    return render(run[0].start_s) if run else None


def _span(ask: Ask, events: Sequence[Event]) -> str | None:
    run = _stretch(ask, events)
    return render_span(run[0].start_s, run[-1].end_s) if run else None


def _seconds(ask: Ask, events: Sequence[Event]) -> str | None:
    run = _stretch(ask, events)
    return f"{run[-1].end_s - run[0].start_s:.0f}" if run else None


def _count(ask: Ask, events: Sequence[Event]) -> str | None:
    until = float("inf") if ask.time_s is None else ask.time_s
    things = {thing for event in events if event.start_s < until for thing in event.things}
    return str(len(things)) if things else None


def _direction(ask: Ask, events: Sequence[Event]) -> str | None:
    return _only({s.direction for event in events for s in event.sightings if s.thing == ask.thing and s.direction})


def _picture(part: Callable[[Event], str]) -> Callable[[Ask, Sequence[Event]], str | None]:
    def rule(ask: Ask, events: Sequence[Event]) -> str | None:
        event = _at(ask, events)
        return part(event) if event is not None and event.picture is not None else None

    return rule


def _colours_of(event: Event) -> str:
    return " and ".join(event.picture.colours) if event.picture else ""


def _shot_start(ask: Ask, events: Sequence[Event]) -> str | None:
    event = _at(ask, events)
    return render(event.start_s) if event is not None and event.end_s > event.start_s else None


def _shot_count(ask: Ask, events: Sequence[Event]) -> str | None:
    return str(len(events)) if events and all(event.picture for event in events) else None


_RULES: dict[Kind, Callable[[Ask, Sequence[Event]], str | None]] = {
    Kind.COLOUR_AT: _colour_at,
    Kind.SHAPE_AT: _shape_at,
    Kind.AFTER: _after,
    Kind.BEFORE: _before,
    Kind.WHEN: _when,
    Kind.SPAN: _span,
    Kind.SECONDS: _seconds,
    Kind.COUNT: _count,
    Kind.COUNT_UNTIL: _count,
    Kind.DIRECTION: _direction,
    Kind.PICTURE_COLOURS_AT: _picture(_colours_of),
    Kind.PICTURE_MOTION_AT: _picture(lambda event: event.picture.motion if event.picture else ""),
    Kind.BRIGHTNESS_AT: _picture(lambda event: event.picture.brightness if event.picture else ""),
    Kind.MOVEMENT_AT: _picture(lambda event: event.picture.movement if event.picture else ""),
    Kind.SHOT_START: _shot_start,
    Kind.SHOT_COUNT: _shot_count,
}
