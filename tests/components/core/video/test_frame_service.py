"""A bad file costs itself, never the process that asked for it."""

from __future__ import annotations

import asyncio
import os
import re
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from components.core.data.identity import identity_of
from components.core.errors import VideoError
from components.core.video.frame_service import FrameService
from components.core.video.limits import VideoLimits
from components.core.video.plans import FramePlan
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import PLAN_REVISION, PyAVReader
from components.core.video.settings import VideoSettings
from components.core.video.worker import reader_of
from pipelines.profile import load_profile
from pipelines.rewatch import PIPELINE

from .kinds import Numbered, number_of

PLAN = FramePlan(end_s=4, fps=20, width=32, height=32)


def limited(**limits: float) -> VideoSettings:
    """The usual settings with other limits."""
    return VideoSettings(limits=VideoLimits.model_validate(limits))


async def test_frames_from_the_child_equal_those_read_directly(plain: Numbered, tmp_path: Path) -> None:
    with FrameService(VideoSettings(), tmp_path / "scratch") as service:
        frames = await service.read(str(plain.path), PLAN)
    direct = PyAVReader().read(plain.path, PLAN)
    assert [(frame.time_s, frame.asked_s) for frame in frames] == [(frame.time_s, frame.asked_s) for frame in direct]
    assert all(np.array_equal(ours.pixels, theirs.pixels) for ours, theirs in zip(frames, direct, strict=True))


async def test_one_process_serves_many_reads_and_probes(plain: Numbered, tmp_path: Path) -> None:
    with FrameService(VideoSettings(), tmp_path / "scratch") as service:
        infos = await asyncio.gather(*(service.probe(str(plain.path)) for _ in range(20)))
        assert {info.width for info in infos} == {64}
        assert number_of((await service.read(str(plain.path), FramePlan(start_s=7, end_s=8)))[0].pixels) == 70


