"""What a student sees of a video follows the rules of qwen-vl-utils, so that ReWatch-R1's numbers can be given."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from components.core.students.profile import FrameSettings
from components.core.video.plans import fitted
from pipelines.profile import load_profile
from tests.laptop import FRAMES

TOKEN = 28 * 28
PAPER = FrameSettings(
    fps=2.0,
    max_frames=192,
    width=0,
    height=0,
    min_pixels=128 * TOKEN,
    max_pixels=128 * TOKEN,
    total_pixels=12_288 * TOKEN,
)
DURATIONS = (1.5, 2.0, 3.3, 7.9, 8.0, 9.0, 13.37, 60.0, 95.5, 96.0, 97.1, 600.0, 3601.2)
RATE = 30


def frames_of(duration_s: float, settings: FrameSettings) -> int:
    """qwen-vl-utils' rule: the rate asked for, within limits that are made even, made even."""
    recorded = round(duration_s * RATE)
    least, most = 2 * math.ceil(settings.min_frames / 2), 2 * math.floor(settings.max_frames / 2)
    wanted = min(max(recorded / RATE * settings.fps, least), most, recorded)
    return 2 * math.floor(wanted / 2)


def size_of(width: int, height: int, frames: int, settings: FrameSettings) -> tuple[int, int]:
    """qwen-vl-utils' rule: what a frame may have of the total, but not under 1.05 times the minimum."""
    share = max(min(768 * TOKEN, settings.total_pixels / frames * 2), int(settings.min_pixels * 1.05))
    return fitted(width, height, 28, settings.min_pixels, min(settings.max_pixels, share))


@pytest.mark.parametrize("duration_s", DURATIONS)
@pytest.mark.parametrize(
    "settings",
    [
        PAPER,
        PAPER.model_copy(update={"max_frames": 384}),
        PAPER.model_copy(update={"min_pixels": 16 * TOKEN, "max_pixels": 300 * TOKEN, "max_frames": 383}),
    ],
    ids=["paper", "twice the frames", "wide limits"],
)
def test_count_and_size_follow_qwen_vl_utils(settings: FrameSettings, duration_s: float) -> None:
    plan = settings.plan(duration_s)
    count = frames_of(duration_s, settings)
    assert len(plan.times()) == count
    for native in ((320, 240), (640, 360), (1280, 720), (1080, 1920), (112, 112)):
        assert plan.size(*native) == size_of(*native, count, settings)


def test_the_papers_numbers_give_its_12288_tokens_at_most() -> None:
    plan = PAPER.plan(600.0)
    width, height = plan.size(1280, 720)
    assert len(plan.times()) == 192
    assert 0.9 * 12_288 < len(plan.times()) / 2 * width * height / TOKEN <= 12_288


def test_the_cluster_profile_has_the_papers_numbers() -> None:
    assert load_profile("cluster").stages["sft"].student.frames == PAPER


def test_frames_are_spread_over_the_whole_video() -> None:
    assert FRAMES.plan(8.0).times() == [index / 2 for index in range(16)]
    times = FRAMES.plan(5.9).times()
    assert len(times) == 10
    assert times == pytest.approx([0.59 * index for index in range(10)])


def test_a_duration_rounded_to_milliseconds_loses_no_frame() -> None:
    assert FRAMES.count(7.999) == 16


@pytest.mark.parametrize(
    "wrong",
    [{"max_pixels": 100}, {"min_pixels": 0, "max_pixels": 0}, {"width": 56}, {"min_pixels": 200, "max_pixels": 100}],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        FrameSettings.model_validate(wrong)
