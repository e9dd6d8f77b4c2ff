from __future__ import annotations

import pytest

from components.core.data.rows import Question, QuestionType, Span
from components.core.traces.looks import is_single_look


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
def test_a_time_in_the_one_stretch_of_evidence_makes_a_single_look_however_it_is_written(question: str) -> None:
    assert is_single_look(asked(question, (60.4, 70.0)))


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
    assert not is_single_look(asked(question, *evidence))
