"""What a file is, before anything is paid for it: size, length, rate, codec, and whether it can be decoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from components.core.errors import VideoError
from components.core.video.limits import VideoLimits
from components.core.video.opening import open_video, shown_size
from components.core.video.readers.timeline import Timeline

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


class VideoInfo(BaseModel):
    """What probing found. `width` and `height` are as shown, after rotation (degrees, counter-clockwise)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duration_s: float
    fps: float
    width: int
    height: int
    codec: str
    container: str
    rotation: int
    size_bytes: int


def probe(path: Path, limits: VideoLimits | None = None) -> VideoInfo:
    """Header, index and first frame of `path`.

    Raises:
        VideoError: unreadable, not allowed, without video, truncated, without a length, or over a limit.
    """
    with open_video(path, limits or VideoLimits()) as (container, stream):
        size_bytes = path.stat().st_size
        _refuse_truncated(path, stream, size_bytes)
        timeline = Timeline(container, stream)
        frame = _first_frame(timeline, stream)
        if frame is None:
            raise VideoError(f"{path.name} holds no frame that can be decoded.", "Copy or encode the file again.")
        rotation = round(frame.rotation / 90) * 90 % 360
        width, height = shown_size(stream, frame.width, frame.height)
        if rotation % 180:
            width, height = height, width
        duration_s = timeline.seconds(timeline.end())
        if duration_s <= 0:
            raise VideoError(f"{path.name} does not say how long it is.", "Remux it into MP4 or Matroska.")
        return VideoInfo(
            duration_s=round(duration_s, 3),
            fps=round(float(stream.average_rate or stream.guessed_rate or 0), 3),
            width=width,
            height=height,
            codec=stream.codec_context.name,
            container=container.format.name.split(",")[0],
            rotation=rotation,
            size_bytes=size_bytes,
        )


def _refuse_truncated(path: Path, stream: VideoStream, size_bytes: int) -> None:
    """An index that points past the end of the file betrays an interrupted copy, which decoding would pass over."""
    entries = stream.index_entries
    if len(entries) and (last := entries[len(entries) - 1]).pos + last.size > size_bytes:
        raise VideoError(
            f"{path.name} is truncated: its index reaches byte {last.pos + last.size}, the file ends at {size_bytes}.",
            "Copy the file again.",
        )


def _first_frame(timeline: Timeline, stream: VideoStream) -> VideoFrame | None:
    import av

    for read in timeline.from_the_start():
        try:
            frames = stream.codec_context.decode(read.packet)
        except av.InvalidDataError:
            continue
        if frames:
            return frames[0]
    return next(iter(stream.codec_context.decode(None)), None)
