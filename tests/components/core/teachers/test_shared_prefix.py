"""What two requests about one video have in common at their beginning: the part that a server's prefix cache keeps.

The share is of characters of the first request, instruction included, for a caption of 60 events. Before payloads
kept their order it was 0.09 for the observer, whose `action` and `argument` sorted before `caption` (0.99 since), and
0.93 for the reasoner, whose `history` sorted before `options` and `question`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest

from components.agent_cot import prompts as agents
from components.core.data.rows import CaptionEvent, Question
from components.core.judging import prompts as judging
from components.core.teachers.prompts import Prompt
from components.core.traces.tags import Pair
from components.core.traces.timecodes import caption_line
from components.filter_probes import prompts as filters
from components.quality_gates import prompts as gates
from tests.components.core.judging.world import multiple_choice, open_question

CAPTION = [
    CaptionEvent(
        event_id=f"e{number}",
        video_id="video",
        segment_id="segment",
        start_s=10.0 * number,
        end_s=10.0 * number + 10,
        text=f"a person in a blue coat carries box number {number} from the van to the house",
    )
    for number in range(60)
]
LINES = [caption_line(event.start_s, event.end_s, event.text) for event in CAPTION]
SUMMARY = "Somebody moves house: boxes are carried from a van into a building while a neighbour looks on. " * 3
ONE, OTHER = open_question(), open_question("Who closes the door at [00:07]?", "the neighbour")
WHO = multiple_choice(OTHER, ("the neighbour", "nobody", "a dog", "the driver"))
LOOKS = (("segment_query", "00:03"), ("segment_retrieval", "a neighbour"))
FIRST, SECOND = [Pair("look at 00:03", "00:03 a box")], [Pair("find the neighbour", "00:10-00:20 a neighbour waits")]

REQUESTS: dict[str, tuple[Callable[[int], Prompt], float]] = {
    "observer": (lambda turn: agents.observe(CAPTION, *LOOKS[turn]), 0.95),
    "verifier": (lambda turn: filters.verify(LINES, [(ONE, OTHER)[turn]]), 0.9),
    "rewriter": (lambda turn: filters.rewrite(LINES, [(ONE, OTHER)[turn]], 3), 0.9),
    "judge of observations": (lambda turn: judging.observation_check(CAPTION, (FIRST, SECOND)[turn]), 0.9),
    "probe with a summary": (lambda turn: filters.probe(SUMMARY, [(ONE, OTHER)[turn]]), 0.75),
    "auditor with a summary": (lambda turn: gates.exam(SUMMARY, [(multiple_choice(ONE), WHO)[turn]]), 0.6),
}  # fmt: skip


def written(prompt: Prompt) -> str:
    """A request as a server tokenises it: the messages one after the other."""
    messages: list[dict[str, Any]] = prompt.messages()
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)


def shared(one: str, other: str) -> float:
    """Share of `one` that `other` begins with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))) / len(one)


@pytest.mark.parametrize("role", REQUESTS)
def test_two_requests_about_one_video_begin_with_what_they_share(role: str) -> None:
    make, least = REQUESTS[role]
    assert shared(written(make(0)), written(make(1))) >= least


def test_a_probe_has_one_instruction_with_a_summary_and_without() -> None:
    assert filters.probe("", [ONE]).system == filters.probe(SUMMARY, [ONE]).system


def test_the_next_step_of_one_question_begins_with_all_of_the_last() -> None:
    """All but the end of the list: `]}`."""
    question: Question = ONE
    steps = [
        agents.Step(thought="first", action="segment_query", argument="00:03", observation="00:03 a box"),
        agents.Step(thought="then", action="segment_retrieval", argument="a van", observation="00:00-00:10 a van"),
    ]
    before, after = (written(agents.next_step(question, 600.0, steps[:count])) for count in (1, 2))
    assert after.startswith(before.removesuffix("]}"))
    assert next(iter(json.loads(agents.next_step(question, 600.0, steps).payload_json))) == "duration"
