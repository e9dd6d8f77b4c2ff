from __future__ import annotations

import pytest

from components.core.data.rows import Question, QuestionType
from components.core.judging.blind import BlindPrior, Templates
from tests.components.core.judging.world import multiple_choice, open_question

NUMBERS = ("1", "2", "3", "4")
THINGS = ("red circle", "blue square", "white cross", "green bar", "black star")


def seconds(index: int, answer: str, options: tuple[str, ...] = NUMBERS) -> Question:
    """How long something is seen, of one of five things."""
    text = f"For how many seconds is the {THINGS[index % 5]} visible?"
    asked = open_question(text, answer, QuestionType.NUMERICAL_REASONING, video_id=f"video-{index}")
    return multiple_choice(asked, options)


TAUGHT = [seconds(index, "1" if index % 5 < 3 else "2") for index in range(100)]


def test_the_most_frequent_answer_of_the_template_is_chosen_where_it_is_offered() -> None:
    prior = BlindPrior(TAUGHT)
    assert [prior.accuracy(seconds(7, answer)) for answer in NUMBERS] == [1.0, 0.0, 0.0, 0.0]
    without_one = ("5", "2", "3", "4")
    assert [prior.accuracy(seconds(7, answer, without_one)) for answer in ("2", "3")] == [1.0, 0.0]


def test_options_that_nobody_gave_are_guessed_between() -> None:
    assert BlindPrior(TAUGHT).accuracy(seconds(7, "7", ("5", "6", "7", "8"))) == 0.25


def test_a_new_template_falls_back_to_its_type_and_a_new_type_to_all() -> None:
    prior = BlindPrior([*TAUGHT, *(multiple_choice(video_of(n)) for n in range(30))])
    other = open_question("How long is it there?", "1", QuestionType.NUMERICAL_REASONING)
    assert prior.accuracy(multiple_choice(other, NUMBERS)) == 1.0
    unknown = open_question("Why?", "1", QuestionType.CAUSAL)
    assert prior.accuracy(multiple_choice(unknown, ("1", "yellow", "x", "y"))) == 1.0


def video_of(number: int) -> Question:
    return open_question(f"What colour is the shape at [00:{number:02d}]?", "yellow", video_id=f"video-{number}")


def test_templates_leave_out_times_numbers_and_what_a_question_is_about() -> None:
    templates = Templates([seconds(n, "1") for n in range(12)] + [video_of(n) for n in range(12)])
    assert templates.of(video_of(3)) == "what colour is shape at TIME"
    other = open_question("For how many seconds are 25 zebras visible at [00:03]?", "1")
    assert templates.of(other) == "for how many seconds _ _ _ visible at TIME"


def test_what_is_left_out_was_never_learned() -> None:
    own = [question for question in TAUGHT if question.video_id == "video-7"]
    rest = [question for question in TAUGHT if question.video_id != "video-7"]
    templates = Templates(TAUGHT)
    without = BlindPrior(TAUGHT, templates).log_likelihoods(own[0], but=BlindPrior(own, templates))
    assert without == pytest.approx(BlindPrior(rest, templates).log_likelihoods(own[0]))


def test_nothing_learned_is_told() -> None:
    assert not BlindPrior([]) and BlindPrior(TAUGHT)
