"""Distractors are of the answer's sort, distinct, wrong, and leave its rank to chance."""

from __future__ import annotations

from collections import Counter
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


def test_a_number_has_any_rank_among_its_options() -> None:
    ranks: Counter[int] = Counter()
    for number in range(400):
        lines = [f"[00:00-00:{9 + number % 40:02d}] a red circle", f"[00:50-01:{number % 50:02d}] a blue square"]
        item = {"id": "q", "question": "For how many seconds is the red circle visible?", "answer": "9"}
        ranks[sorted(["9", *write_distractors(lines, item, 3)], key=int).index("9")] += 1
    assert min(ranks[rank] for rank in range(4)) > 60
