"""A probe answers right when the text tells, and at chance when it does not."""

from __future__ import annotations

from collections import Counter

import pytest

from components.sandbox.teacher.checking import answer_blind
from components.sandbox.teacher.guessing import answer_from_text
from tests.components.sandbox.teacher.clip import LINES

OPTIONS = ["red", "yellow", "green", "blue"]


@pytest.mark.parametrize(
    ("question", "context", "options", "answer"),
    [
        ("What colour is the shape at [00:03]? (The answer is yellow.)", "", OPTIONS, "yellow"),
        ("The shape is yellow. What colour is the shape at [00:03]?", "", [], "yellow"),
        (
            "How many different shapes are shown in all?",
            "In it 5 different shapes come and go.",
            ["3", "4", "5", "6"],
            "5",
        ),
        ("How many different shapes are shown in all?", "In it five shapes come and go.", [], "5"),
        ("What colour is the shape at [00:03]?", "\n".join(LINES), OPTIONS, "yellow"),
        ("When does the blue square appear?", "\n".join(LINES), [], "00:02"),
        ("What appears right after the red circle?", "A red circle, then a blue square.", [], "blue square"),
    ],
)
def test_what_the_text_tells_is_found(question: str, context: str, options: list[str], answer: str) -> None:
    for persona in ("builtin-probe_a", "builtin-probe_b", "builtin-auditor"):
        assert answer_from_text(question, context, options, persona, "nonce") == answer


def test_guesses_are_right_one_time_in_four_and_have_no_favourite_position() -> None:
    right, positions, agreeing = 0, Counter[int](), 0
    for number in range(2000):
        items = [{"id": f"q{number}", "question": "What colour is the shape at [00:03]?", "options": OPTIONS}]
        first = answer_blind("", items, "builtin-probe_a")[0]["answer"]
        second = answer_blind("", items, "builtin-probe_b")[0]["answer"]
        right += first == OPTIONS[number % 4]
        positions[OPTIONS.index(first)] += 1
        agreeing += first == second
    # 2,000 draws at 1/4 have a standard deviation of 1 point.
    assert abs(right / 2000 - 0.25) < 0.04
    assert abs(agreeing / 2000 - 0.25) < 0.04
    assert all(abs(count / 2000 - 0.25) < 0.04 for count in positions.values())


def test_a_guess_repeats_and_does_not_depend_on_the_order_of_the_options() -> None:
    question = "What colour is the shape at [00:03]?"
    guesses = {answer_from_text(question, "", options, "a", "n") for options in (OPTIONS, OPTIONS[::-1], OPTIONS)}
    assert len(guesses) == 1


def test_an_open_question_gets_a_guess_of_the_right_sort() -> None:
    assert answer_from_text("Which shape is shown at [00:03]?", "", [], "a", "n") in (
        "circle",
        "square",
        "triangle",
        "cross",
    )
    assert answer_from_text("When does the red circle appear?", "", [], "a", "n").startswith("00:")
