from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.judging import blind, claims, matching, options, quantities, rewards
from components.core.judging.rewards import (
    RewardTerms,
    accuracy_and_format,
    group_advantages,
    observation_and_reasoning,
)

REWARDS = st.floats(0, 4).map(lambda value: round(value, 3))


@pytest.mark.parametrize("module", [blind, matching, options, quantities, rewards, claims])
def test_the_examples_in_the_documentation_hold(module: object) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize(
    ("terms", "o_and_r", "outcome"),
    [
        (RewardTerms(1, 1, 1, 1, judged=True), 4, 2),
        (RewardTerms(1, 0.5, 0, 0, judged=True), 1.5, 1),
        (RewardTerms(0, 1, 1, 1, judged=True), 1, 1),
        (RewardTerms(0, 0, 0, 0, judged=False), 0, 0),
    ],
)
def test_the_reward_follows_the_paper(terms: RewardTerms, o_and_r: float, outcome: float) -> None:
    assert observation_and_reasoning([terms, None]) == [o_and_r, None]
    assert accuracy_and_format([terms, None]) == [outcome, None]


def test_a_failed_sample_leaves_its_group_before_the_baseline() -> None:
    assert group_advantages([1, 3, 2, None])[:3] == group_advantages([1, 3, 2])
    assert group_advantages([1, 3, 2, None])[3] is None
    assert group_advantages([1, 3, 2])[2] == 0
    assert group_advantages([1, 3, 2, 0])[2] != 0, "a placeholder of zero would have shifted the baseline"


@given(st.lists(st.one_of(st.none(), REWARDS), max_size=12))
def test_advantages_depend_on_judged_samples_alone(group: list[float | None]) -> None:
    present = [reward for reward in group if reward is not None]
    advantages = group_advantages(group)
    assert [advantage for advantage in advantages if advantage is not None] == group_advantages(present)
    assert [advantage is None for advantage in advantages] == [reward is None for reward in group]


@given(st.lists(REWARDS, min_size=2, max_size=12), st.floats(-5, 5), st.floats(0.5, 5))
def test_advantages_are_centred_and_blind_to_shift_and_scale(group: list[float], shift: float, factor: float) -> None:
    advantages = [float(value) for value in group_advantages(group) if value is not None]
    moved = [float(value) for value in group_advantages([shift + factor * r for r in group]) if value is not None]
    assert math.isclose(sum(advantages), 0, abs_tol=1e-6)
    assert advantages == pytest.approx(moved, abs=1e-5)


def test_an_equal_group_teaches_nothing_and_an_unjudged_one_has_no_advantages() -> None:
    assert group_advantages([2.0, 2.0, None]) == [0.0, 0.0, None]
    assert group_advantages([None, None]) == [None, None]
    assert group_advantages([]) == []


def test_without_scaling_advantages_keep_the_unit_of_the_reward() -> None:
    assert group_advantages([1.0, 3.0], scale=False) == [-1.0, 1.0]
