"""decord behind the same protocol: an index of all packets, then frames by number.

Its own habit, a frame's number as time times mean rate, is off by seconds where the rate varies; here the frame is
looked up among the timestamps that it indexed. What stays wrong, seen on videos whose frames show their number
(tests/components/core/video/test_decord.py):

- HEVC with open GOPs, and intra refresh: after a seek the pictures that it drops still count, so that what follows is
  up to 0.4 s later than it claims. No way was found to tell such a file beforehand;
- a start cut off by an edit list (wrong by its length), transport and program streams (wrong by up to 2.5 s, and its
  own FFmpeg cannot be told as what to open them), AVI (no times), AV1 and Theora (no decoder): refused, with the way
  out. So is MP4 with a damaged middle;
- a damaged middle of Matroska is passed over in silence: the frame before it stands for all that is lost;
- the whole file is read for the index however few frames are wanted; times are 32-bit floats, 2 ms off at six hours.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import VideoError
from components.core.video.containers import demuxer_of
from components.core.video.limits import VideoLimits
from components.core.video.opening import open_video
from components.core.video.plans import FramePlan
from components.core.video.probe import probe
from components.core.video.readers.pyav import Frame, refuse_empty
from components.core.video.readers.timeline import Timeline

if TYPE_CHECKING:
    import numpy as np

USE_PYAV = "Use --set video.reader=pyav."
_WRONG = {"mpegts", "mpeg"}
"""Demuxers, as FFmpeg names them, that decord reads wrongly."""


class DecordReader:
    """Frames by number, at the times that decord's index gives them."""

    def __init__(self, limits: VideoLimits | None = None) -> None:
        self.limits = limits or VideoLimits()

    @property
    def name(self) -> str:
        """Reader and version, for lineage."""
        from importlib.metadata import version

        return f"decord-{version('decord')}"

    def read(self, path: Path, plan: FramePlan) -> list[Frame]:
        """See `FrameReader.read`."""
        import decord

        if demuxer_of(path) in _WRONG:
            raise VideoError(f"{path.name} is a transport or program stream, which decord gets wrong.", USE_PYAV)
        info = probe(path, self.limits)
        asked = plan.times()
        width, height = plan.size(info.width, info.height)
        self.limits.refuse_reply(path, len(asked), width, height)
        shift_s = self._shift_s(path)
        # By descriptor: decord takes no name that is not UTF-8, and would read meaning into some that are.
        with path.open("rb") as file:
            try:
                # Of a rotated video decord returns garbage in any size but its own.
                size = (-1, -1) if info.rotation else (width, height)
                video = decord.VideoReader(f"/proc/self/fd/{file.fileno()}", decord.cpu(0), *size, num_threads=1)
                spans = video.get_frame_timestamp(range(len(video)))
                times = [round(float(start) + shift_s, 6) for start in spans[:, 0]]
                numbers = _on_screen(path, times, float(spans[-1, 1]) + shift_s, asked)
                # One by one: a batch would hold every frame twice.
                pixels = {number: _sized(video[number].asnumpy(), width, height) for number in sorted(set(numbers))}
            except (decord.DECORDError, RuntimeError, AssertionError, IndexError) as error:
                raise VideoError(f"decord cannot read {path.name}: {_cause(error)}.", USE_PYAV) from error
        frames = [
            Frame(time_s=times[number], pixels=pixels[number], asked_s=asked_s)
            for number, asked_s in zip(numbers, asked, strict=False)
        ]
        refuse_empty(path, plan, frames)
        return frames

    def _shift_s(self, path: Path) -> float:
        """Seconds from the first picture shown to the first timestamp of the stream, decord's own zero."""
        with open_video(path, self.limits) as (container, stream):
            return Timeline(container, stream).seconds(stream.start_time or 0)


def _cause(error: Exception) -> str:
    """What decord says, without the time and the place in its source that it begins with."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[[\d:]+\] \S+: ", "", lines[0])[:200].rstrip(". ")


def _sized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture in the plan's size; the same array if it has it."""
    from av import VideoFrame

    if pixels.shape[:2] == (height, width):
        return pixels
    frame = VideoFrame.from_ndarray(pixels, format="rgb24")
    return frame.reformat(width=width, height=height, interpolation="AREA").to_ndarray()


def _on_screen(path: Path, times: list[float], ends_s: float, asked: list[float]) -> list[int]:
    """The number of the frame on screen at each time asked for, up to the last that the index knows.

    Raises:
        VideoError: the index has no times, or times before the start.
    """
    if times[0] < -0.5 / 1000 or times != sorted(times):
        why = "its start is cut off by an edit list" if -1e6 < times[0] < 0 else "its frames carry no times"
        raise VideoError(f"decord gets the frames of {path.name} wrong: {why}.", USE_PYAV)
    # Where the container does not say how long the last picture stays, it stays as long as others do.
    until_s = ends_s if ends_s > times[-1] else times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)
    # Timestamps come as 32-bit floats.
    return [
        max(0, bisect_right(times, asked_s + 1e-6 + asked_s * 1e-6) - 1)
        for asked_s in asked
        if asked_s < until_s - 1e-6
    ]
