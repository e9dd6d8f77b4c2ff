"""Questions are answered by the caption, not given away by the summary, distinct, and mostly single looks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components.sandbox.teacher.checking import verify
from components.sandbox.teacher.questions import summarise, write_questions
from tests.components.sandbox.teacher.clip import (
    CAPTION,
    CROWD,
    CROWD_CAPTION,
    FOOTAGE,
    FOOTAGE_CAPTION,
    LINES,
    TYPES,
)


@pytest.mark.parametrize(("lines", "caption"), [(LINES, CAPTION), (CROWD, CROWD_CAPTION), (FOOTAGE, FOOTAGE_CAPTION)])
def test_every_question_is_settled_by_the_caption_and_cites_events_that_exist(
    lines: list[str], caption: list[dict[str, Any]]
) -> None:
    questions = write_questions(caption, summarise(lines), TYPES, 12)
    assert len(questions) >= 8
    assert len({question["question"] for question in questions}) == len(questions)
    assert all(verdict["correct"] for verdict in verify(lines, [{"id": i, **q} for i, q in enumerate(questions)]))
    assert all(question["type"] in TYPES for question in questions)
    assert all(set(question["evidence"]) <= set(range(len(lines))) != set() for question in questions)


def test_two_thirds_are_single_looks_spread_over_the_clip_colour_and_shape_in_turn() -> None:
    questions = write_questions(CAPTION, "", TYPES, 12)
    looks = [question for question in questions if question["type"] == "object_recognition"]
    times = [re.search(r"\[(\d\d:\d\d)\]", question["question"]) for question in looks]
    assert len(looks) == 8
    assert {time[1] for time in times if time} == {f"00:0{second}" for second in range(8)}
    assert sum(question["question"].startswith("What colour") for question in looks) == 4
    assert all(len(question["evidence"]) == 1 for question in looks)


def test_only_the_wanted_types_are_asked() -> None:
    questions = write_questions(CAPTION, "", ["state_change", "temporal_localisation"], 12)
    assert {question["type"] for question in questions} == {"state_change", "temporal_localisation"}


def test_what_the_summary_tells_is_not_asked() -> None:
    told = "In the clip [00:03-00:05] a yellow triangle is seen."
    free = {question["question"] for question in write_questions(CAPTION, "", TYPES, 40)}
    heeding = {question["question"] for question in write_questions(CAPTION, told, TYPES, 40)}
    careless = {question["question"] for question in write_questions(CAPTION, told, TYPES, 40, contrast=False)}
    assert "When does the yellow triangle appear?" in free
    assert "When does the yellow triangle appear?" not in heeding
    assert careless == free


def test_a_shape_seen_twice_is_not_asked_when() -> None:
    caption = [*CAPTION, {"event": 5, "time": "00:08-00:09", "text": "a red circle"}]
    asked = [question["question"] for question in write_questions(caption, "", TYPES, 60)]
    assert not any("red circle" in question and not question.startswith("What") for question in asked)


def test_among_several_shapes_the_question_names_which_is_meant() -> None:
    questions = write_questions(CROWD_CAPTION, "", ["object_recognition"], 12)
    crowded = [q for q in questions if len(CROWD[q["evidence"][0]].split(";")) > 1]
    assert crowded
    assert not any("the shape at" in q["question"] or "Which shape" in q["question"] for q in crowded)


def test_footage_is_asked_about_measured_facts() -> None:
    asked = " ".join(q["question"] for q in write_questions(FOOTAGE_CAPTION, "", TYPES, 12))
    assert "How does the picture move at [" in asked
    assert "How bright is the picture at [" in asked
