from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.judging import blind, claims, matching, options, quantities, rewards
from components.core.judging.rewards import REWARDS as REWARDS_BY_NAME
from components.core.judging.rewards import (
    RewardTerms,
    accuracy_and_format,
    group_advantages,
    observation_and_reasoning,
    observation_term,
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


PADDED = [[False] + [True] * padding for padding in (0, 1, 2, 4, 8)]


def test_padding_with_true_looks_raises_the_mean_of_the_paper_and_not_what_counts_few_or_the_worst() -> None:
    """The table in grpo/README.md."""
    assert [round(observation_term(verdicts), 2) for verdicts in PADDED] == [0, 0.5, 0.67, 0.8, 0.89]
    assert [observation_term(verdicts, most=2) for verdicts in PADDED] == [0, 0.5, 0.5, 0.5, 0.5]
    assert [observation_term(verdicts, worst=True) for verdicts in PADDED] == [0, 0, 0, 0, 0]
    assert observation_term([True] * 3, worst=True) == observation_term([True] * 3, most=2) == 1


def test_a_trace_that_looked_less_than_it_had_to_earns_nothing_for_its_looks() -> None:
    assert [observation_term([True] * looks, least=3) for looks in (0, 2, 3)] == [0, 0, 1]


@pytest.mark.parametrize(("name", "expected"), [("oar", 3.5), ("accuracy", 2), ("observation", 2.5), ("reasoning", 3)])
def test_every_reward_has_a_name_that_a_profile_gives(name: str, expected: float) -> None:
    assert REWARDS_BY_NAME[name]([RewardTerms(1, 0.5, 1, 1, judged=True), None]) == [expected, None]


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
