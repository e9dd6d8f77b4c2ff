"""A frame plan says which times and what size, before anything is decoded."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from components.core.errors import VideoError
from components.core.video.plans import FramePlan, fitted

SIDES = (
    15,
    28,
    41,
    42,
    43,
    56,
    112,
    144,
    160,
    240,
    270,
    320,
    360,
    480,
    540,
    640,
    720,
    853,
    960,
    1080,
    1280,
    1920,
    3840,
)
TOKEN = 28 * 28
LIMITS = (
    (0, 4 * TOKEN),
    (0, 128 * TOKEN),
    (128 * TOKEN, 128 * TOKEN),
    (128 * TOKEN, 768 * TOKEN),
    (56 * 56, 14 * 14 * 4 * 1280),
    (0, 128 * TOKEN * 0.77),
)


@pytest.mark.parametrize("factor", [2, 28, 32])
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_sizes_equal_those_of_qwens_own_tools(limits: tuple[float, float], factor: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    for width, height in itertools.product(SIDES, SIDES):
        # Sides under half a factor round to nothing in transformers, to one factor in qwen-vl-utils and here.
        if min(width, height) > factor / 2 and max(width, height) <= 200 * min(width, height):
            expected = smart_resize(height, width, factor, *limits)
            assert fitted(width, height, factor, *limits) == (expected[1], expected[0]), (width, height)


@pytest.mark.parametrize(
    ("width", "height"), [(640, 360), (854, 480), (1280, 720), (1920, 1080), (720, 1280), (1440, 1080), (2560, 1080)]
)
def test_a_budget_of_128_tokens_is_kept_by_every_common_size(width: int, height: int) -> None:
    fitted_width, fitted_height = FramePlan(end_s=1, max_pixels=128 * TOKEN, multiple=28).size(width, height)
    assert fitted_width * fitted_height <= 128 * TOKEN


def test_a_minimum_enlarges_small_pictures() -> None:
    assert FramePlan(end_s=1, min_pixels=128 * TOKEN, max_pixels=128 * TOKEN, multiple=28).size(112, 112) == (336, 336)


def test_a_side_of_less_than_half_a_multiple_becomes_one_multiple() -> None:
    assert fitted(1000, 10, 28, 0, 128 * TOKEN) == (1008, 28)


def test_a_picture_too_narrow_to_be_fitted_is_its_videos_error() -> None:
    assert fitted(2000, 10, 28, 0, 128 * TOKEN)[1] == 28
    with pytest.raises(VideoError, match="2001×10"):
        FramePlan(end_s=1, max_pixels=128 * TOKEN).size(2001, 10)


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


def test_times_without_an_answer_are_told_as_stretches() -> None:
    plan = FramePlan(start_s=10, end_s=15, fps=2)
    assert plan.missing(plan.times()) == []
    assert plan.missing([10.0, 10.5, 12.0, 14.0]) == [(11.0, 12.0), (12.5, 14.0), (14.5, 15.0)]
    assert plan.missing([]) == [(10.0, 15.0)]


@pytest.mark.parametrize(
    "wrong",
    [{"end_s": 0}, {"end_s": 1, "width": 56}, {"end_s": 1, "fps": 0}, {"end_s": 1, "min_pixels": 2, "max_pixels": 1}],
)
def test_a_plan_that_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FramePlan.model_validate(wrong)
