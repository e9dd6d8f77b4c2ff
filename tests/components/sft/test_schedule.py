from __future__ import annotations

import random

import pytest

from components.sft.schedule import sampling_rng, step_at
from components.sft.settings import Phase

PHASES = (Phase(steps=5, videos=4, observe=2), Phase(steps=3, videos=2, think=1))


def test_every_video_comes_once_in_an_epoch_across_phases() -> None:
    steps = [step_at(number, PHASES, 8, seed=0) for number in range(8)]
    drawn = [video for step in steps for video in step.videos]
    assert all(sorted(drawn[start : start + 8]) == list(range(8)) for start in (0, 8, 16))
    assert drawn[:8] != drawn[8:16]
    assert [step.phase for step in steps] == [PHASES[0]] * 5 + [PHASES[1]] * 3


def test_a_step_depends_on_seed_and_number_only() -> None:
    """Whatever was drawn before it, in this process or another: what a run that was killed goes on from."""
    assert step_at(6, PHASES, 13, seed=0).videos == (8, 7)  # in any process, on any machine
    in_order = [step_at(number, PHASES, 13, seed=0) for number in range(8)]
    random.seed(12345)
    backwards = [step_at(number, PHASES, 13, seed=0) for number in reversed(range(8))]
    assert backwards[::-1] == in_order
    assert in_order != [step_at(number, PHASES, 13, seed=1) for number in range(8)]


def test_what_a_video_brings_does_not_depend_on_the_videos_beside_it() -> None:
    """Drawn by seed, step and video: a neighbour that cannot be read changes nothing."""
    alone = [sampling_rng(0, 3, "b").random()]
    beside = [sampling_rng(0, 3, name).random() for name in ("a", "b", "c")]
    assert alone[0] == beside[1] and len(set(beside)) == 3
    assert sampling_rng(0, 4, "b").random() != sampling_rng(1, 3, "b").random() != alone[0]


def test_a_small_corpus_brings_no_video_twice_into_a_step() -> None:
    assert sorted(step_at(0, PHASES, 3, seed=0).videos) == [0, 1, 2]


def test_there_is_nothing_after_the_last_step() -> None:
    with pytest.raises(IndexError):
        step_at(8, PHASES, 13, seed=0)
