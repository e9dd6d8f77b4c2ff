"""A frame plan says which times and what size, before anything is decoded."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.core.video.plans import FramePlan


def test_times_are_regular_from_the_start() -> None:
    assert FramePlan(start_s=2, end_s=4, fps=2).times() == [2.0, 2.5, 3.0, 3.5]


def test_a_span_shorter_than_one_period_still_gets_one_look() -> None:
    assert FramePlan(start_s=5, end_s=5.2, fps=1).times() == [5.0]


def test_too_few_frames_are_spread_over_the_whole_span() -> None:
    assert FramePlan(end_s=100, fps=10, max_frames=4).times() == [0.0, 25.0, 50.0, 75.0]


def test_a_pixel_budget_keeps_the_aspect_ratio_and_never_enlarges() -> None:
    width, height = FramePlan(end_s=1, max_pixels=56 * 56, multiple=28).size(320, 240)
    assert width % 28 == height % 28 == 0
    assert FramePlan(end_s=1, max_pixels=10**6).size(112, 112) == (112, 112)


def test_an_exact_size_wins_over_the_native_one() -> None:
    assert FramePlan(end_s=1, width=56, height=56).size(320, 240) == (56, 56)


@pytest.mark.parametrize("wrong", [{"end_s": 0}, {"end_s": 1, "width": 56}, {"end_s": 1, "fps": 0}])
def test_a_plan_that_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FramePlan.model_validate(wrong)
