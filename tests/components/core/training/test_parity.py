from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest import MonkeyPatch

from components.core.errors import TrainingError
from components.core.students.prompting import Prefix, Segment
from components.core.students.samplers.own import OwnSampler
from components.core.students.samplers.sampler import Decoding, Request
from components.core.students.student import Ask, Student
from components.core.training import parity
from components.core.training.parity import LIMITS, assert_agreement, assert_positions, summarise
from tests.components.training_world import frames, tiny_student, unlit

PRECISIONS = ["float32", "bfloat16"]


def requests(student: Student, replies: int = 2) -> list[Request]:
    """Three questions about two videos of different length."""
    first, second = student.prefix(frames(4), 2.0), student.prefix(frames(8, seed=1), 4.0)
    asks = [
        Ask(first, "think", "What colour is the shape at [00:01]?", ("red", "blue")),
        Ask(second, "direct", "Which?"),
        Ask(first, "caption"),
    ]
    return [student.request(ask, replies) for ask in asks]


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """float32 weights, multiplied in this precision."""
    with torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext():
        yield


def check(student: Student) -> parity.Disagreement:
    decoding = Decoding(24, temperature=1.0, never=student.never)
    sampler = OwnSampler(student.packed, student.ends)
    return assert_agreement(student.packed, sampler, requests(student, parity.REPLIES), decoding)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("style", ["compact", "full"])
def test_sampler_and_trainer_agree(style: str, precision: str, tmp_path: Path) -> None:
    student = tiny_student(tmp_path, style=style)
    with arithmetic(precision):
        seen = check(student)
    assert seen.tokens > 100
    assert (seen.mean < 1e-6) == (precision == "float32")  # the two precisions do differ


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_taught_student_agrees_with_itself(taught: Student, precision: str) -> None:
    with arithmetic(precision):
        assert check(taught).tokens > 100


@pytest.mark.parametrize("precision", PRECISIONS)
def test_replies_scored_one_position_late_stop_training(
    taught: Student, precision: str, monkeypatch: MonkeyPatch
) -> None:
    def late(prefix: Prefix, segments: list[Segment]) -> Any:
        return pack(dataclasses.replace(prefix, next_position=prefix.next_position + 1), segments)

    pack = parity.pack
    monkeypatch.setattr(parity, "pack", late)
    monkeypatch.setattr(parity, "assert_positions", lambda *_: None)
    with arithmetic(precision), pytest.raises(TrainingError, match=f"disagree.*{precision}"):
        check(taught)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_trainer_that_never_sees_the_video_stops_training(
    taught: Student, precision: str, monkeypatch: MonkeyPatch
) -> None:
    scores = parity.log_probabilities
    monkeypatch.setattr(parity, "log_probabilities", lambda model, rows, *given: scores(model, unlit(rows), *given))
    with arithmetic(precision), pytest.raises(TrainingError, match="disagree"):
        check(taught)


def test_in_float32_even_random_weights_show_a_late_position(student: Student, monkeypatch: MonkeyPatch) -> None:
    pack = parity.pack
    monkeypatch.setattr(
        parity,
        "pack",
        lambda prefix, rest: pack(dataclasses.replace(prefix, next_position=prefix.next_position + 1), rest),
    )
    monkeypatch.setattr(parity, "assert_positions", lambda *_: None)
    with pytest.raises(TrainingError, match="disagree"):
        check(student)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_one_outlier_in_a_thousand_tokens_is_no_disagreement_and_two_in_a_hundred_are(precision: str) -> None:
    mean, percentile = LIMITS[precision]
    few, many = torch.full((1000,), mean / 2), torch.full((1000,), mean / 2)
    few[:1] = many[:20] = 3 * percentile
    passes = [seen.mean <= mean and seen.percentile_99 <= percentile for seen in map(summarise, (few, many))]
    assert passes == [True, False]


def test_a_score_that_is_no_number_stops_training(student: Student, monkeypatch: MonkeyPatch) -> None:
    """NaN compares as false with every limit; it must not compare as agreement."""
    scores = parity.log_probabilities
    monkeypatch.setattr(
        parity,
        "log_probabilities",
        lambda *given: [[values * float("nan") for values in row] for row in scores(*given)],
    )
    with pytest.raises(TrainingError, match="disagree"):
        check(student)


def test_wrong_positions_stop_training(student: Student) -> None:
    request = requests(student)[0]
    good = request.prefix
    assert_positions(student.model, request)
    shifted = tuple((time + 1, row, column) for time, row, column in good.positions)
    for prefix in (
        dataclasses.replace(good, positions=shifted),
        dataclasses.replace(good, next_position=good.next_position + 1),  # the text behind the video
    ):
        with pytest.raises(TrainingError, match="Positions"):
            assert_positions(student.model, dataclasses.replace(request, prefix=prefix))
