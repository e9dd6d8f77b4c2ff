"""Opening a container safely, and the shape of its pixels."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import VideoError
from components.core.video.containers import demuxer_of
from components.core.video.limits import VideoLimits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


@contextmanager
def open_video(path: Path, limits: VideoLimits) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video stream, within `limits`, one decoder thread.

    Raises:
        VideoError: unreadable, of a container not allowed, without video, or over a limit.
    """
    import av

    demuxer = demuxer_of(path)
    try:
        # "file:" keeps a name such as `concat:a|b` from being read as a protocol.
        container = av.open(f"file:{path}", format=demuxer, options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"{path.name} cannot be read as {demuxer}: {_cause(error)}.", "Copy or encode the file again."
        ) from error
    with container:
        stream = next((s for s in container.streams.video if not _is_cover(s)), None)
        if not container.streams:
            raise VideoError(f"{path.name} lists no streams: its index is missing or cut.", "Copy the file again.")
        if stream is None:
            raise VideoError(f"{path.name} holds no video stream.", "Leave audio files out of the corpus.")
        native = stream.codec_context.width, stream.codec_context.height
        pixels = max(math.prod(native), math.prod(shown_size(stream, *native)))
        if pixels > limits.max_frame_pixels:
            raise VideoError(
                f"{path.name} has frames of {pixels} pixels, over the limit of {limits.max_frame_pixels}.",
                f"Scale it down, or --set video.limits.max_frame_pixels={pixels}.",
            )
        duration_s = _stated_duration_s(container, stream)
        if duration_s > limits.max_duration_s:
            raise VideoError(
                f"{path.name} lasts {duration_s:.0f} s, over the limit of {limits.max_duration_s:.0f} s.",
                f"Cut it, or --set video.limits.max_duration_s={math.ceil(duration_s)}.",
            )
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        try:
            yield container, stream
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", 0) == errno.ENOMEM:
                raise MemoryError from error  # a limit was met; the file may be sound
            raise VideoError(f"{path.name} is damaged: {_cause(error)}.", "Copy or encode the file again.") from error


def shown_size(stream: VideoStream, width: int, height: int) -> tuple[int, int]:
    """Width and height of a picture as a player shows it before turning it: a pixel may be wider than it is high."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not 1 / 16 <= aspect <= 16:
        return width, height
    return max(1, round(width * aspect)), height


def _stated_duration_s(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000


def _is_cover(stream: VideoStream) -> bool:
    import av.stream

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error).rstrip(".")
