from __future__ import annotations

from collections.abc import Sequence
from random import Random

from components.core.data.rows import Question
from components.grpo.pass_rates import choose, histogram, sometimes_right
from components.grpo.settings import PassRateSettings


def question(video: int, number: int) -> Question:
    return Question.model_validate(
        {
            "question_id": f"question-{video}-{number}", "video_id": f"video-{video}", "type": "counting",
            "form": "multiple_choice", "question": "?", "answer": "a", "options": ("a", "b"), "answer_index": 0,
            "evidence": (),
        }
    )  # fmt: skip


def asked_about(videos: int, each: int) -> list[list[Question]]:
    return [[question(video, number) for number in range(each)] for video in range(videos)]


def ids(by_video: Sequence[Sequence[Question]]) -> list[str]:
    return [question.question_id for asked in by_video for question in asked]


def test_what_is_measured_comes_from_all_videos_in_turns() -> None:
    chosen = choose(asked_about(6, 5), per_turn=2, most=12)
    assert [len(asked) for asked in chosen] == [2] * 6
    assert all(len({question.video_id for question in asked}) == 1 for asked in chosen)
    assert [len(asked) for asked in choose(asked_about(6, 5), per_turn=2, most=0)] == [5] * 6


def test_what_is_measured_does_not_depend_on_the_order_of_rows() -> None:
    by_video = asked_about(5, 4)
    chosen = ids(choose(by_video, 1, 7))
    shuffled = [Random(3).sample(asked, 4) for asked in Random(4).sample(by_video, 5)]
    assert ids(choose(shuffled, 1, 7)) == chosen and len(chosen) == 7


def test_questions_train_that_are_right_sometimes() -> None:
    by_video = asked_about(2, 3)
    rates = dict(zip(ids(by_video), [0.0, 0.25, 1.0, 0.75, 0.5], strict=False))  # the sixth was not measured
    assert ids(sometimes_right(by_video, rates, PassRateSettings(replies=4))) == [
        "question-0-1", "question-1-0", "question-1-1",
    ]  # fmt: skip
    narrow = PassRateSettings(replies=4, above=0.25, below=0.75)
    assert ids(sometimes_right(by_video, rates, narrow)) == ["question-1-1"]
    told = histogram(rates, 3)
    assert told == {
        "pass_rate/none": 0.2, "pass_rate/some": 0.6, "pass_rate/all": 0.2, "pass_rate/measured": 5,
        "pass_rate/trained": 3,
    }  # fmt: skip


def test_where_nothing_is_right_sometimes_nothing_is_chosen() -> None:
    rates = {"question-0-0": 0.0, "question-0-1": 1.0}
    assert sometimes_right(asked_about(1, 2), rates, PassRateSettings(replies=2)) == []
    assert histogram(rates, 0)["pass_rate/trained"] == 0 and histogram({}, 0)["pass_rate/measured"] == 0
