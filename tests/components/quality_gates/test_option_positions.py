"""Re-placement of right options."""

from __future__ import annotations

from components.quality_gates.option_positions import place_options, position_counts
from tests.components.quality_gates.worlds import as_open, question, video


def test_positions_are_balanced_and_options_kept() -> None:
    questions = [question(video(index), turn) for index in range(60) for turn in range(5)]
    placed = place_options(questions, tolerance=0.03)
    counts = position_counts(placed)[4]
    assert sum(counts) == 300
    assert all(abs(count / 300 - 0.25) <= 0.03 for count in counts)
    for before, after in zip(questions, placed, strict=True):
        assert after.question_id == before.question_id
        assert sorted(after.options) == sorted(before.options)
        assert after.options[after.answer_index] == before.answer


def test_a_handful_of_questions_is_balanced_to_one() -> None:
    counts = position_counts(place_options([question(video(index), 0) for index in range(10)], 0.03))[4]
    assert max(counts) - min(counts) <= 1


def test_a_new_video_moves_no_option_of_an_old_one() -> None:
    questions = [question(video(index), turn) for index in range(100) for turn in range(4)]
    before = place_options(questions, 0.03)
    after = place_options([*questions, *(question(video(100), turn) for turn in range(4))], 0.03)
    assert after[: len(before)] == before


def test_the_order_of_questions_does_not_matter() -> None:
    questions = [question(video(index), turn) for index in range(20) for turn in range(3)]
    forward = place_options(questions, 0.03)
    backward = place_options(questions[::-1], 0.03)
    assert forward == backward[::-1]


def test_open_questions_are_left_alone() -> None:
    row = as_open(question(video(1), 1))
    assert place_options([row], 0.03) == [row]


def test_other_numbers_of_options_are_balanced_apart() -> None:
    wide = [
        question(video(index), 0, options=("red", "green", "blue", "yellow", "white"), answer_index=0)
        for index in range(10)
    ]
    assert position_counts(place_options(wide, 0.03)) == {5: [2, 2, 2, 2, 2]}