async def test_an_unreadable_file_raises_and_the_next_is_read(plain: Numbered, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with FrameService(VideoSettings(), tmp_path / "scratch") as service:
        with pytest.raises(VideoError, match="may be opened"):
            await service.read(str(tmp_path / "text.mp4"), PLAN)
        assert len(await service.read(str(plain.path), PLAN)) == 80


def test_a_crash_costs_one_video_and_the_process_is_replaced(plain: Numbered) -> None:
    with DecoderProcess() as process:
        first = process.probe(plain.path)
        assert process._process is not None
        os.kill(process._process.pid, 11)
        process._process.wait()
        assert process.probe(plain.path) == first


def test_a_hang_ends_at_the_wall_clock_limit(tmp_path: Path, plain: Numbered) -> None:
    pipe = tmp_path / "hangs.mp4"
    os.mkfifo(pipe)
    with DecoderProcess(limited(wall_s=3)) as process:
        started = time.monotonic()
        with pytest.raises(VideoError, match="within 3 s"):
            process.probe(pipe)
        assert time.monotonic() - started < 60
        assert process.probe(plain.path).width == 64


def test_the_kernel_ends_a_request_that_uses_up_its_cpu_seconds(tmp_path: Path) -> None:
    import av

    heavy = tmp_path / "heavy.mp4"
    with av.open(str(heavy), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.codec_context.options = {"preset": "ultrafast", "g": "250"}
        frame = av.VideoFrame.from_ndarray(np.zeros((1080, 1920, 3), np.uint8), format="rgb24").reformat(
            format="yuv420p"
        )
        for number in range(40):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # Every frame of it converted at four times its size: seconds of work against a limit of one.
    plan = FramePlan(end_s=1.3, fps=30, width=7680, height=4320)
    with DecoderProcess(limited(cpu_s=0.5, max_reply_mb=10_000, memory_mb=16_000)) as process:
        with pytest.raises(VideoError, match="CPU seconds"):
            process.read(heavy, plan)
        assert process.probe(heavy).width == 1920


def test_memory_over_the_limit_is_the_videos_error(plain: Numbered) -> None:
    plan = FramePlan(end_s=20, fps=10, width=2048, height=2048)
    with DecoderProcess(limited(memory_mb=1024, max_reply_mb=10_000)) as process:
        with pytest.raises(VideoError, match="MB of memory"):
            process.read(plain.path, plan)
        assert process.probe(plain.path).width == 64


def test_the_child_sees_no_secrets_of_its_parent(plain: Numbered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_API_KEY", "secret")
    with DecoderProcess() as process:
        process.probe(plain.path)
        assert process._process is not None
        environment = Path(f"/proc/{process._process.pid}/environ").read_bytes()
    assert b"secret" not in environment


async def test_a_cancelled_read_leaves_the_service_usable(
    plain: Numbered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.core.video.local_copies.existing_file", Path)  # a pipe is none
    pipe = tmp_path / "hangs.mp4"
    os.mkfifo(pipe)
    with FrameService(VideoSettings(), tmp_path / "scratch") as service:
        await service.probe(str(plain.path))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(service.probe(str(pipe)), timeout=0.3)
        assert (await service.probe(str(plain.path))).width == 64


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_the_child_reads_with_the_reader_that_the_settings_name(plain: Numbered, reader: str) -> None:
    settings = VideoSettings.model_validate({"reader": reader})
    with DecoderProcess(settings) as process:
        assert [number_of(frame.pixels) for frame in process.read(plain.path, FramePlan(end_s=3))] == [0, 10, 20]
        assert process._process is not None
        loaded = Path(f"/proc/{process._process.pid}/maps").read_text()
    assert ("libdecord" in loaded) == (reader == "decord")
    assert reader_of(settings).name == settings.reader_name


def test_the_reader_is_named_with_its_version_and_that_of_the_plan() -> None:
    assert VideoSettings().reader_name == f"pyav-{version('av')}-plan{PLAN_REVISION}"


def test_another_reader_makes_other_record_keys_and_other_limits_do_not() -> None:
    usual = VideoSettings()
    assert VideoSettings(reader="decord").digest() != usual.digest()
    assert limited(max_duration_s=1).digest() == usual.digest()


@pytest.mark.parametrize(("reader", "package"), [("pyav", "av"), ("decord", "decord")])
def test_a_readers_code_and_release_are_part_of_every_record_key(reader: str, package: str) -> None:
    """Of stages that read through the engine too, whose own identity holds neither."""
    settings = VideoSettings.model_validate({"reader": reader})
    code = identity_of(type(reader_of(settings)).__module__)
    assert settings.content() == {"reader": settings.reader_name, "code": code.digest}
    assert package in code.packages
    assert {"components.core.video.opening", "components.core.video.plans"} <= set(code.modules)
    for stage in ("segmentation", "captioning", "sft", "grpo", "evaluation"):
        kind = type(PIPELINE.stages[stage])
        assert kind.model_validate({"video": settings.model_dump()}).content()["video"] == settings.content()


@pytest.mark.parametrize(
    ("limits", "plan"),
    [
        ({"max_frame_pixels": 64}, FramePlan(end_s=1)),
        ({"max_duration_s": 5}, FramePlan(end_s=1)),
        ({"max_reply_mb": 1}, FramePlan(end_s=20, fps=10)),
        ({"memory_mb": 1024, "max_reply_mb": 10_000}, FramePlan(end_s=20, fps=10, width=2048, height=2048)),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_the_remedy_typed_as_printed_raises_the_limit(
    plain: Numbered, limits: dict[str, float], plan: FramePlan
) -> None:
    """As often as it takes: what memory a file needs is not known beforehand, so that its limit is doubled."""
    settings = limited(**limits)
    for _ in range(4):
        with DecoderProcess(settings) as process:
            try:
                assert process.read(plain.path, plan)
                break
            except VideoError as error:
                remedy = error.remedy
        typed = re.findall(r"--set (\S+?)\.?(?=\s|$)", remedy)
        assert typed, remedy
        raised = load_profile("laptop", typed).stages["captioning"].video.limits.model_dump()
        names = {name.partition("=")[0].removeprefix("video.limits.") for name in typed}
        settings = limited(**limits | {name: raised[name] for name in names})
    else:
        pytest.fail(f"the remedy did not help: {remedy}")
