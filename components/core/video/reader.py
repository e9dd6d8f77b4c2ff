"""Frames at the times a plan asks for, with the timestamps they really carry.

Decoding is sequential, with a seek only where a keyframe lies between two wanted times. Three things that naive seeking
gets wrong are made right here. A container's index is ordered by decoding time, so a seek may land on a keyframe shown
*after* the wanted time (B-frames): land earlier until it is not. Frames decoded after a seek but shown before their
keyframe refer to pictures never read (open GOP): they are dropped. Index arithmetic on a variable frame rate is off by
seconds: only timestamps are compared. A file that ends before the times asked for raises: no frame is repeated for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.core.errors import VideoError
from components.core.video.limits import VideoLimits
from components.core.video.opening import open_video, origin_of
from components.core.video.plans import FramePlan

if TYPE_CHECKING:
    import numpy as np
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SEEK_GAP_S = 2.0
"""Below this gap between two wanted times decoding on is cheaper than a seek (GOPs of 2 s and more are usual)."""
_EARLIER_S = (0.0, 0.5, 2.0, 8.0, 32.0)


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        time_s: the frame's own timestamp, seconds from the start of the video.
        pixels: uint8 RGB, (height, width, 3).
        asked_s: the time the plan asked for; the frame was on screen then.
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
        """One frame for each of `plan.times()`, in order.

        Raises:
            VideoError: the file is unreadable, unsafe, over a limit, or ends before the times asked for.
        """
        ...


class PyAVReader:
    """Sequential decoding with PyAV, seeking between distant times."""

    def __init__(self, limits: VideoLimits | None = None) -> None:
        self.limits = limits or VideoLimits()

    @property
    def name(self) -> str:
        """Reader and version, for lineage."""
        from importlib.metadata import version

        return f"pyav-{version('av')}"

    def read(self, path: Path, plan: FramePlan) -> list[Frame]:
        """See `FrameReader.read`."""
        with open_video(path, self.limits) as (container, stream):
            shown = _Shown(container, stream)
            convert = _Converter(stream, plan)
            self.limits.refuse_reply(path, len(plan.times()), convert.width, convert.height)
            frames: list[Frame] = []
            pixels: np.ndarray | None = None
            previous: VideoFrame | None = None
            for asked_s in plan.times():
                current = shown.at(asked_s)
                if current is None:
                    raise VideoError(
                        f"{path.name} ends at {shown.ends_s:.2f} s, before the {asked_s:.2f} s that were asked for.",
                        "The file is truncated or damaged: copy it again.",
                    )
                if pixels is None or current is not previous:
                    pixels, previous = convert(current), current
                frames.append(Frame(time_s=shown.time_of(current), pixels=pixels, asked_s=asked_s))
            return frames


class _Shown:
    """The frame on screen at rising times."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self._origin_s = origin_of(container)
        assert stream.time_base is not None  # every demuxer on the list sets one
        self._tick = float(stream.time_base)
        rate = stream.average_rate or stream.guessed_rate or 25
        self._slack_s = max(0.1, 2 / float(rate))
        self._frames: Iterator[VideoFrame] | None = None
        self._current: VideoFrame | None = None
        self._following: VideoFrame | None = None
        self._ended = False
        self.ends_s = 0.0

    def time_of(self, frame: VideoFrame) -> float:
        """The frame's timestamp in seconds from the start, rounded to a microsecond."""
        return round((frame.pts or 0) * self._tick - self._origin_s, 6)

    def at(self, asked_s: float) -> VideoFrame | None:
        """The frame on screen at `asked_s`, None when the video ended before."""
        if self._frames is None:
            self._frames = self._from(asked_s) if asked_s > SEEK_GAP_S else self._decode(None)
        elif self._worth_seeking(asked_s):
            self._frames, self._following = self._from(asked_s), None
        self._advance(asked_s)
        if self._following is None and self._current is not None and asked_s > self.ends_s + self._slack_s:
            return None
        return self._current

    def _advance(self, asked_s: float) -> None:
        assert self._frames is not None
        # Half a tick: the time asked for and the timestamp are the same instant written in two ways.
        latest_s = asked_s + self._tick / 2 + 1e-6
        while not self._ended:
            frame = self._following or next(self._frames, None)
            self._following = None
            if frame is None:
                self._ended = True
                return
            if self._current is not None and self.time_of(frame) > latest_s:
                self._following = frame
                return
            self._current = frame
            self.ends_s = self.time_of(frame) + float((frame.duration or 0) * self._tick)

    def _worth_seeking(self, asked_s: float) -> bool:
        """Whether a keyframe lies between the frame in hand and `asked_s`, as far as the index knows."""
        latest = self._following or self._current
        at_s = self.time_of(latest) if latest else 0.0
        if self._ended or asked_s - at_s < SEEK_GAP_S:
            return False
        entries = self._stream.index_entries
        if len(entries) == 0:
            return True
        index = entries.search_timestamp(self._timestamp(asked_s), backward=True)
        return index < 0 or entries[index].timestamp > self._timestamp(at_s + self._slack_s)

    def _timestamp(self, seconds: float) -> int:
        return int((seconds + self._origin_s) / self._tick)

    def _from(self, asked_s: float) -> Iterator[VideoFrame]:
        """Decoded frames from a keyframe shown no later than `asked_s`."""
        for earlier_s in _EARLIER_S:
            target_s = asked_s - earlier_s
            if target_s <= 0:
                break
            self._container.seek(self._timestamp(target_s), stream=self._stream, backward=True, any_frame=False)
            landed = next((p for p in self._container.demux(self._stream) if p.pts is not None), None)
            if landed is None or landed.pts is None or not landed.is_keyframe:
                continue
            if landed.pts * self._tick - self._origin_s <= asked_s + self._tick / 2:
                # Back to the same place: the look at the first packet has consumed it.
                self._container.seek(self._timestamp(target_s), stream=self._stream, backward=True, any_frame=False)
                return self._decode(landed.pts)
        self._container.seek(0, backward=True, any_frame=False)
        return self._decode(None)

    def _decode(self, first_pts: int | None) -> Iterator[VideoFrame]:
        self._current = None
        for frame in self._container.decode(self._stream):
            if frame.pts is not None and (first_pts is None or frame.pts >= first_pts):
                yield frame


class _Converter:
    """Native frame to RGB at the plan's size, in one step, upright."""

    def __init__(self, stream: VideoStream, plan: FramePlan) -> None:
        from av.video.reformatter import VideoReformatter

        self._plan = plan
        self._reformatter = VideoReformatter()
        context = stream.codec_context
        self.width, self.height = plan.size(context.width, context.height)

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        import numpy as np

        turned = frame.rotation % 180 != 0
        # A stream may change its size midway: the plan's size holds for what is shown, after rotation.
        native = (frame.height, frame.width) if turned else (frame.width, frame.height)
        width, height = self._plan.size(*native)
        if turned:
            width, height = height, width
        small = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", interpolation="AREA")
        pixels = small.to_ndarray()
        quarter_turns = round(frame.rotation / 90) % 4
        # Contiguous also where the rows of the picture were padded: widths that are no multiple of the CPU's stride.
        return np.ascontiguousarray(np.rot90(pixels, quarter_turns))
