"""Frames at the times a plan asks for, with the timestamps they really carry.

A time is answered by the picture on screen then, told by timestamps alone: index arithmetic is off by seconds on a
variable frame rate. A time whose picture cannot be read has no frame: none is repeated or made up in its place, and
`FramePlan.missing` tells from the frames returned where pictures are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.core.errors import VideoError
from components.core.video.limits import VideoLimits
from components.core.video.opening import open_video, shown_size
from components.core.video.plans import FramePlan
from components.core.video.readers.packet_plan import PacketPlan
from components.core.video.readers.timeline import Timeline

if TYPE_CHECKING:
    import numpy as np
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PLAN_REVISION = 1
"""Raised when a reader may return other pixels or times than before: replies about frames are then bought anew."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        time_s: the frame's own timestamp, seconds from the start of the video.
        pixels: uint8 RGB, (height, width, 3).
        asked_s: the time the plan asked for. The frame was on screen then; where the plan is not `exact` it may be a
            keyframe that came up less than half a period before or after.
    """

    time_s: float
    pixels: np.ndarray
    asked_s: float


class FrameReader(Protocol):
    """What reads frames. `name` goes into manifests: readers differ on variable-rate video."""

    @property
    def name(self) -> str:
        """Reader and version."""
        ...

    def read(self, path: Path, plan: FramePlan) -> list[Frame]:
        """A frame for each of `plan.times()`, in order; none for the times whose picture is damaged or missing.

        Raises:
            VideoError: the file is unreadable, unsafe, over a limit, or shows no picture at any of the times.
        """
        ...


def refuse_empty(path: Path, plan: FramePlan, frames: list[Frame]) -> None:
    """Refuse an answer without a frame.

    Raises:
        VideoError: saying where nothing could be read.
    """
    if not frames:
        raise VideoError(
            f"{path.name} shows no picture that can be read from {plan.start_s:.2f} s to {plan.end_s:.2f} s.",
            "The file is truncated or damaged there: copy it again.",
        )


def pyav_name() -> str:
    """The PyAV reader for lineage and record keys, without loading it: its version, and that of the plan."""
    from importlib.metadata import version

    return f"pyav-{version('av')}-plan{PLAN_REVISION}"


class PyAVReader:
    """Reads with PyAV by a plan for each packet, one decoder thread; see `packet_plan`."""

    def __init__(self, limits: VideoLimits | None = None) -> None:
        self.limits = limits or VideoLimits()

    @property
    def name(self) -> str:
        """See `pyav_name`."""
        return pyav_name()

    def read(self, path: Path, plan: FramePlan) -> list[Frame]:
        """See `FrameReader.read`."""
        with open_video(path, self.limits) as (container, stream):
            convert = _Converter(stream, plan)
            self.limits.refuse_reply(path, len(plan.times()), convert.width, convert.height)
            timeline = Timeline(container, stream)
            pixels: dict[int, np.ndarray] = {}

            def take(stamp: int, frame: VideoFrame) -> None:
                pixels[stamp] = convert(frame)

            asked = {asked_s: timeline.ticks(asked_s) for asked_s in plan.times()}
            ticks = sorted(set(asked.values()))
            packets = PacketPlan(container, stream, timeline, take)
            answers: dict[int, int] = {}
            if not plan.exact:
                reach = int(plan.period_s / 2 / timeline.tick_s)
                shown = timeline.ticks(plan.start_s), timeline.ticks(plan.end_s)
                # The first is exact, so that what is shown begins with what was on screen at its beginning.
                answers = packets.read_keyframes(ticks[1:], reach, shown)
            answers |= packets.read([tick for tick in ticks if tick not in answers])
        frames = [
            Frame(time_s=timeline.seconds(answers[tick]), pixels=pixels[answers[tick]], asked_s=asked_s)
            for asked_s, tick in asked.items()
            if tick in answers
        ]
        refuse_empty(path, plan, frames)
        return frames


class _Converter:
    """Native frame to RGB at the plan's size, in one step, upright."""

    def __init__(self, stream: VideoStream, plan: FramePlan) -> None:
        from av.video.reformatter import VideoReformatter

        self._plan, self._stream = plan, stream
        self._reformatter = VideoReformatter()
        context = stream.codec_context
        self.width, self.height = plan.size(*shown_size(stream, context.width, context.height))

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        import numpy as np

        turned = frame.rotation % 180 != 0
        # A stream may change its size midway: the plan's size holds for what is shown, after rotation.
        shown = shown_size(self._stream, frame.width, frame.height)
        width, height = self._plan.size(*(shown[::-1] if turned else shown))
        if turned:
            width, height = height, width
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation="AREA", threads=1
        )
        pixels = small.to_ndarray()
        quarter_turns = round(frame.rotation / 90) % 4
        # Contiguous also where the rows of the picture were padded: widths that are no multiple of the CPU's stride.
        return np.ascontiguousarray(np.rot90(pixels, quarter_turns))
