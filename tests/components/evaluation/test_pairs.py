"""A pair is won by who sees in which order things are shown, and by nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from components.core.data.rows import CaptionEvent, QuestionKind
from components.core.video.readers.pyav import Frame
from components.evaluation.pairs import FORWARD, REVERSED, backwards, lines_backwards, pair_of, pair_scores
from components.sandbox.teacher.checking import infer
from tests.components.core.judging.world import multiple_choice, open_question
from tests.components.evaluation.test_score_table import WRITER, only, row

EVENTS = [
    CaptionEvent(event_id=str(n), video_id="v", segment_id="s", start_s=start, end_s=end, text=text)
    for n, (start, end, text) in enumerate(
        [(0, 2, "a red circle"), (2, 3, "a blue square"), (3, 5, "a yellow triangle"), (5, 8, "a white cross")]
    )
]
AFTER = multiple_choice(
    open_question("What appears right after the blue square?", "yellow triangle"),
    ("red circle", "yellow triangle", "white cross", "green cross"),
).model_copy(update={"kind": QuestionKind.AFTER})


def told(question: str) -> str:
    """What a reader of the reversed caption answers, who sees no options."""
    observation = lines_backwards(EVENTS, 8.0)
    return infer(question, [], [{"action": "find every event", "observation": observation}])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What colour is the shape at [00:00]?", "white"),
        ("What appears right after the blue square?", "red circle"),
        ("What is shown right before the blue square appears?", "yellow triangle"),
        ("When does the yellow triangle appear?", "00:03"),
        ("From when to when is the red circle visible?", "00:06-00:08"),
        ("When does the later of the red circle and the white cross appear?", "00:06"),
        ("Who sits down?", ""),
    ],
)
def test_what_is_right_of_the_reverse_follows_from_the_caption_reversed_in_time(question: str, answer: str) -> None:
    assert told(question) == answer


def test_both_halves_have_the_same_words_and_options_and_different_answers() -> None:
    pair = pair_of(AFTER, "red circle")
    assert pair is not None
    assert (pair.forward.question, pair.forward.options) == (pair.backward.question, pair.backward.options)
    assert (pair.forward.answer, pair.backward.answer) == ("yellow triangle", "red circle")
    assert pair.backward.options[pair.backward.answer_index] == "red circle"


def test_an_answer_that_is_no_option_takes_the_place_of_a_wrong_one_in_both_halves() -> None:
    pair = pair_of(AFTER, "blue cross")
    assert pair is not None
    assert pair.forward.options == pair.backward.options and "blue cross" in pair.forward.options
    assert pair.forward.options[pair.forward.answer_index] == "yellow triangle"


@pytest.mark.parametrize("same", ["yellow triangle", "a yellow triangle", "", "  "])
def test_where_the_answer_is_the_same_or_none_order_does_not_matter_and_there_is_no_pair(same: str) -> None:
    assert pair_of(AFTER, same) is None


def test_frames_run_backwards_and_times_do_not() -> None:
    frames = [Frame(n / 2, np.full((1, 1, 3), n, dtype=np.uint8), n / 2) for n in range(4)]
    behind = backwards(frames)
    assert [int(frame.pixels[0, 0, 0]) for frame in behind] == [3, 2, 1, 0]
    assert [frame.time_s for frame in behind] == [0, 0.5, 1, 1.5]


def test_who_ignores_the_order_wins_no_pair_though_half_of_the_answers_are_right() -> None:
    """A student that gives the forward answer always: an accuracy of half would flatter it."""
    halves = [row(f"sft_think{FORWARD}", n, True, answer="red") for n in range(8)]
    halves += [row(f"sft_think{REVERSED}", n, False, answer="red") for n in range(8)]
    scores = pair_scores(WRITER, halves)
    assert only(scores, metric="reversed_pairs", group="all").value == 0
    assert only(scores, metric="reversed_unchanged", group="one_look").value == 1


def test_a_pair_counts_where_both_halves_are_right_and_was_asked_in_both() -> None:
    halves = [row(f"sft_think{FORWARD}", n, n != 0, answer="red") for n in range(4)]
    halves += [row(f"sft_think{REVERSED}", n, n != 1, answer="blue") for n in range(3)]
    won = only(pair_scores(WRITER, halves), metric="reversed_pairs", group="all")
    assert (won.system, won.value, won.n) == ("sft_think", pytest.approx(1 / 3), 3)
