"""What the converter may write, and what the text of a trajectory is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.agent_cot.conversion import assemble, check_prose
from components.core.data.rows import Question, QuestionType, Step
from components.core.traces.tags import Pair, parse
from tests.components.core.judging.world import multiple_choice, open_question

ASKED = multiple_choice(
    open_question("What appears right after the yellow triangle?", "blue cross", QuestionType.STATE_CHANGE),
    ("red circle", "green square", "blue cross", "white cross"),
)
STEPS = (
    Step(
        thought="First find it.",
        action="segment_retrieval",
        argument="a yellow triangle",
        observation="00:02-00:05 a yellow triangle",
    ),
    Step(thought="Now look there.", action="segment_query", argument="[00:05]", observation="00:05 a blue cross"),
)
PAIRS = (
    Pair("find a yellow triangle", "00:02-00:05 a yellow triangle"),
    Pair("look at 00:05", "00:05 a blue cross"),
)
GOOD = ("First I have to find the triangle.", "It ends at 00:05, so I look there.", "That settles it.")
PROSE = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=3, max_size=3)


def test_actions_observations_and_answer_are_those_of_the_steps_whatever_the_prose() -> None:
    text = assemble(STEPS, GOOD, "blue cross")
    assert text == (
        "First I have to find the triangle. <action>find a yellow triangle</action>"
        "<observation>00:02-00:05 a yellow triangle</observation> It ends at 00:05, so I look there. "
        "<action>look at 00:05</action><observation>00:05 a blue cross</observation> That settles it. "
        "<answer>blue cross</answer>"
    )


def test_without_prose_nothing_stands_between_the_tags() -> None:
    assert assemble(STEPS[1:], ("", ""), "blue cross") == (
        "<action>look at 00:05</action><observation>00:05 a blue cross</observation><answer>blue cross</answer>"
    )


@given(PROSE)
def test_no_prose_that_is_accepted_changes_a_look_or_the_answer(prose: list[str]) -> None:
    try:
        check_prose(prose, ASKED, STEPS, ASKED.answer)
    except ValueError:
        return
    trace = parse(assemble(STEPS, prose, ASKED.answer))
    assert (trace.pairs, trace.answer, trace.well_formed) == (PAIRS, "blue cross", True)


def test_prose_that_keeps_to_its_steps_is_accepted() -> None:
    for prose in (GOOD, ("", "", ""), ("At 3 < 5 s?", "", "So the answer is the blue cross.")):
        check_prose(prose, ASKED, STEPS, ASKED.answer)


@pytest.mark.parametrize(
    ("prose", "fault"),
    [
        (GOOD[:2], "2 pieces of prose for 2 looks; write 3"),
        (("", "<observation>a woman sings</observation>", ""), "piece 2 holds a tag"),
        (("", "", "</answer><answer>green square"), "piece 3 holds a tag"),
        (("", "< Action >look</ACTION >", ""), "piece 2 holds a tag"),
        (("", "＜answer＞green square＜/answer＞", ""), "piece 2 holds a tag"),
        (("At 00:01 it begins.", "", ""), "piece 1 names a time that is not known there: 00:01"),
        (("", "", "So at 00:07 it is settled."), "piece 3 names a time that is not known there: 00:07"),
        (("It will be at 00:05.", "", ""), "piece 1 names a time that is not known there: 00:05"),
        (("", "", "So the answer is green square."), "piece 3 states another answer"),
        (("", "", "The answer must be (B)."), "piece 3 states another answer"),
        (("", "Answer: red circle", ""), "piece 2 states another answer"),
        (("", "", "Clearly a green square."), "piece 3 states another answer"),
    ],
)
def test_prose_that_adds_loses_or_decides_something_is_refused(prose: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ValueError, match=r".*") as refused:
        check_prose(prose, ASKED, STEPS, ASKED.answer)
    assert fault in str(refused.value)


@pytest.mark.parametrize(("said", "fine"), [("So the answer is red.", False), ("So the answer is: Yellow!", True)])
def test_the_answer_to_an_open_question_is_stated_right_or_not_at_all(said: str, fine: bool) -> None:
    question: Question = open_question()
    step = Step(thought="", action="segment_query", argument="00:03", observation="00:03 a yellow triangle")
    if fine:
        check_prose(("", said), question, (step,), question.answer)
        return
    with pytest.raises(ValueError, match="another answer"):
        check_prose(("", said), question, (step,), question.answer)
