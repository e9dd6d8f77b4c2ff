"""The frame rate follows motion, length and budget, and never breaks the budget."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from components.captioning import frame_rate
from components.captioning.frame_rate import FrameBudget, choose_rate

RATES = (0.5, 1.0, 2.0, 4.0, 8.0)
durations = st.floats(0.2, 7200)
motions = st.floats(0, 1)
budgets = st.builds(
    FrameBudget,
    frames=st.integers(1, 5000),
    tokens=st.integers(1, 400_000),
    tokens_per_frame=st.integers(1, 256),
    few_frames=st.integers(1, 64),
)


def test_the_examples_of_the_docstring_hold() -> None:
    assert doctest.testmod(frame_rate).failed == 0


@given(durations, motions, budgets)
def test_the_budget_is_never_exceeded_and_the_rate_is_a_rung_whenever_one_is_affordable(
    duration: float, motion: float, budget: FrameBudget
) -> None:
    rate = choose_rate(duration, motion, budget, RATES)
    affordable = budget.allowed_frames / duration
    assert 0 < rate * duration <= budget.allowed_frames * (1 + 1e-9)
    assert rate in RATES or (affordable < RATES[0] and rate == affordable)


@given(durations, motions, motions, budgets)
def test_more_motion_never_lowers_the_rate(duration: float, one: float, other: float, budget: FrameBudget) -> None:
    less, more = sorted((one, other))
    assert choose_rate(duration, less, budget, RATES) <= choose_rate(duration, more, budget, RATES)


@given(durations, durations, motions, budgets)
def test_a_longer_stretch_never_gets_a_higher_rate(
    one: float, other: float, motion: float, budget: FrameBudget
) -> None:
    shorter, longer = sorted((one, other))
    assert choose_rate(shorter, motion, budget, RATES) >= choose_rate(longer, motion, budget, RATES)


@given(durations, motions, budgets, st.integers(0, 1000))
def test_a_larger_budget_never_lowers_the_rate(duration: float, motion: float, budget: FrameBudget, more: int) -> None:
    larger = FrameBudget(budget.frames + more, budget.tokens + more, budget.tokens_per_frame, budget.few_frames)
    assert choose_rate(duration, motion, larger, RATES) >= choose_rate(duration, motion, budget, RATES)


def test_the_rate_really_changes_with_each_of_motion_length_and_tokens() -> None:
    budget = FrameBudget(frames=600, tokens=600 * 100, tokens_per_frame=100, few_frames=8)
    assert [choose_rate(60, motion, budget, RATES) for motion in (0, 0.25, 0.5, 0.75, 1)] == [0.5, 1, 2, 4, 8]
    assert [choose_rate(length, 1, budget, RATES) for length in (60, 120, 240, 600, 2400)] == [8, 4, 2, 1, 0.25]
    assert choose_rate(60, 1, FrameBudget(600, 6000, 100), RATES) == 1
