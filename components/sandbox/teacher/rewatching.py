"""The agents of re-watching: reasoner, observer, converter.

The reasoner sees the question and what was observed so far, never the caption; the observer sees the caption and one
action, never the question; the converter writes no prose between their looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from components.core.traces.timecodes import parse_span, render, render_span
from components.sandbox.teacher.caption_text import (
    TIME,
    Event,
    event_at,
    read_events,
    read_observation,
    seconds_of,
    stretches_of,
)
from components.sandbox.teacher.question_answering import answer, same_answer
from components.sandbox.teacher.question_text import Kind, ParsedQuestion, read_question
from components.sandbox.teacher.vocabulary import read_sightings

QUERY, RETRIEVAL, ANSWER = "segment_query", "segment_retrieval", "answer"
NOTHING = "nothing found"


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
    """The look that the question still needs, or None when everything needed was seen."""
    if ask.kind is Kind.COUNT_UNTIL and ask.time_s is not None:
        until = f"every shape until {render(ask.time_s)}"
        return None if facts else _step("All shapes until then must be found.", RETRIEVAL, until)
    if ask.kind is Kind.COUNT:
        return None if facts else _step("All shapes must be found.", RETRIEVAL, "every shape")
    if ask.kind is Kind.SHOT_COUNT:
        return None if facts else _step("All shots must be found.", RETRIEVAL, "every shot")
    if ask.kind is Kind.SHOT_START:
        shot = f"the shot at {render(ask.time_s or 0)}"
        return None if facts else _step("The shot at that time must be found.", RETRIEVAL, shot)
    if ask.time_s is not None:
        return None if facts else _step("The question names a time.", QUERY, render(ask.time_s))
    assert ask.thing is not None, "every other kind names a thing"
    runs = stretches_of([fact for fact in facts if fact.end_s > fact.start_s], ask.thing)
    if not runs:
        return None if facts else _step("First find it.", RETRIEVAL, f"a {ask.thing}")
    if ask.kind is Kind.AFTER:
        return _look_at_change(runs[0][-1].end_s, facts, duration)
    if ask.kind is Kind.BEFORE and runs[0][0].start_s > 0:
        return _look_at(max(0.0, runs[0][0].start_s - 1), facts)
    return None


def _look_at(time_s: float, facts: Sequence[Event]) -> dict[str, str] | None:
    return None if any(fact.covers(time_s) for fact in facts) else _step("Now look there.", QUERY, render(time_s))


def _look_at_change(time_s: float, facts: Sequence[Event], duration: str) -> dict[str, str] | None:
    """Look at what follows; where several shapes are seen there, also look just before, to tell which one is new."""
    _, end_s = parse_span(duration)
    if time_s >= end_s:
        return None
    look = _look_at(time_s, facts)
    after = event_at(facts, time_s)
    if look is not None or after is None or len(after.things) < 2:
        return look
    before_s = max(0.0, time_s - 1)
    seen = any(fact.start_s == fact.end_s == before_s for fact in facts)
    return None if seen else _step("Which of them is new?", QUERY, render(before_s))


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
    if re.search(r"\bevery (?:shape|shot)\b", words):
        until = seconds_of(time[1]) if time else float("inf")
        return [(event.when(), event.text, [event.index]) for event in events if event.start_s < until]
    if time is not None:
        event = event_at(events, seconds_of(time[1]))
        return [(event.when(), event.text, [event.index])] if event else []
    found = []
    for sighting in read_sightings(words):
        for run in stretches_of(events, sighting.thing):
            moves = {str(s) for event in run for s in event.sightings if s.thing == sighting.thing and s.direction}
            text = min(moves) if len(moves) == 1 else f"a {sighting.thing}"
            found.append((render_span(run[0].start_s, run[-1].end_s), text, [event.index for event in run]))
    return found if read_sightings(words) else _best_by_words(events, words)


def _best_by_words(events: Sequence[Event], query: str) -> list[tuple[str, str, list[int]]]:
    wanted = set(re.findall(r"[a-z]{3,}", query))
    scored = [(len(wanted & set(re.findall(r"[a-z]{3,}", event.text.lower()))), event) for event in events]
    best = max((score for score, _ in scored), default=0)
    first = next((event for score, event in scored if score == best and best > 0), None)
    return [(first.when(), first.text, [first.index])] if first else []


def write_prose(looks: Sequence[Mapping[str, str]]) -> list[str]:
    """The prose before each look and after the last: none, so that a small student has little to learn."""
    return [""] * (len(looks) + 1)
