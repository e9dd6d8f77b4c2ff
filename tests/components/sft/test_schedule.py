from __future__ import annotations

import pytest

from components.sft.schedule import step_at
from components.sft.settings import Phase

PHASES = (Phase(steps=5, videos=4, observe=2), Phase(steps=3, videos=2, think=1))


def test_every_video_comes_once_in_an_epoch_across_phases() -> None:
    steps = [step_at(number, PHASES, 8, seed=0) for number in range(8)]
    drawn = [video for step in steps for video in step.videos]
    assert all(sorted(drawn[start : start + 8]) == list(range(8)) for start in (0, 8, 16))
    assert drawn[:8] != drawn[8:16]
    assert [step.phase for step in steps] == [PHASES[0]] * 5 + [PHASES[1]] * 3


def test_a_step_depends_on_seed_and_number_only() -> None:
    assert step_at(6, PHASES, 13, seed=0) == step_at(6, PHASES, 13, seed=0)
    assert step_at(6, PHASES, 13, seed=0) != step_at(6, PHASES, 13, seed=1)


def test_a_small_corpus_brings_no_video_twice_into_a_step() -> None:
    assert sorted(step_at(0, PHASES, 3, seed=0).videos) == [0, 1, 2]


def test_there_is_nothing_after_the_last_step() -> None:
    with pytest.raises(IndexError):
        step_at(8, PHASES, 13, seed=0)
