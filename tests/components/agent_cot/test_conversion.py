from __future__ import annotations

import pytest

from components.agent_cot.conversion import unfaithful
from components.core.records import Step
from components.core.students.tags import Pair, render

QUESTION = "What appears right after the yellow triangle?"
STEPS = (
    Step(
        thought="First find it.",
        action="segment_retrieval",
        argument="a yellow triangle",
        observation="00:02-00:05 a yellow triangle",
    ),
    Step(thought="Now look there.", action="segment_query", argument="00:05", observation="00:05 a blue cross"),
)
PAIRS = (
    Pair("find a yellow triangle", "00:02-00:05 a yellow triangle"),
    Pair("look at 00:05", "00:05 a blue cross"),
)
GOOD = render(PAIRS, "blue cross")


def test_prose_that_keeps_to_its_steps_is_accepted() -> None:
    assert unfaithful(GOOD, QUESTION, STEPS, "blue cross") == ""
    assert unfaithful(f"Let me look. {GOOD}", QUESTION, STEPS, "Blue cross") == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "tags do not parse"),
        (GOOD.replace("</observation>", "", 1), "tags do not parse"),
        (render(PAIRS[:1], "blue cross"), "1 looks instead of 2"),
        (render(PAIRS, "red circle"), "another answer"),
        (GOOD.replace("00:02-00:05", "00:01-00:05"), "names a time that no step names: 1 s"),
    ],
)
def test_prose_that_adds_or_loses_something_is_not(text: str, fault: str) -> None:
    assert unfaithful(text, QUESTION, STEPS, "blue cross") == fault
