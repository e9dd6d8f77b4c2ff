"""Questions of one video that ask for the same thing twice are refused."""

from hypothesis import given
from hypothesis import strategies as st

from components.contrastive_qa.duplicates import SeenQuestions, similarity, words_of

words = st.lists(st.sampled_from(["what", "colour", "is", "red", "circle", "00:03", "00:05", "7"]), max_size=8)


def seen(*questions: tuple[str, str], threshold: float = 0.85) -> SeenQuestions:
    accepted = SeenQuestions(threshold)
    for question, answer in questions:
        accepted.accept(question, answer)
    return accepted


@given(words, words)
def test_similarity_is_symmetric_between_0_and_1_and_1_for_the_same_words(one: list[str], other: list[str]) -> None:
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, other) == similarity(other, one)
    assert similarity(one, one) == 1


def test_case_and_punctuation_do_not_make_another_question() -> None:
    accepted = seen(("What colour is the shape at [00:03]?", "yellow"))
    assert "near-duplicate" in accepted.objection("what  colour is the shape at 00:03", "Yellow.")


def test_another_time_is_another_question() -> None:
    accepted = seen(("What colour is the shape that can be seen on the screen at [00:03]?", "yellow"))
    assert accepted.objection("What colour is the shape that can be seen on the screen at [00:05]?", "yellow") == ""


def test_a_rewording_of_most_words_with_the_same_answer_is_a_duplicate_and_with_another_answer_is_not() -> None:
    question = "Which of the shapes appears on the screen right after the red circle has gone"
    accepted = seen((question, "square"))
    assert "near-duplicate" in accepted.objection(question + " away", "square")
    assert accepted.objection(question + " away", "triangle") == ""


def test_the_same_text_with_two_answers_is_refused() -> None:
    accepted = seen(("Which shape is shown at [00:03]?", "square"))
    assert "answers differently" in accepted.objection("Which shape is shown at [00:03]?", "circle")


def test_words_keep_times_whole() -> None:
    assert words_of("From [01:23] to 2.5 s, it's RED!") == ["from", "01:23", "to", "2.5", "s", "it", "s", "red"]
