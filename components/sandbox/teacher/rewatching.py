"""The agents of re-watching: reasoner, observer, converter.

The reasoner sees the question and what was observed so far, never the caption; the observer sees the caption and one
action, never the question; the converter writes no prose between their looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.core.traces.timecodes import parse_span, render, render_span
from components.sandbox.teacher.caption_text import (
    TIME,
    Event,
    event_at,
    moves_of,
    read_events,
    read_observation,
    seconds_of,
    stretches_of,
)
from components.sandbox.teacher.question_answering import (
    answer,
    both_stretches,
    follower_of,
    only_stretch,
    same_answer,
    stop_of,
)
from components.sandbox.teacher.question_text import Kind, ParsedQuestion, read_question
from components.sandbox.teacher.vocabulary import colour_sought, read_sightings

QUERY, RETRIEVAL, ANSWER = "segment_query", "segment_retrieval", "answer"
NOTHING = "nothing found"
MOST_LOOKS = 11


def next_step(
    question: str, options: Sequence[str], duration: str, history: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """The reasoner's next thought and action; it answers as soon as the observations settle the question."""
    ask = read_question(question)
    if ask is None:
        return _step("The question cannot be settled by looking.", ANSWER, options[0] if options else "unknown")
    facts = [fact for step in history for fact in read_observation(str(step["observation"]))]
    looked = {(step["action"], step["argument"]) for step in history}
    wish = _next_look(ask, facts, duration)
    if wish is not None and (wish["action"], wish["argument"]) not in looked:
        return wish
    told = answer(ask, facts) if facts else None
    if told is None:
        return _step("What was seen does not tell.", ANSWER, "unknown")
    chosen = next((option for option in options if same_answer(told, option, ask)), told)
    return _step("That settles it.", ANSWER, chosen)


def _step(thought: str, action: str, argument: str) -> dict[str, str]:
    return {"thought": thought, "action": action, "argument": argument}


def _next_look(ask: ParsedQuestion, facts: Sequence[Event], duration: str) -> dict[str, str] | None:
    """The look that the question still needs, or None when everything needed was seen.

    A search says where; every moment that the answer names or rests on is then looked at, once.
    """
    if ask.kind in _WHOLE_VIDEO:
        return None if facts else _search("All of them must be found.", _WHOLE_VIDEO[ask.kind])
    if ask.kind is Kind.SHOT_START:
        return None if facts else _search("That shot must be found.", f"the shot at {render(ask.time_s or 0)}")
    if ask.time_s is not None:
        return None if facts else _step("The question names a time.", QUERY, render(ask.time_s))
    if ask.kind is Kind.COUNT_OF_COLOUR:
        if not facts:
            return _search("First find them.", f"{ask.colour} shapes")
        return next((look for fact in _lasting(facts) if (look := _look_at(fact.start_s, facts))), None)
    assert ask.thing is not None, "every other kind names a thing"
    if ask.kind in (Kind.DIRECTION, Kind.STOP):
        return _look_at_movement(ask, facts)
    run = only_stretch(ask.thing, facts)
    if run is None:
        return None if facts else _search("First find it.", f"a {ask.thing}")
    return _AFTER_FOUND[ask.kind](ask, run, facts, duration)


def _search(thought: str, query: str) -> dict[str, str]:
    return _step(thought, RETRIEVAL, query)


def _lasting(facts: Sequence[Event]) -> list[Event]:
    """What searches found, in order of time."""
    return sorted((fact for fact in facts if fact.end_s > fact.start_s), key=lambda fact: fact.start_s)


def _look_at_movement(ask: ParsedQuestion, facts: Sequence[Event]) -> dict[str, str] | None:
    """Find where the thing moves; look at the start of it, or for the stop at the end of it."""
    assert ask.thing is not None, "only a thing moves"
    if not facts:
        return _search("First find where it moves.", f"a {ask.thing} moving")
    if ask.kind is Kind.STOP and stop_of(ask.thing, facts) is not None:
        return None
    ends = [run[-1].end_s if ask.kind is Kind.STOP else run[0].start_s for run in moves_of(_lasting(facts), ask.thing)]
    return next((look for time_s in ends if (look := _look_at(time_s, facts))), None)


