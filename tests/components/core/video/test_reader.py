"""Readers return the frame that was on screen, with its own time, whatever the encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from components.core.errors import VideoError
from components.core.video.limits import VideoLimits
from components.core.video.plans import FramePlan
from components.core.video.probe import probe
from components.core.video.readers.pyav import Frame, PyAVReader

from .conftest import Maker
from .kinds import KINDS, Numbered, Recipe, number_of

PLANS = {
    "two a second": FramePlan(end_s=17, fps=2),
    "more than there are": FramePlan(start_s=3.03, end_s=9, fps=17),
    "seeking": FramePlan(start_s=1.37, end_s=17, fps=1 / 4.1),
    "one look in a late part": FramePlan(start_s=16.26, end_s=16.3),
}
DAMAGED = [name for name in KINDS if name.startswith(("damaged", "hole"))]


def upright(kind: str, pixels: np.ndarray) -> np.ndarray:
    """As it was before the container turned it."""
    return np.rot90(pixels, -KINDS[kind].turned // 90)


def plain_decoding(video: Numbered) -> list[np.ndarray]:
    """Every frame, decoded from the first packet on."""
    reformatter = VideoReformatter()
    with av.open(str(video.path)) as container:
        container.streams.video[0].thread_count = 1
        return [
            reformatter.reformat(frame, frame.width, frame.height, format="rgb24", interpolation="AREA").to_ndarray()
            for frame in container.decode(container.streams.video[0])
        ]


def wrong_frames(kind: str, video: Numbered, frames: list[Frame]) -> list[tuple[float, int, int]]:
    """Time asked for, number shown and number that was on screen, where they differ."""
    shown = [
        (frame.asked_s, number_of(upright(kind, frame.pixels)), video.on_screen(frame.asked_s)) for frame in frames
    ]
    return [each for each in shown if each[1] != each[2]]


def wrong_times(video: Numbered, frames: list[Frame]) -> list[tuple[float, float, float]]:
    """Time asked for, time returned and time the frame on screen came up, where they differ."""
    shown = [
        (frame.asked_s, frame.time_s, video.times_s[video.on_screen(frame.asked_s) - video.first]) for frame in frames
    ]
    return [each for each in shown if abs(each[1] - each[2]) > 1e-3]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("kind", [name for name in KINDS if name not in DAMAGED])
def test_the_frame_on_screen_comes_back_with_its_own_time(make_video: Maker, kind: str, plan: FramePlan) -> None:
    video = make_video(kind)
    frames = PyAVReader().read(video.path, plan)
    assert [frame.asked_s for frame in frames] == plan.times()
    assert not wrong_frames(kind, video, frames)
    assert not wrong_times(video, frames)
    assert not any(str(frame.time_s).startswith("-") for frame in frames)


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in DAMAGED and not KINDS[name].aspect])
def test_pixels_are_those_of_plain_decoding(make_video: Maker, kind: str) -> None:
    video = make_video(kind)
    decoded = plain_decoding(video)
    for plan in PLANS.values():
        for frame in PyAVReader().read(video.path, plan):
            plainly = decoded[video.on_screen(frame.asked_s) - video.first]
            assert np.array_equal(upright(kind, frame.pixels), plainly), f"at {frame.asked_s} s"


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_video_is_read_without_a_wrong_frame_and_its_losses_are_told(make_video: Maker, kind: str) -> None:
    video = make_video(kind)
    plan = FramePlan(end_s=probe(video.path).duration_s, fps=20)
    frames = PyAVReader().read(video.path, plan)
    missing = plan.missing(frame.asked_s for frame in frames)
    lost_s = sum(end_s - start_s for start_s, end_s in missing)
    print(f"{kind:<34} frames {len(frames):>4}  lost {lost_s:.2f} s {missing}")
    assert plan.end_s == pytest.approx(video.duration_s, abs=0.1)
    assert not wrong_frames(kind, video, frames)
    assert not wrong_times(video, frames)
    if kind not in DAMAGED:
        assert not missing
        return
    assert missing, "a damaged file lost nothing"
    # What was hit and the rest of its group of pictures, in one stretch.
    assert missing[-1][1] - missing[0][0] <= lost_s + 0.2
    assert lost_s <= 10
    assert missing[-1][1] < plan.end_s - 2


@pytest.mark.parametrize("start_s", [0, 1])
@pytest.mark.parametrize("kind", [name for name in KINDS if name not in DAMAGED])
def test_a_coarse_look_shows_frames_near_the_times_asked_for_with_their_own(
    make_video: Maker, kind: str, start_s: float
) -> None:
    video = make_video(kind)
    plan = FramePlan(start_s=start_s, end_s=17, fps=0.25, exact=False)
    frames = PyAVReader().read(video.path, plan)
    assert [frame.asked_s for frame in frames] == plan.times()
    for frame in frames:
        number = number_of(upright(kind, frame.pixels))
        assert frame.time_s == pytest.approx(video.times_s[number - video.first], abs=1e-3)
        assert abs(frame.time_s - frame.asked_s) <= 2 or number == video.on_screen(frame.asked_s)
        assert plan.start_s <= frame.time_s < plan.end_s or number == video.on_screen(frame.asked_s)
    assert number_of(upright(kind, frames[0].pixels)) == video.on_screen(start_s)
    assert len({frame.time_s for frame in frames}) == len(frames)


def test_a_coarse_look_decodes_keyframes_alone(make_video: Maker) -> None:
    video = make_video("B-frames")
    frames = PyAVReader().read(video.path, FramePlan(end_s=17, fps=0.25, exact=False))
    assert [frame.time_s for frame in frames] == [0, 5, 7.5, 12.5, 15]


def test_times_between_two_frames_share_one_array(plain: Numbered) -> None:
    first, second, third = PyAVReader().read(plain.path, FramePlan(end_s=0.15, fps=20))
    assert first.pixels is second.pixels
    assert third.pixels is not first.pixels


def test_frames_are_resized_while_decoding(plain: Numbered) -> None:
    (frame,) = PyAVReader().read(plain.path, FramePlan(end_s=0.1, width=32, height=16))
    assert frame.pixels.shape == (16, 32, 3)
    assert frame.pixels.dtype == np.uint8


def test_a_rotated_video_comes_back_upright(make_video: Maker, plain: Numbered) -> None:
    turned = make_video("turned", Recipe(".mp4", options={"bf": "0"}, turned=-90))
    plan = FramePlan(start_s=0.1, end_s=0.2)
    (before,), (after,) = PyAVReader().read(plain.path, plan), PyAVReader().read(turned.path, plan)
    # The container says: show me turned clockwise by 90°.
    assert np.array_equal(after.pixels, np.rot90(before.pixels, -1))


def test_pixels_that_are_wider_than_high_are_shown_wide(make_video: Maker) -> None:
    video = make_video("wide", Recipe(".mp4", aspect=Fraction(2), frames=10))
    assert (probe(video.path).width, probe(video.path).height) == (128, 64)
    (frame,) = PyAVReader().read(video.path, FramePlan(end_s=0.1))
    assert frame.pixels.shape == (64, 128, 3)
    upended = make_video("wide and turned", Recipe(".mp4", aspect=Fraction(2), turned=90, frames=10))
    assert (probe(upended.path).width, probe(upended.path).height) == (64, 128)
    (frame,) = PyAVReader().read(upended.path, FramePlan(end_s=0.1))
    assert frame.pixels.shape == (128, 64, 3)


def test_times_after_the_end_have_no_frame_in_place_of_the_last(plain: Numbered, tmp_path: Path) -> None:
    cut = tmp_path / "cut.ts"
    with av.open(str(plain.path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is not None and packet.pts * packet.time_base < 5:
                packet.stream = stream
                target.mux(packet)
    plan = FramePlan(end_s=20, fps=1)
    frames = PyAVReader().read(cut, plan)
    assert [frame.asked_s for frame in frames] == [0, 1, 2, 3, 4]
    assert plan.missing(frame.asked_s for frame in frames) == [(5, 20)]
    with pytest.raises(VideoError, match=r"no picture .* from 10.00 s to 20.00 s"):
        PyAVReader().read(cut, FramePlan(start_s=10, end_s=20, fps=1))


def test_a_picture_over_the_limit_is_refused(plain: Numbered) -> None:
    with pytest.raises(VideoError, match="over the limit"):
        PyAVReader(VideoLimits(max_frame_pixels=1000)).read(plain.path, FramePlan(end_s=1))
    with pytest.raises(VideoError, match="over the limit"):
        PyAVReader(VideoLimits(max_duration_s=10)).read(plain.path, FramePlan(end_s=1))


def test_a_plan_for_too_many_pixels_is_refused_before_decoding(plain: Numbered) -> None:
    with pytest.raises(VideoError, match="MB of frames"):
        PyAVReader(VideoLimits(max_reply_mb=1)).read(plain.path, FramePlan(end_s=20, fps=10))
