"""Reasoner, observer and converter reach the answer by looking, and write it down in the tags' grammar."""

from __future__ import annotations

from typing import Any

import pytest

from components.agent_cot.conversion import assemble
from components.core.data.rows import Step
from components.core.traces.tags import parse
from components.sandbox.teacher.checking import check_observations, infer
from components.sandbox.teacher.questions import write_questions
from components.sandbox.teacher.rewatching import next_step, observe, write_prose
from tests.components.sandbox.teacher.clip import (
    CAPTION,
    CROWD,
    CROWD_CAPTION,
    FOOTAGE,
    FOOTAGE_CAPTION,
    LINES,
    TYPES,
)


def written(history: list[dict[str, str]], answer: str) -> str:
    """The trajectory as the pipeline writes it from these looks and the converter's prose."""
    return assemble([Step.model_validate(step) for step in history], write_prose(history), answer)


def _rewatch(question: str, caption: list[dict[str, Any]], duration: str) -> tuple[list[dict[str, str]], str]:
    """Let reasoner and observer work until the reasoner answers."""
    history: list[dict[str, str]] = []
    for _ in range(6):
        step = next_step(question, [], duration, history)
        if step["action"] == "answer":
            return history, step["argument"]
        observation, events = observe(caption, step["action"], step["argument"])
        assert set(events) <= {event["event"] for event in caption} != set()
        history.append({**step, "observation": observation})
    raise AssertionError(f"no answer to {question!r} after {history}")


@pytest.mark.parametrize(
    ("caption", "lines", "duration"),
    [
        (CAPTION, LINES, "00:00-00:08"),
        (CROWD_CAPTION, CROWD, "00:00-00:18"),
        (FOOTAGE_CAPTION, FOOTAGE, "00:00-00:09"),
    ],
)
def test_every_question_is_solved_by_true_observations_that_prove_the_answer(
    caption: list[dict[str, Any]], lines: list[str], duration: str
) -> None:
    for asked in write_questions(caption, "", TYPES, 60):
        history, answer = _rewatch(asked["question"], caption, duration)
        trace = parse(written(history, answer))
        pairs = [{"action": pair.action, "observation": pair.observation} for pair in trace.pairs]
        assert answer == asked["answer"], asked
        assert len(history) == asked["looks"], asked
        assert history and len({(step["action"], step["argument"]) for step in history}) == len(history)
        assert trace.well_formed and trace.answer == answer
        assert all(check_observations(lines, pairs)), asked
        assert infer(asked["question"], [], pairs) == answer, asked


@pytest.mark.parametrize(
    ("question", "looks"),
    [
        ("What colour is the shape at [00:03]?", ["look 00:03"]),
        ("What appears right after the yellow triangle?", ["find a yellow triangle", "look 00:05"]),
        ("What is shown right before the yellow triangle appears?", ["find a yellow triangle", "look 00:02"]),
        ("When does the yellow triangle appear?", ["find a yellow triangle", "look 00:03"]),
        (
            "From when to when is the yellow triangle visible?",
            ["find a yellow triangle", "look 00:03", "look 00:05"],
        ),
        ("For how many seconds is the green circle visible?", ["find a green circle", "look 00:07"]),
        (
            "When does the later of the white cross and the blue square appear?",
            ["find a white cross", "find a blue square", "look 00:05"],
        ),
        (
            "What is shown between the white cross and the blue square?",
            ["find a white cross", "find a blue square", "look 00:03"],
        ),
        (
            "What is the second thing to appear after the blue square?",
            ["find a blue square", "look 00:03", "find a yellow triangle", "look 00:05"],
        ),
        ("How many different red shapes are shown?", ["find red shapes", "look 00:00"]),
        (
            "If the video had ended right before the yellow triangle appears, how many shapes would have been seen?",
            ["find a yellow triangle", "find every shape until 00:03"],
        ),
    ],
)
def test_a_trajectory_takes_the_looks_that_its_question_needs(question: str, looks: list[str]) -> None:
    taken, _ = _rewatch(question, CAPTION, "00:00-00:08")
    verbs = {"segment_query": "look", "segment_retrieval": "find"}
    assert [f"{verbs[step['action']]} {step['argument']}" for step in taken] == looks


@pytest.mark.parametrize(
    "question",
    [
        "What appears right after the yellow triangle?",
        "What is shown right before the yellow triangle appears?",
        "What is shown between the white cross and the blue square?",
        "What is the second thing to appear after the blue square?",
        "If the video had ended right before the white cross appears, how many shapes would have been seen?",
    ],
)
def test_no_look_is_one_too_many(question: str) -> None:
    """Before its last look nobody knows the answer."""
    history, answer = _rewatch(question, CAPTION, "00:00-00:08")
    pairs = [{"action": pair.action, "observation": pair.observation} for pair in parse(written(history, answer)).pairs]
    assert infer(question, [], pairs) == answer
    assert [infer(question, [], pairs[:count]) for count in range(len(pairs))] == [""] * len(pairs)


@pytest.mark.parametrize(
    "question",
    [
        "When does the later of the white cross and the blue square appear?",
        "What is shown between the white cross and the blue square?",
    ],
)
def test_of_two_things_both_must_be_found(question: str) -> None:
    history, answer = _rewatch(question, CAPTION, "00:00-00:08")
    pairs = [{"action": pair.action, "observation": pair.observation} for pair in parse(written(history, answer)).pairs]
    assert [infer(question, [], pairs[:n] + pairs[n + 1 :]) for n in range(2)] == ["", ""]


def test_movement_is_found_and_its_end_is_looked_at() -> None:
    stop, answer = _rewatch("When does the red circle stop moving?", CROWD_CAPTION, "00:00-00:18")
    assert [(step["argument"], step["observation"]) for step in stop] == [
        ("a red circle moving", "00:04-00:09 a red circle moves right"),
        ("00:09", "00:09 a blue square; a green circle; a red circle"),
    ]
    assert answer == "00:09"


def test_the_answer_is_given_as_the_text_of_an_option() -> None:
    history = [
        {"thought": "", "action": "segment_query", "argument": "00:03", "observation": "00:03 a yellow triangle"}
    ]
    step = next_step("What colour is the shape at [00:03]?", ["Red", "Yellow"], "00:00-00:08", history)
    assert (step["action"], step["argument"]) == ("answer", "Yellow")


def test_the_reasoner_goes_by_the_observation_even_when_it_is_wrong() -> None:
    history = [{"thought": "", "action": "segment_query", "argument": "00:03", "observation": "00:03 a purple cross"}]
    assert next_step("What colour is the shape at [00:03]?", [], "00:00-00:08", history)["argument"] == "purple"


def test_observations_begin_with_their_key() -> None:
    assert observe(CAPTION, "segment_query", "[00:04]") == ("00:04 a yellow triangle", [2])
    assert observe(CAPTION, "segment_retrieval", "a white cross") == ("00:05-00:07 a white cross", [3])
    assert observe(CROWD_CAPTION, "segment_retrieval", "a blue square") == ("00:04-00:13 a blue square", [1, 2])


def test_nothing_is_found_where_nothing_matches() -> None:
    observation, events = observe(CAPTION, "segment_retrieval", "a purple cross")
    assert observation == "nothing found" and events == [0]


def test_the_prose_of_one_look_is_short() -> None:
    history, answer = _rewatch("What colour is the shape at [00:03]?", CAPTION, "00:00-00:08")
    assert written(history, answer) == (
        "<action>look at 00:03</action><observation>00:03 a yellow triangle</observation><answer>yellow</answer>"
    )