def _look_at_start(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    return _look_at(run[0].start_s, facts)


def _look_at_ends(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    """Look at the first second, and at the first one after: where the video ends with it, at its last."""
    start_s, end_s = run[0].start_s, run[-1].end_s
    _, over_s = parse_span(duration)
    return _look_at(start_s, facts) or _look_at(end_s if end_s < over_s else max(start_s, end_s - 1), facts)


def _look_before(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    return _look_at(max(0.0, run[0].start_s - 1), facts) if run[0].start_s > 0 else None


def _look_after(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    return _look_at_change(run[-1].end_s, facts, duration)


def _look_second_after(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    """What follows has to be found itself before one can look at what follows it."""
    first = _look_at_change(run[-1].end_s, facts, duration)
    follower = follower_of(run, facts)
    if first is not None or follower is None:
        return first
    its = only_stretch(follower, facts)
    if its is None:
        return _search("Now find that one.", f"a {follower}")
    return _look_at_change(its[-1].end_s, facts, duration)


def _find_both(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    """Find the other thing, too; look at the start of the later one, or at what is between."""
    stretches = both_stretches(ask, facts)
    if stretches is None:
        return _search("Now find the other.", f"a {ask.other}")
    earlier, later = stretches
    if ask.kind is Kind.LATER:
        return _look_at(later[0].start_s, facts)
    return _look_at_change(earlier[-1].end_s, facts, duration)


def _find_earlier(
    ask: ParsedQuestion, run: Sequence[Event], facts: Sequence[Event], duration: str
) -> dict[str, str] | None:
    if any(fact.start_s < run[0].start_s for fact in facts):
        return None
    return _search("All before it must be found.", f"every shape until {render(run[0].start_s)}")


_WHOLE_VIDEO = {Kind.COUNT: "every shape", Kind.SHOT_COUNT: "every shot"}
_AFTER_FOUND: dict[Kind, Callable[[ParsedQuestion, Sequence[Event], Sequence[Event], str], dict[str, str] | None]] = {
    Kind.AFTER: _look_after,
    Kind.BEFORE: _look_before,
    Kind.WHEN: _look_at_start,
    Kind.SPAN: _look_at_ends,
    Kind.SECONDS: _look_at_ends,
    Kind.LATER: _find_both,
    Kind.BETWEEN: _find_both,
    Kind.SECOND_AFTER: _look_second_after,
    Kind.COUNT_BEFORE: _find_earlier,
}


def _look_at(time_s: float, facts: Sequence[Event]) -> dict[str, str] | None:
    """Look at a moment, unless it was looked at: what a search found is not yet seen."""
    seen = any(fact.start_s == fact.end_s == time_s for fact in facts)
    return None if seen else _step("Now look there.", QUERY, render(time_s))


def _look_at_change(time_s: float, facts: Sequence[Event], duration: str) -> dict[str, str] | None:
    """Look at what follows; where several shapes are seen there, also look just before, to tell which one is new."""
    _, end_s = parse_span(duration)
    if time_s >= end_s:
        return None
    look = _look_at(time_s, facts)
    after = event_at(facts, time_s)
    if look is not None or after is None or len(after.things) < 2:
        return look
    return _look_at(max(0.0, time_s - 1), facts)


def rehearse(ask: ParsedQuestion, caption: Sequence[Event], over_s: float) -> tuple[int, str]:
    """How many looks the question takes over a caption, and the answer they lead to.

    Args:
        over_s: when the video ends.
    """
    lines = [{"event": event.index, "time": event.when(), "text": event.text} for event in caption]
    history: list[dict[str, str]] = []
    while len(history) < MOST_LOOKS:
        step = next_step(ask.phrase(), [], render_span(0.0, over_s), history)
        if step["action"] == ANSWER:
            return len(history), step["argument"]
        history.append({**step, "observation": observe(lines, step["action"], step["argument"])[0]})
    return len(history), ""


def observe(caption: Sequence[Mapping[str, Any]], action: str, argument: str) -> tuple[str, list[int]]:
    """What the caption tells about an action, beginning with its key, and the events it cites (the nearest if none)."""
    events = read_events(caption)
    if action == QUERY:
        found = TIME.search(argument)
        event = event_at(events, seconds_of(found[1])) if found else None
        if found is None or event is None:
            return NOTHING, [event.index for event in events[-1:]]
        return f"{render(seconds_of(found[1]))} {event.text}", [event.index]
    cited = _retrieve(events, argument)
    if not cited:
        return NOTHING, [event.index for event in events[:1]]
    return "; ".join(f"{when} {text}" for when, text, _ in cited), sorted({i for _, _, ids in cited for i in ids})


def _retrieve(events: Sequence[Event], query: str) -> list[tuple[str, str, list[int]]]:
    """Stretches that match a query: (span, text, event ids)."""
    words = query.lower()
    time = TIME.search(words)
    coloured = colour_sought(words)
    if re.search(r"\bevery (?:shape|shot)\b", words):
        until = seconds_of(time[1]) if time else float("inf")
        return [(event.when(), event.text, [event.index]) for event in events if event.start_s < until]
    if time is not None:
        event = event_at(events, seconds_of(time[1]))
        return [(event.when(), event.text, [event.index])] if event else []
    found = []
    wanted = [sighting.thing for sighting in read_sightings(words)]
    if coloured:
        wanted = list(dict.fromkeys(thing for e in events for thing in e.things if thing.colour == coloured))
    runs_of = moves_of if words.endswith(" moving") else stretches_of
    for thing in wanted:
        for run in runs_of(events, thing):
            moves = {str(s) for event in run for s in event.sightings if s.thing == thing and s.direction}
            text = min(moves) if len(moves) == 1 else f"a {thing}"
            found.append((render_span(run[0].start_s, run[-1].end_s), text, [event.index for event in run]))
    return found if wanted or coloured else _best_by_words(events, words)


def _best_by_words(events: Sequence[Event], query: str) -> list[tuple[str, str, list[int]]]:
    wanted = set(re.findall(r"[a-z]{3,}", query))
    scored = [(len(wanted & set(re.findall(r"[a-z]{3,}", event.text.lower()))), event) for event in events]
    best = max((score for score, _ in scored), default=0)
    first = next((event for score, event in scored if score == best and best > 0), None)
    return [(first.when(), first.text, [first.index])] if first else []


def write_prose(looks: Sequence[Mapping[str, str]]) -> list[str]:
    """The prose before each look and after the last: none, so that a small student has little to learn."""
    return [""] * (len(looks) + 1)
