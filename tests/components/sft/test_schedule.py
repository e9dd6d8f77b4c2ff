from __future__ import annotations

import random

import pytest

from components.sft.schedule import Schedule, Step, sampling_rng
from components.sft.settings import Phase

PHASES = (Phase(steps=5, videos=4, observe=2), Phase(steps=3, videos=2, think=1))
LEARNS = (Phase(steps=40, videos=2, find=1, until={"find": 0.9}), Phase(steps=20, videos=2, think=1))


def made(phases: tuple[Phase, ...], videos: int, seed: int, right: float = 0.0) -> list[Step]:
    """All steps of a run in which every step gets this share of its verdicts right."""
    schedule, steps = Schedule(phases, videos, seed), []
    for _ in range(sum(phase.steps for phase in phases)):
        steps.append(schedule.next())
        schedule.note({"right_find": right})
    return steps


def test_every_video_comes_once_in_an_epoch_across_phases() -> None:
    steps = made(PHASES, 8, seed=0)
    drawn = [video for step in steps for video in step.videos]
    assert all(sorted(drawn[start : start + 8]) == list(range(8)) for start in (0, 8, 16))
    assert drawn[:8] != drawn[8:16]
    assert [step.phase for step in steps] == [PHASES[0]] * 5 + [PHASES[1]] * 3


def test_a_step_depends_on_seed_and_number_only() -> None:
    """Whatever was drawn before it, in this process or another: what a run that was killed goes on from."""
    steps = made(PHASES, 13, seed=0)
    assert steps[6].videos == (8, 7)  # in any process, on any machine
    random.seed(12345)
    assert made(PHASES, 13, seed=0) == steps != made(PHASES, 13, seed=1)


def test_a_phase_ends_when_what_it_teaches_is_learned_and_leaves_its_steps_to_the_last() -> None:
    learned = [step.phase for step in made(LEARNS, 8, seed=0, right=0.95)]
    assert learned == [LEARNS[0]] * 10 + [LEARNS[1]] * 50  # ten steps tell
    assert [step.phase for step in made(LEARNS, 8, seed=0, right=0.85)] == [LEARNS[0]] * 40 + [LEARNS[1]] * 20


def test_a_phase_goes_on_while_it_is_learned_by_luck_alone() -> None:
    """A mean over ten steps: one good step between bad ones ends nothing."""
    schedule = Schedule(LEARNS, 8, seed=0)
    for number in range(12):
        schedule.note({"right_find": 1.0 if number in (3, 7, 11) else 0.6})
    assert schedule.phase == 0


def test_a_run_that_continues_knows_its_phase_from_the_log() -> None:
    metrics = [{"right_find": 0.8 + 0.01 * number} for number in range(30)]
    whole, again = Schedule(LEARNS, 8, seed=0), Schedule(LEARNS, 8, seed=0)
    for told in metrics:
        whole.note(told)
    for told in metrics:
        again.note({name: round(value, 6) for name, value in told.items()})
    assert (again.phase, again.next()) == (whole.phase, whole.next()) and whole.phase == 1


def test_what_a_video_brings_does_not_depend_on_the_videos_beside_it() -> None:
    """Drawn by seed, step and video: a neighbour that cannot be read changes nothing."""
    alone = [sampling_rng(0, 3, "b").random()]
    beside = [sampling_rng(0, 3, name).random() for name in ("a", "b", "c")]
    assert alone[0] == beside[1] and len(set(beside)) == 3
    assert sampling_rng(0, 4, "b").random() != sampling_rng(1, 3, "b").random() != alone[0]


def test_a_small_corpus_brings_no_video_twice_into_a_step() -> None:
    assert sorted(made(PHASES, 3, seed=0)[0].videos) == [0, 1, 2]


def test_there_is_nothing_after_the_last_step() -> None:
    schedule = Schedule(PHASES, 13, seed=0)
    for _ in range(8):
        schedule.note({})
    with pytest.raises(IndexError):
        schedule.next()
