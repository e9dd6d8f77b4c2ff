"""Text from policies is anything at all: every role answers it, and none of it is ever true by accident."""

from __future__ import annotations

import random

import pytest

from components.sandbox.teacher.checking import answer_blind, check_observations, infer, match_answers, verify
from components.sandbox.teacher.distractors import write_distractors
from components.sandbox.teacher.rewatching import next_step, observe, write_prose
from tests.components.sandbox.teacher.clip import CAPTION, LINES

FRAGMENTS = (
    *("00:03", "00:99", "99:99:99", "[00:03", "00:05-00:02", "-", ":", "1:2", "3", "1e9", "00:03.", "٣٤:٥٦", "²"),
    *("a yellow triangle", "moves left", "What colour is the shape at [00:99]?", "When does the red circle appear?"),
    *("look at", "find", "nothing found", "<answer>", "</action>", "the answer is", "\n", "\x00", "🦊", "", "a" * 300),
    *("From when to when is the red circle visible?", "For how many seconds is the red circle visible?", "0 0:03 blue"),
)


@pytest.mark.parametrize("seed", range(150))
def test_every_role_answers_whatever_it_is_told(seed: int) -> None:
    dice = random.Random(seed)

    def text() -> str:
        return " ".join(dice.choices(FRAGMENTS, k=dice.randint(0, 6)))

    question, options = text(), [text() for _ in range(dice.randint(0, 4))]
    pairs = [{"action": text(), "observation": text()} for _ in range(3)]
    assert len(check_observations(LINES, pairs)) == 3
    assert isinstance(infer(question, options, pairs), str)
    assert len(match_answers([{"id": 1, "question": question, "prediction": text(), "answer": text()}])) == 1
    assert len(verify([*LINES, text()], [{"id": 1, "question": question, "answer": text()}])) == 1
    assert len(answer_blind(text(), [{"id": 1, "question": question, "options": options}], "builtin-probe_a")) == 1
    assert isinstance(write_distractors(LINES, {"id": 1, "question": question, "answer": text()}, 3), list)
    history = [{"thought": text(), "action": "segment_query", "argument": text(), "observation": text()}]
    assert next_step(question, options, "00:00-00:08", history)["action"]
    for action in ("segment_query", "segment_retrieval", text()):
        assert isinstance(observe(CAPTION, action, text())[0], str)
    assert write_prose(history) == ["", ""]


@pytest.mark.parametrize(
    "observation",
    ["00:99 a yellow triangle", "00:03", "00:03 yes", "a", "00:03 a yellow", "\x00", "00:03 a yellow triangle on fire"],
)
def test_nonsense_is_no_true_observation(observation: str) -> None:
    assert check_observations(LINES, [{"action": "look at 00:03", "observation": observation}]) == [False]
