"""The summary of a caption, and questions that the caption answers and the summary does not.

A summary says what kind of clip it is, and no single fact that a question could be about; but two in three state how
many shapes are shown. A question about that number does not need the video, and it is for the summary-only filter to
find out.

Two thirds are single looks at times spread over the clip, colour and shape alternately; the rest need two looks or
the whole clip. Every question is first put to the engine that others answer with: one that the caption does not
settle, or that the summary gives away, is not asked. Counts are the exception: whether a summary gives a number
away is left to the filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil
from typing import Any

from components.sandbox.teacher import seeded
from components.sandbox.teacher.caption_text import Event, event_at, read_events, read_lines, stretches_of
from components.sandbox.teacher.guessing import read_answer
from components.sandbox.teacher.question_answering import answer
from components.sandbox.teacher.question_text import FORMS, Kind, ParsedQuestion, Sort
from components.sandbox.teacher.vocabulary import Thing

SINGLE_LOOK_SHARE = 2 / 3


@dataclass(frozen=True)
class Written:
    """A question with its answer and the events that prove it."""

    ask: ParsedQuestion
    answer: str
    evidence: tuple[int, ...]

    def as_reply(self) -> dict[str, Any]:
        form = FORMS[self.ask.kind]
        return {
            "type": form.type,
            "question": self.ask.phrase(),
            "answer": self.answer,
            "evidence": list(self.evidence),
        }


def write_questions(
    caption: Sequence[dict[str, Any]],
    summary: str,
    types: Sequence[str],
    count: int,
    contrast: bool = True,
    is_part: bool = False,
) -> list[dict[str, Any]]:
    """At most `count` distinct questions of the given types.

    Args:
        contrast: whether the summary is heeded.
        is_part: whether the caption leaves parts of the video out: then only what a single look settles is asked.
    """
    events = read_events(caption)
    seed = seeded.number("questions", *(f"{event.when()} {event.text}" for event in events))
    heeded = summary if contrast else ""
    single = _usable(_single_looks(events, seed), events, types, heeded)
    wider = [] if is_part else _usable(_wider_questions(events, seed), events, types, heeded)
    wanted = min(ceil(count * SINGLE_LOOK_SHARE), count)
    chosen = single[:wanted] + wider[: count - min(wanted, len(single))]
    chosen += single[wanted : wanted + count - len(chosen)]
    return [written.as_reply() for written in chosen]


def _usable(
    asks: Iterator[ParsedQuestion], events: Sequence[Event], types: Sequence[str], summary: str
) -> list[Written]:
    written: dict[str, Written] = {}
    for ask in asks:
        if types and FORMS[ask.kind].type not in types:
            continue
        settled = answer(ask, events)
        if settled is None or (ask.sort is not Sort.COUNT and summary and read_answer(ask, "", summary)):
            continue
        evidence = _evidence(ask, events)
        if evidence:
            written.setdefault(ask.phrase(), Written(ask, settled, evidence))
    return list(written.values())


def _single_looks(events: Sequence[Event], seed: int) -> Iterator[ParsedQuestion]:
    times = _times_to_ask(events, seed)
    for turn in range(2):
        for index, time_s in enumerate(times):
            event = event_at(events, float(time_s))
            kinds = _looks_at(event, float(time_s), seed) if event else []
            if kinds:
                yield kinds[(index + turn + seed) % len(kinds)]


def _times_to_ask(events: Sequence[Event], seed: int) -> list[int]:
    """Whole seconds, one event after another; first those inside an event, where rounding of its ends cannot matter."""
    inside = [seeded.shuffled(range(ceil(e.start_s) + 1, ceil(e.end_s)), seed, e.index) for e in events]
    edges = [ceil(event.start_s) for event in events if ceil(event.start_s) < event.end_s]
    rounds = [[time for time in row if time is not None] for row in zip_longest(*inside)]
    return [time for row in rounds for time in seeded.shuffled(row, seed)] + seeded.shuffled(edges, seed)


def _looks_at(event: Event, time_s: float, seed: int) -> list[ParsedQuestion]:
    """What one look at this time can be asked."""
    if event.picture is not None:
        kinds = (Kind.PICTURE_MOTION_AT, Kind.PICTURE_COLOURS_AT, Kind.BRIGHTNESS_AT, Kind.MOVEMENT_AT)
        return [ParsedQuestion(kind, time_s) for kind in kinds]
    if len(event.things) == 1:
        return [ParsedQuestion(Kind.COLOUR_AT, time_s), ParsedQuestion(Kind.SHAPE_AT, time_s)]
    if not event.things:
        return []
    thing = seeded.pick(event.things, seed, time_s)
    return [
        ParsedQuestion(Kind.COLOUR_AT, time_s, shape=thing.shape),
        ParsedQuestion(Kind.SHAPE_AT, time_s, colour=thing.colour),
    ]


def _wider_questions(events: Sequence[Event], seed: int) -> Iterator[ParsedQuestion]:
    things = sorted({thing for event in events for thing in event.things})
    if not things:
        shots = seeded.shuffled(
            [event for event in events if event.picture and event.start_s > 0 and event.end_s - event.start_s > 3], seed
        )
        yield from (ParsedQuestion(Kind.SHOT_START, float(int((event.start_s + event.end_s) / 2))) for event in shots)
        yield ParsedQuestion(Kind.SHOT_COUNT)
        return

    def about(kind: Kind) -> list[ParsedQuestion]:
        return [ParsedQuestion(kind, thing=thing) for thing in seeded.shuffled(things, seed, kind)]

    moving = {s.thing for event in events for s in event.sightings if s.direction}
    families = [
        [ask for pair in zip(about(Kind.AFTER), about(Kind.BEFORE), strict=True) for ask in pair],
        about(Kind.WHEN),
        about(Kind.SPAN),
        about(Kind.SECONDS),
        [ask for ask in about(Kind.DIRECTION) if ask.thing in moving],
        [ParsedQuestion(Kind.COUNT)],
        [
            ParsedQuestion(Kind.COUNT_UNTIL, float(s))
            for s in seeded.shuffled(_times_to_ask(events, seed)[:4], seed, "until")
        ],
    ]
    order = seeded.shuffled(range(len(families)), seed, "families")
    for row in zip_longest(*(families[index] for index in order)):
        yield from (ask for ask in row if ask is not None)


def _evidence(ask: ParsedQuestion, events: Sequence[Event]) -> tuple[int, ...]:
    """The events that prove the answer."""
    if ask.kind is Kind.COUNT_UNTIL:
        seen = [event for event in events if event.start_s < (ask.time_s or 0) and event.things]
        return tuple(event.index for event in seen) if len(seen) > 1 else ()
    if ask.kind in (Kind.COUNT, Kind.SHOT_COUNT):
        return tuple(event.index for event in events)
    if ask.time_s is not None:
        event = event_at(events, ask.time_s)
        return (event.index,) if event else ()
    run = _run_of(ask.thing, events)
    if ask.kind is Kind.AFTER:
        follower = event_at(events, run[-1].end_s)
        return (run[-1].index, follower.index) if follower else ()
    if ask.kind is Kind.BEFORE:
        return (*(event.index for event in events if event.end_s == run[0].start_s), run[0].index)
    if ask.kind is Kind.DIRECTION:
        return tuple(e.index for e in events if any(s.thing == ask.thing and s.direction for s in e.sightings))
    return tuple(event.index for event in run)


def _run_of(thing: Thing | None, events: Sequence[Event]) -> list[Event]:
    assert thing is not None, "only questions about a thing have a run"
    return stretches_of(events, thing)[0]


def summarise(lines: Sequence[str]) -> str:
    """One or two sentences over a caption's lines."""
    events = read_lines(lines)
    things = {thing for event in events for thing in event.things}
    if not things:
        return _summarise_footage(len(events), lines)
    moving = any(sighting.direction for event in events for sighting in event.sightings)
    together = any(len(event.things) > 1 for event in events)
    states_count = seeded.number("summary", *lines) % 3 != 0
    noun = f"{len(things)} different shapes" if len(things) != 1 else "1 shape"
    subject = noun if states_count else "coloured shapes"
    course = "come and go, some at the same time" if together else "are shown one after another"
    summary = f"On a plain background {subject} {course}."
    return f"{summary} Some of them move." if moving else summary


def _summarise_footage(shots: int, lines: Sequence[str]) -> str:
    if shots == 0:
        return "Nothing can be told about the video."
    states_count = seeded.number("summary", *lines) % 3 != 0
    number = f"{shots} shots" if shots != 1 else "one shot"
    return f"Footage of {number if states_count else 'changing content'} with varying light, colours and movement."
