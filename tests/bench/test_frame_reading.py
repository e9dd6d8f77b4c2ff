"""CPU time of reading a plan's frames: our reader, decoding every frame with PyAV, and decord.

All return as many RGB pictures of one size, on one thread; decord is told the frame numbers, which nobody knows on a
variable frame rate. Where wanted frames lie as close as keyframes nothing can be skipped, and our reader pays a tenth
for finding each frame by its own timestamp; where they lie far apart it seeks. Ratios were 0.9 and 1.5 (two a second),
5 and 9 (16 of ten minutes), 0.9 and 2 to 6 (192 of ten minutes: decord's seeks vary from process to process) on two
cores; the limits leave room for busy neighbours.
"""

from __future__ import annotations

from pathlib import Path

import av
import decord
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from components.core.video.plans import FramePlan
from components.core.video.reader import PyAVReader
from components.sandbox.rendering import render
from components.sandbox.scene import Clip
from components.sandbox.scripts import long_clip, showcase_clip
from tests.bench.measuring import cpu_ms, report

pytestmark = pytest.mark.bench

WIDTH, HEIGHT = 112, 84
MINUTE, TEN_MINUTES = showcase_clip(0, 7), long_clip(620.0, 7)


def every_frame(path: Path, plan: FramePlan) -> list[np.ndarray]:
    """Decode from the first frame to the last one wanted; convert those wanted."""
    wanted = iter(plan.times())
    asked_s: float | None = next(wanted)
    pictures: list[np.ndarray] = []
    reformatter = VideoReformatter()
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(container.streams.video[0]):
            while asked_s is not None and frame.time is not None and frame.time >= asked_s - 1e-6:
                small = reformatter.reformat(frame, WIDTH, HEIGHT, format="rgb24", interpolation="AREA")
                pictures.append(small.to_ndarray())
                asked_s = next(wanted, None)
            if asked_s is None:
                break
    return pictures


def by_decord(path: Path, plan: FramePlan, fps: float) -> np.ndarray:
    """The frames with the numbers that the times have at a constant rate."""
    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), width=WIDTH, height=HEIGHT, num_threads=1)
    numbers = [min(len(reader) - 1, round(time_s * fps)) for time_s in plan.times()]
    return np.asarray(reader.get_batch(numbers).asnumpy())


@pytest.mark.parametrize(
    ("title", "clip", "frames", "limits"),
    [
        ("frames: two a second of a minute", MINUTE, 1000, {"decode every frame": 0.7, "decord": 1.0}),
        ("frames: 16 of ten minutes", TEN_MINUTES, 16, {"decode every frame": 3.0, "decord": 3.0}),
        ("frames: 192 of ten minutes", TEN_MINUTES, 192, {"decode every frame": 0.7, "decord": 1.2}),
    ],
    ids=["dense", "sparse", "192"],
)
def test_frame_reading(tmp_path: Path, title: str, clip: Clip, frames: int, limits: dict[str, float]) -> None:
    path = tmp_path / clip.file
    render(clip, path)
    plan = FramePlan(end_s=clip.duration_s, fps=2.0, max_frames=frames, width=WIDTH, height=HEIGHT)
    fps = len(clip.times_s) / clip.duration_s
    ours = PyAVReader()
    assert len(ours.read(path, plan)) == len(every_frame(path, plan)) == len(by_decord(path, plan, fps))
    measured = cpu_ms(
        {
            "our reader": lambda: ours.read(path, plan),
            "decode every frame": lambda: every_frame(path, plan),
            "decord": lambda: by_decord(path, plan, fps),
        }
    )
    assert not report(title, measured, limits)
