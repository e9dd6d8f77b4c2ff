from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.data.rows import Question, QuestionKind, QuestionType, Span
from components.core.traces.looks import LookShares, groups_of, is_one_look, looks_of


def asked(question: str, *evidence: tuple[float, float]) -> Question:
    return Question(
        question_id="q", video_id="v", type=QuestionType.CAUSAL, form="open", question=question, answer="a",
        evidence=tuple(Span(start_s=start, end_s=end) for start, end in evidence),
    )  # fmt: skip


@pytest.mark.parametrize(
    "question",
    [
        "What colour is the shape at [01:05]?",
        "Which sign is seen at 1:05, above the door?",
        "What does she carry between [01:02-01:08]?",
        "At 00:01:05, who enters?",
        "What is written on the board at [01:00]?",  # a rounded start
    ],
)
def test_a_time_in_the_one_stretch_of_evidence_makes_one_look_however_it_is_written(question: str) -> None:
    assert is_one_look(asked(question, (60.4, 70.0)))


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        ("When does the purple cross appear?", [(60.0, 70.0)]),
        ("What does the man hold who sat down?", [(60.0, 70.0)]),
        ("What happens after the scene at [00:10]?", [(60.0, 70.0)]),  # the time is not that of the evidence
        ("If the video had stopped at [01:05], how many had been seen?", [(0.0, 30.0), (30.0, 70.0)]),
        ("Which verse is John 3:165 in?", [(200.0, 210.0)]),
        ("What colour is the shape at [01:05]?", []),
    ],
)
def test_who_must_search_or_see_several_stretches_looks_more_than_once(
    question: str, evidence: list[tuple[float, float]]
) -> None:
    assert not is_one_look(asked(question, *evidence))


def test_a_writer_is_believed_above_one_look_and_never_about_one() -> None:
    named = asked("What is seen at [01:05]?", (60.0, 70.0)).model_copy(update={"looks": 3})
    searched = asked("When does the purple cross appear?", (60.0, 70.0))
    assert looks_of(named) == 1
    assert [looks_of(searched.model_copy(update={"looks": said})) for said in (0, 1, 2, 3, 5)] == [2, 2, 2, 3, 3]


def test_questions_count_by_their_looks_and_by_the_kinds_that_are_groups() -> None:
    question = asked("When does the purple cross appear?", (60.0, 70.0))
    assert groups_of(question.model_copy(update={"kind": QuestionKind.WHEN})) == ("several_looks", "when")
    assert groups_of(question.model_copy(update={"kind": QuestionKind.HOW_LONG})) == ("several_looks",)
    assert groups_of(asked("What is seen at [01:05]?", (60.0, 70.0))) == ("one_look",)


weights = st.floats(0, 100, allow_subnormal=False)


@given(st.integers(0, 50), weights, weights, st.floats(0.1, 100))
def test_places_add_up_and_keep_to_the_shares_within_one(count: int, one: float, two: float, three: float) -> None:
    places = LookShares(one=one, two=two, three=three).places(count)
    assert sum(places.values()) == count
    for looks, weight in ((1, one), (2, two), (3, three)):
        assert abs(places[looks] - count * weight / (one + two + three)) < 1 + 1e-6


def test_shares_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no question would be left"):
        LookShares(one=0, two=0, three=0)
