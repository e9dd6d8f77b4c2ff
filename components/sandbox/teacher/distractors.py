"""Wrong options: of the same sort as the answer, plausible, distinct, and not true.

Numbers and times are drawn so that the answer's rank among the four is random: a set built around the answer would
give it away as the middle one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from components.core.traces.timecodes import render, render_span
from components.sandbox.teacher import seeded
from components.sandbox.teacher.caption_text import TIME, Event, event_at, read_lines, seconds_of
from components.sandbox.teacher.question_answering import same_answer
from components.sandbox.teacher.question_text import Kind, ParsedQuestion, Sort, read_question
from components.sandbox.teacher.vocabulary import (
    BRIGHTNESS,
    COLOURS,
    DIRECTIONS,
    MOVEMENT,
    PICTURE_COLOURS,
    PICTURE_MOTION,
    SHAPES,
    Thing,
)

_CLOSED: dict[Sort, Sequence[str]] = {
    Sort.COLOUR: COLOURS,
    Sort.SHAPE: SHAPES,
    Sort.DIRECTION: DIRECTIONS,
    Sort.BRIGHTNESS: BRIGHTNESS,
    Sort.MOVEMENT: MOVEMENT,
    Sort.PICTURE_MOTION: PICTURE_MOTION,
}


def write_distractors(caption: Sequence[str], item: dict[str, Any], count: int) -> list[str]:
    """At most `count` wrong options for one question; fewer where nothing plausible is left."""
    events = read_lines(caption)
    question, answer = str(item["question"]), str(item["answer"])
    ask = read_question(question)
    seed = seeded.number("distractors", question, answer, *caption)
    chosen: list[str] = []
    for candidate in _candidates(ask, answer, events, seed):
        taken = [answer, *chosen, *_also_true(ask, events)]
        if not any(same_answer(candidate, other, ask) for other in taken):
            chosen.append(candidate)
        if len(chosen) == count:
            break
    return chosen


def _candidates(ask: ParsedQuestion | None, answer: str, events: Sequence[Event], seed: int) -> Iterator[str]:
    if ask is None:
        yield from seeded.shuffled({event.text for event in events}, seed)
    elif ask.sort in _CLOSED:
        yield from seeded.shuffled(_CLOSED[ask.sort], seed)
    elif ask.sort is Sort.THING:
        shown = {str(thing) for event in events for thing in event.things if thing != ask.thing}
        yield from seeded.shuffled(shown, seed)
        everything = {str(Thing(colour, shape)) for colour in COLOURS for shape in SHAPES}
        yield from seeded.shuffled(everything - shown - {str(ask.thing)}, seed)
    elif ask.sort is Sort.PICTURE_COLOURS:
        yield from _colour_pairs(answer, events, seed)
    elif ask.sort in (Sort.COUNT, Sort.SECONDS) and answer.isdigit():
        yield from (str(number) for number in _around(int(answer), seed))
    elif ask.sort is Sort.TIME and TIME.fullmatch(answer):
        yield from _other_times(seconds_of(answer), events, seed)
    elif ask.sort is Sort.SPAN and len(TIME.findall(answer)) == 2:
        yield from _other_spans(answer, events, seed)


def _around(number: int, seed: int, lowest: int = 1) -> list[int]:
    """Three neighbours of a number among which its rank is random."""
    below = seeded.number(seed, "rank") % 4
    start = max(lowest, number - below)
    window = [value for value in range(start, start + 5) if value != number]
    return window[:3]


def _other_times(truth_s: float, events: Sequence[Event], seed: int) -> Iterator[str]:
    starts = {render(event.start_s) for event in events} - {render(truth_s)}
    yield from seeded.shuffled(starts, seed)
    yield from (render(float(second)) for second in _around(round(truth_s), seed, lowest=0))


def _other_spans(answer: str, events: Sequence[Event], seed: int) -> Iterator[str]:
    start_s, end_s = sorted(seconds_of(time) for time in TIME.findall(answer))
    length = max(1, round(end_s - start_s))
    others = {render_span(event.start_s, event.end_s) for event in events if event.end_s > event.start_s}
    yield from seeded.shuffled(others - {answer}, seed)
    yield from (render_span(float(s), float(s + length)) for s in _around(round(start_s), seed, lowest=0))


def _colour_pairs(answer: str, events: Sequence[Event], seed: int) -> Iterator[str]:
    yield from seeded.shuffled({" and ".join(e.picture.colours) for e in events if e.picture} - {answer}, seed)
    width = answer.count(" and ") + 1
    for turn in range(6):
        yield " and ".join(seeded.shuffled(PICTURE_COLOURS, seed, turn)[:width])


def _also_true(ask: ParsedQuestion | None, events: Sequence[Event]) -> list[str]:
    """Answers that other shapes on screen at the asked time would make true as well."""
    if ask is None or ask.kind not in (Kind.COLOUR_AT, Kind.SHAPE_AT) or ask.time_s is None:
        return []
    event = event_at(events, ask.time_s)
    things = event.things if event else ()
    if ask.kind is Kind.COLOUR_AT:
        return [thing.colour for thing in things if ask.shape in ("", thing.shape)]
    return [thing.shape for thing in things if ask.colour in ("", thing.colour)]
