"""decord behind the readers' protocol: right where it can be, refused where it is known to be wrong."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from components.core.errors import VideoError
from components.core.video.limits import VideoLimits
from components.core.video.plans import FramePlan
from components.core.video.process import DecoderProcess
from components.core.video.readers.decord import DecordReader
from components.core.video.readers.pyav import PyAVReader
from components.core.video.settings import VideoSettings

from .conftest import Maker
from .kinds import KINDS, X265, Numbered, Recipe, number_of
from .test_reader import PLANS, upright, wrong_frames

RIGHT = (
    "constant rate",
    "variable rate",
    "variable rate, Matroska",
    "B-frames",
    "B-frames that others refer to",
    "B-frames, Matroska",
    "open GOP",
    "HEVC",
    "VP9",
    "fragmented MP4",
    "offset, MP4",
    "offset, Matroska",
    "FLV",
    "Matroska with longer sound",
    "WebM with longer sound",
    "rotation",
)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("kind", RIGHT)
def test_frames_are_found_by_their_timestamps(make_video: Maker, kind: str, plan: FramePlan) -> None:
    video = make_video(kind)
    frames = DecordReader().read(video.path, plan)
    shown = [video.on_screen(asked_s) for asked_s in plan.times()]
    assert [number_of(upright(kind, frame.pixels)) for frame in frames] == shown
    assert [frame.time_s for frame in frames] == pytest.approx([video.times_s[n] for n in shown], abs=2e-3)
    assert [frame.asked_s for frame in frames] == plan.times()


@pytest.mark.parametrize(
    ("kind", "why"),
    [("transport stream", "transport or program"), ("edit list", "edit list"), ("AVI, H.264", "no times")],
)
def test_what_decord_gets_wrong_is_refused_with_the_way_out(make_video: Maker, kind: str, why: str) -> None:
    video = make_video(kind)
    with pytest.raises(VideoError, match=why) as refused:
        DecordReader().read(video.path, FramePlan(end_s=5))
    assert "--set video.reader=pyav" in refused.value.remedy
    assert len(PyAVReader().read(video.path, FramePlan(end_s=5))) == 5


@pytest.mark.parametrize(
    ("name", "recipe", "off_s"),
    [
        (
            "HEVC with larger open GOPs",
            Recipe(
                ".mp4",
                "libx265",
                {"x265-params": f"{X265}:open-gop=1:bframes=4:keyint=20:b-pyramid=1"},
            ),
            0.4,
        ),
        ("intra-refresh", KINDS["intra-refresh"], 0.2),
    ],
    ids=["HEVC", "intra refresh"],
)
def test_known_errors_are_as_large_as_the_module_says(
    make_video: Maker, name: str, recipe: Recipe, off_s: float
) -> None:
    video, plan = make_video(name, recipe), FramePlan(end_s=19.9)
    assert not wrong_frames("constant rate", video, PyAVReader().read(video.path, plan))
    wrong = wrong_frames("constant rate", video, DecordReader().read(video.path, plan))
    off = [abs(video.times_s[saw] - video.times_s[was]) for _, saw, was in wrong]
    assert max(off) == pytest.approx(off_s, abs=0.01)


@pytest.mark.parametrize("size", [(0, 0), (48, 72)], ids=["native", "resized"])
def test_a_rotated_video_comes_back_upright_in_the_plans_size_and_in_colour(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "turned.mp4"
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48], picture[:32, 48:] = (255, 0, 0), (0, 0, 255)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    identity = b"".join(n.to_bytes(4, "big") for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    quarter = b"".join(n.to_bytes(4, "big") for n in (0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, 0, 0, 1 << 30))
    at = content.index(identity, content.index(b"tkhd"))
    path.write_bytes(content[:at] + quarter + content[at + len(identity) :])
    plan = FramePlan(start_s=0.1, end_s=0.2, width=size[0], height=size[1])
    (ours,), (theirs,) = PyAVReader().read(path, plan), DecordReader().read(path, plan)
    assert theirs.pixels.shape == ours.pixels.shape == ((72, 48, 3) if size[0] else (96, 64, 3))
    assert np.abs(ours.pixels.astype(int) - theirs.pixels).mean() < 5


def test_a_name_that_is_not_utf_8_is_read(plain: Numbered, tmp_path: Path) -> None:
    path = tmp_path / "film-\udcff.mp4"
    path.write_bytes(plain.path.read_bytes())
    with DecoderProcess(VideoSettings(reader="decord")) as process:
        assert [number_of(frame.pixels) for frame in process.read(path, FramePlan(end_s=2))] == [0, 10]


def test_limits_hold_for_decord_too(plain: Numbered) -> None:
    with pytest.raises(VideoError, match="over the limit"):
        DecordReader(VideoLimits(max_duration_s=10)).read(plain.path, FramePlan(end_s=1))
    with pytest.raises(VideoError, match="MB of frames"):
        DecordReader(VideoLimits(max_reply_mb=1)).read(plain.path, FramePlan(end_s=20, fps=10))


@pytest.mark.parametrize("kind", RIGHT)
def test_times_after_the_end_have_no_frame_as_with_pyav(make_video: Maker, kind: str) -> None:
    video = make_video(kind)
    plan = FramePlan(start_s=video.times_s[-1] - 0.5, end_s=video.times_s[-1] + 2, fps=8)
    ours, theirs = (reader.read(video.path, plan) for reader in (PyAVReader(), DecordReader()))
    assert [frame.asked_s for frame in theirs] == [frame.asked_s for frame in ours]
    assert len(ours) < len(plan.times())
    with pytest.raises(VideoError, match="no picture"):
        DecordReader().read(video.path, FramePlan(start_s=60, end_s=61))


def test_a_file_that_decord_cannot_read_is_quarantined_when_it_is_probed(make_video: Maker) -> None:
    video = make_video("transport stream")
    with DecoderProcess(VideoSettings(reader="decord")) as process, pytest.raises(VideoError, match="decord"):
        process.probe(video.path)
    with DecoderProcess() as process:
        assert process.probe(video.path).width == 64
