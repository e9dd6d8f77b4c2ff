"""What reasoner, observer and converter are asked, and the shape of their replies.

The paper publishes the two actions and the tags but no prompt; these are ours. The reasoner never sees the caption:
what it knows of the video it must ask the observer for, as the student will have to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from components.agent_cot.conversion import action_text
from components.core.data.rows import CaptionEvent, Question, Step
from components.core.teachers.prompts import Prompt, ReplyModel
from components.core.traces.timecodes import render_span

REASONER = """\
You answer a question about a video by looking at it again, one look at a time. You cannot see the video; an observer
looks for you. `history` holds your looks so far: your thought, the action, its argument and what the observer saw.
Write a short first-person thought, then choose exactly one action:
- segment_query: look closely at one moment. The argument is its time as MM:SS.
- segment_retrieval: find when something occurs. The argument describes the event or object to search for.
- answer: finish. The argument is the final answer; if options are given, the exact text of one of them.
Look before you answer, and answer as soon as the observations settle the question. Never repeat a look, never assume
what no observation shows, and look only at times within `duration`."""

OBSERVER = """\
You are the eyes of someone who examines a video. You are given its detailed caption as numbered events, each with its
time and text, and one action:
- segment_query: describe what is visible at the time given as the argument;
- segment_retrieval: name the times of all events that match the argument, and what they show.
Reply with one or two sentences that state the times as MM:SS and only what the caption says; do not answer any question
and do not guess. List in `events` the numbers of the caption events your observation rests on. If nothing matches, say
so and list the events nearest to what was asked."""

CONVERTER = """\
You write the prose of a first-person chain of thought about a video. `looks` holds what was done and seen, in order,
and the thought behind each look. The chain of thought will read
    prose[0] look 1 prose[1] look 2 … the last prose, the answer
where looks and answer are inserted word for word; only the prose is yours.
Reply with exactly one piece more than there are looks: the first leads to the first look, each next one from what was
just seen to the next look, the last from what was seen to the answer. Make the thoughts flow as one train of thought,
one or two short sentences a piece; a piece may be empty.
Write plain prose without tags. Do not repeat what a look shows, and add no observation, time or fact of your own: a
piece may name only times that the question or the looks before it name, and the time of the look that follows. The
answer comes after your last piece: do not state any answer but the one given."""


class NextStep(ReplyModel):
    """The reasoner's next look, or its answer."""

    schema_name: ClassVar[str] = "next_step"

    thought: str
    action: Literal["segment_retrieval", "segment_query", "answer"]
    argument: str


class Observation(ReplyModel):
    """What the observer saw, and the numbers of the caption events it rests on."""

    schema_name: ClassVar[str] = "observation"

    observation: str
    events: list[int]


class Prose(ReplyModel):
    """The prose before each look and after the last."""

    schema_name: ClassVar[str] = "prose"

    prose: list[str]


def next_step(question: Question, duration_s: float, history: Sequence[Step]) -> Prompt:
    """Ask the reasoner for the next look."""
    payload = {
        "duration": render_span(0.0, duration_s),
        "question": question.question,
        "options": list(question.options),
        "history": [_quoted(step) for step in history],
    }
    return Prompt(REASONER, payload)


def observe(caption: Sequence[CaptionEvent], action: str, argument: str) -> Prompt:
    """Ask the observer what one look shows."""
    events = [
        {"event": number, "time": render_span(event.start_s, event.end_s), "text": event.text}
        for number, event in enumerate(caption)
    ]
    return Prompt(OBSERVER, {"caption": events, "action": action, "argument": argument})


def convert(question: Question, steps: Sequence[Step], answer: str) -> Prompt:
    """Ask the converter for the prose between looks and answer."""
    looks = [{"thought": step.thought, "action": action_text(step), "observation": step.observation} for step in steps]
    return Prompt(CONVERTER, {"question": question.question, "looks": looks, "answer": answer})


def _quoted(step: Step) -> dict[str, str]:
    return {
        "thought": step.thought,
        "action": step.action,
        "argument": step.argument,
        "observation": step.observation,
    }
