"""Readers return the frame that was on screen, with its own time, whatever the encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from components.core.errors import VideoError
from components.core.video.limits import VideoLimits
from components.core.video.plans import FramePlan
from components.core.video.reader import PyAVReader

from .conftest import Numbered, number_of

ENCODINGS: dict[str, dict[str, object]] = {
    "plain.mp4": {"bf": "0"},
    "b-frames.mp4": {"bf": "3"},
    "open-gop.mp4": {"bf": "3", "x264-params": "open-gop=1:b-pyramid=none"},
    "b-frames.mkv": {"bf": "3"},
    "variable-rate.mp4": {"bf": "2", "uneven": True},
    "variable-rate.mkv": {"bf": "2", "uneven": True},
    "transport-stream.ts": {"bf": "2"},
    "late-start.mp4": {"bf": "2", "first": 1500},
    "hevc.mp4": {"codec": "libx265", "x265-params": "log-level=error:open-gop=1:bframes=3"},
    "vp9.webm": {"codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8"},
}
PLANS = {
    "every second": FramePlan(end_s=19.9, fps=1),
    "dense": FramePlan(start_s=3.03, end_s=7, fps=7),
    "coarse, seeking": FramePlan(start_s=1.37, end_s=19.9, fps=1 / 4.1),
    "one look in a late part": FramePlan(start_s=17.26, end_s=17.3),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("name", ENCODINGS)
def test_the_frame_on_screen_comes_back_with_its_own_time(
    make_video: Callable[..., Numbered], name: str, plan: FramePlan
) -> None:
    video = make_video(name, **ENCODINGS[name])
    frames = PyAVReader().read(video.path, plan)
    shown = [video.on_screen(asked_s) for asked_s in plan.times()]
    assert [number_of(frame.pixels) for frame in frames] == shown
    assert [frame.time_s for frame in frames] == pytest.approx([video.times_s[n] for n in shown], abs=1e-3)
    assert [frame.asked_s for frame in frames] == plan.times()


def test_a_start_cut_off_by_an_edit_list_is_not_shown(make_video: Callable[..., Numbered]) -> None:
    video = make_video("edit-list.mp4", first=-1000, bf="0")
    frames = PyAVReader().read(video.path, FramePlan(end_s=5, fps=1))
    assert [number_of(frame.pixels) for frame in frames] == [10, 20, 30, 40, 50]
    assert [frame.time_s for frame in frames] == [0, 1, 2, 3, 4]


def test_times_between_two_frames_share_one_array(plain: Numbered) -> None:
    first, second, third = PyAVReader().read(plain.path, FramePlan(end_s=0.15, fps=20))
    assert first.pixels is second.pixels
    assert third.pixels is not first.pixels


def test_frames_are_resized_while_decoding(plain: Numbered) -> None:
    (frame,) = PyAVReader().read(plain.path, FramePlan(end_s=0.1, width=32, height=16))
    assert frame.pixels.shape == (16, 32, 3)
    assert frame.pixels.dtype == np.uint8


def test_a_rotated_video_comes_back_upright(plain: Numbered, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    content = plain.path.read_bytes()
    # The display matrix of the track header: a quarter turn in place of the identity.
    identity = b"".join(n.to_bytes(4, "big") for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    quarter = b"".join(n.to_bytes(4, "big") for n in (0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, 0, 0, 1 << 30))
    at = content.index(identity, content.index(b"tkhd"))
    turned.write_bytes(content[:at] + quarter + content[at + len(identity) :])
    plan = FramePlan(start_s=0.1, end_s=0.2)
    (before,), (after,) = PyAVReader().read(plain.path, plan), PyAVReader().read(turned, plan)
    # The matrix says: show me turned clockwise by 90°.
    assert np.array_equal(after.pixels, np.rot90(before.pixels, -1))


def test_a_file_that_ends_early_raises_in_place_of_repeating_its_last_frame(plain: Numbered, tmp_path: Path) -> None:
    cut = tmp_path / "cut.ts"
    with av.open(str(plain.path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.pts is not None and packet.pts * packet.time_base < 5:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(VideoError, match="ends at"):
        PyAVReader().read(cut, FramePlan(end_s=20, fps=1))


def test_a_picture_over_the_limit_is_refused(plain: Numbered) -> None:
    with pytest.raises(VideoError, match="over the limit"):
        PyAVReader(VideoLimits(max_frame_pixels=1000)).read(plain.path, FramePlan(end_s=1))
    with pytest.raises(VideoError, match="over the limit"):
        PyAVReader(VideoLimits(max_duration_s=10)).read(plain.path, FramePlan(end_s=1))


def test_a_plan_for_too_many_pixels_is_refused_before_decoding(plain: Numbered) -> None:
    with pytest.raises(VideoError, match="MB of frames"):
        PyAVReader(VideoLimits(max_reply_mb=1)).read(plain.path, FramePlan(end_s=20, fps=10))
