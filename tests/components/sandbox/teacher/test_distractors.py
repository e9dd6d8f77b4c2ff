"""Distractors are of the answer's sort, distinct, wrong, and share the prior of true answers."""

from __future__ import annotations

from typing import Any

import pytest

from components.sandbox.teacher.checking import verify
from components.sandbox.teacher.distractors import write_distractors
from components.sandbox.teacher.questions import write_questions
from tests.components.sandbox.teacher.clip import CAPTION, CROWD, CROWD_CAPTION, FOOTAGE, FOOTAGE_CAPTION, LINES, TYPES


@pytest.mark.parametrize(("caption", "lines"), [(CAPTION, LINES), (CROWD_CAPTION, CROWD), (FOOTAGE_CAPTION, FOOTAGE)])
def test_three_distinct_wrong_options_for_every_question(caption: list[dict[str, Any]], lines: list[str]) -> None:
    for asked in write_questions(caption, "", TYPES, 60):
        distractors = write_distractors(lines, {"id": "q", **asked}, 3)
        assert len({asked["answer"], *distractors}) == 4, (asked, distractors)
        items = [{"id": i, "question": asked["question"], "answer": text} for i, text in enumerate(distractors)]
        assert not any(verdict["correct"] for verdict in verify(lines, items)), (asked, distractors)


def test_the_subject_of_a_question_is_never_an_option() -> None:
    item = {"id": "q", "question": "What appears right after the red circle?", "answer": "blue square"}
    assert "red circle" not in write_distractors(LINES, item, 3)


def test_another_shape_on_screen_that_would_be_true_is_never_an_option() -> None:
    item = {"id": "q", "question": "What colour is the circle at [00:14]?", "answer": "green"}
    assert "red" not in write_distractors(CROWD, item, 5)


@pytest.mark.parametrize("answer", ["1", "2", "3", "4"])
def test_options_of_numbers_tell_nothing_about_which_of_them_is_right(answer: str) -> None:
    item = {"id": "q", "question": "For how many seconds is the red circle visible?", "answer": answer}
    assert {answer, *write_distractors(LINES, item, 3)} == {"1", "2", "3", "4"}


def test_wrong_options_are_what_would_be_right_of_another_thing_of_the_clip() -> None:
    """So the answers of one clip have the same options, whichever of its things is asked about."""
    times, spans = set(), set()
    for thing, start, end in (("red circle", 0, 2), ("blue square", 2, 3), ("yellow triangle", 3, 5)):
        for question, answer, found in (
            (f"When does the {thing} appear?", f"00:0{start}", times),
            (f"From when to when is the {thing} visible?", f"00:0{start}-00:0{end}", spans),
        ):
            options = write_distractors(LINES, {"id": "q", "question": question, "answer": answer}, 4)
            found.add(frozenset({answer, *options}))
    assert times == {frozenset({"00:00", "00:02", "00:03", "00:05", "00:07"})}
    assert spans == {frozenset({"00:00-00:02", "00:02-00:03", "00:03-00:05", "00:05-00:07", "00:07-00:08"})}


def test_what_was_not_shown_has_the_colours_of_what_was() -> None:
    lines = ["[00:00-00:03] a red circle", "[00:03-00:05] a red cross", "[00:05-00:08] a blue circle"]
    item = {"id": "q", "question": "What appears right after the red circle?", "answer": "red cross"}
    assert {option.split()[0] for option in write_distractors(lines, item, 4)} <= {"red", "blue"}
