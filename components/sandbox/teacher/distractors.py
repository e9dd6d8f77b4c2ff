"""Wrong options: of the same sort as the answer, plausible, distinct, and not true.

They share the prior of true answers, so that neither a set nor what its members have in common gives one away. Where a
thing, a start or a stretch is asked for, the wrong ones are what would be right of another thing of the same clip; only
where the clip has too few are others made up, in its own colours and within its length. Numbers come in fixed blocks
of four, each the same for all answers in it: a set drawn around the answer would tell its rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

from components.core.traces.timecodes import render, render_span
from components.sandbox.teacher import seeded
from components.sandbox.teacher.caption_text import TIME, Event, event_at, read_lines, seconds_of, stretches_of
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
        yield from _other_things(ask, events, seed)
    elif ask.sort is Sort.PICTURE_COLOURS:
        yield from _colour_pairs(answer, events, seed)
    elif ask.sort in (Sort.COUNT, Sort.SECONDS) and answer.isdigit():
        yield from (str(number) for number in _block_of(ask, int(answer)))
    elif ask.sort is Sort.TIME and TIME.fullmatch(answer):
        yield from _other_times(ask, seconds_of(answer), events, seed)
    elif ask.sort is Sort.SPAN and len(TIME.findall(answer)) == 2:
        yield from _other_spans(answer, events, seed)


def _other_things(ask: ParsedQuestion, events: Sequence[Event], seed: int) -> Iterator[str]:
    """Of the clip, then in the clip's colours, then any; never one that the question names."""
    shown = {thing for event in events for thing in event.things}
    palette = {thing.colour for thing in shown}
    everything = {Thing(colour, shape) for colour in COLOURS for shape in SHAPES}
    alike = {thing for thing in everything - shown if thing.colour in palette}
    for things in (shown, alike, everything - shown - alike):
        yield from (str(thing) for thing in seeded.shuffled(things - {ask.thing, ask.other}, seed))


def _block_of(ask: ParsedQuestion, number: int) -> list[int]:
    """The four numbers of which this is one, without it; how many shapes there are in all begins at three."""
    lowest = 3 if ask.kind is Kind.COUNT and number > 2 else 1
    start = lowest + (number - lowest) // 4 * 4
    return [value for value in range(start, start + 4) if value != number]


def _other_times(ask: ParsedQuestion, truth_s: float, events: Sequence[Event], seed: int) -> Iterator[str]:
    """When other things appear, then other seconds; the start of the video only where it can be the answer."""
    first_s = 1 if ask.kind in (Kind.LATER, Kind.STOP) else 0
    starts = {render(event.start_s) for event in events if event.start_s >= first_s}
    yield from seeded.shuffled(starts - {render(truth_s)}, seed)
    last_s = max((ceil(event.end_s) for event in events), default=round(truth_s) + 4)
    seconds = {render(float(second)) for second in range(first_s, max(last_s, first_s + 4))}
    yield from seeded.shuffled(seconds - starts, seed)


def _other_spans(answer: str, events: Sequence[Event], seed: int) -> Iterator[str]:
    """When other things are seen, then other stretches as long as one of these, and not nearly the right one."""
    things = {thing for event in events for thing in event.things}
    runs = [run for thing in things for run in stretches_of(events, thing)]
    spans = {render_span(run[0].start_s, run[-1].end_s) for run in runs}
    yield from seeded.shuffled(spans - {answer}, seed)
    start_s, end_s = sorted(seconds_of(time) for time in TIME.findall(answer))
    own = end_s - start_s
    lengths = {round(own), ceil(own / 2), *(round(run[-1].end_s - run[0].start_s) for run in runs)}
    last_s = max((ceil(event.end_s) for event in events), default=ceil(end_s) + 4)
    others = {
        render_span(float(at), float(at + length))
        for length in lengths - {0}
        for at in range(max(1, last_s - length + 1))
        if min(at + length, end_s) - max(at, start_s) < 0.6 * (max(at + length, end_s) - min(at, start_s))
    }
    yield from seeded.shuffled(others - spans - {answer}, seed)


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
