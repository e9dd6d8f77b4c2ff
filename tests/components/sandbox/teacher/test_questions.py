"""Questions are answered by the caption, not given away by the summary, distinct, and of the looks that are wanted."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from components.sandbox.teacher.checking import verify
from components.sandbox.teacher.questions import write_questions
from components.sandbox.teacher.summaries import summarise
from components.sandbox.teacher.vocabulary import COLOURS
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


def test_one_look_questions_are_spread_over_the_clip_colour_and_shape_in_turn() -> None:
    questions = write_questions(CAPTION, "", TYPES, 12, looks={"one": 8, "two": 4, "three": 0})
    looks = [question for question in questions if question["looks"] == 1]
    times = [re.search(r"\[(\d\d:\d\d)\]", question["question"]) for question in looks]
    assert len(looks) == 8
    assert {time[1] for time in times if time} == {f"00:0{second}" for second in range(8)}
    assert sum(question["question"].startswith("What colour") for question in looks) == 4
    assert all(len(question["evidence"]) == 1 and question["kind"] == "moment" for question in looks)


def test_as_many_questions_take_one_look_two_and_three_as_are_wanted() -> None:
    for wanted in ({"one": 4, "two": 4, "three": 4}, {"one": 0, "two": 3, "three": 9}):
        looks = Counter(min(q["looks"], 3) for q in write_questions(CAPTION, "", TYPES, 12, looks=wanted))
        assert looks == Counter({1: wanted["one"], 2: wanted["two"], 3: wanted["three"]})


def test_where_the_caption_has_too_few_of_one_sort_others_take_their_places() -> None:
    looks = [q["looks"] for q in write_questions(FOOTAGE_CAPTION, "", TYPES, 8, looks={"one": 2, "two": 3, "three": 3})]
    assert len(looks) == 8 and looks.count(1) >= 6


def test_colours_are_not_asked_where_they_tell_nothing_about_the_moment() -> None:
    red = [{**event, "text": text} for event, text in zip(CAPTION, ("a red circle", "a red cross"), strict=False)]
    asked = [question["question"] for question in write_questions(red, "", TYPES, 40)]
    assert any("shape is shown" in question for question in asked)
    assert not any(question.startswith("What colour") for question in asked)


def test_what_is_between_is_told_by_neither_neighbour_alone() -> None:
    """Both must be found: the two are named in either order, so that one alone has two neighbours to choose from."""
    shapes = [event["text"].split()[-1] for event in CAPTION]
    clips = [
        [{**event, "text": f"a {COLOURS[(place + turn) % 6]} {shapes[place]}"} for place, event in enumerate(CAPTION)]
        for turn in range(6)
    ]
    first: Counter[bool] = Counter()
    for clip in clips:
        for question in write_questions(clip, "", ["state_change"], 60):
            if found := re.search(r"between the (.*) and the (.*)\?", question["question"]):
                things = [event["text"][2:] for event in clip]
                first[things.index(found[1]) < things.index(found[2])] += 1
    assert min(first[True], first[False]) >= 4


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
