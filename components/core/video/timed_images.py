"""Frames as a teacher receives them: JPEGs, each with its time in the stretch that is shown.

A frame's time is its own timestamp where it comes up for the first time, and the time it was looked at again where it
is still on screen: on a video of variable frame rate the teacher so learns how long a picture stayed.

A picture's name says what it is of and how it is made: the video by its content, the frame's own time, the size that
the plan asks for, the reader and its revision, the encoder's settings. The release of PyAV or of Pillow is no part of
it: what a reader must show at a time is pinned by tests, and a release that showed something else would raise the
reader's revision; the encoder's rounding is no other picture.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.core.errors import VideoError
from components.core.teachers.prompts import Prompt, TimedImage
from components.core.video.readings import Reading, Timed

if TYPE_CHECKING:
    import numpy as np

    from components.core.video.readers.pyav import Frame

SIZE = ("min_pixels", "max_pixels", "width", "height", "multiple")
"""What of a plan decides how large a picture is; the rest of it decides the times, which names hold as they are."""

SUBSAMPLING = 0
"""Colour is kept at full resolution: small shapes blur otherwise."""


def prompt_of_frames(
    system: str, payload: dict[str, Any], reading: Reading, shown: Sequence[Timed], *, start_s: float, quality: int
) -> Prompt:
    """A request about the stretch of video that begins at `start_s`.

    Args:
        shown: which of the reading's frames, in order of time.
        start_s: second of the video that becomes time 0.
        quality: of the JPEGs, 1 to 95.
    """

    async def pictures() -> list[bytes]:
        frames = _found(reading, shown, await reading.frames())
        # In a thread: encoding many frames would hold up every other request.
        return await asyncio.to_thread(_encode_all, frames, quality)

    return Prompt(system, payload, timed_images(reading, shown, start_s=start_s, quality=quality), pictures)


def timed_images(reading: Reading, shown: Sequence[Timed], *, start_s: float, quality: int) -> list[TimedImage]:
    """Times and names of frames; see `prompt_of_frames`."""
    images: list[TimedImage] = []
    made: dict[str, Any] = {
        "video": reading.video.video_id,
        "reader": reading.revision,
        "size": reading.plan.model_dump(include=set(SIZE)),
        "jpeg": {"quality": quality, "subsampling": SUBSAMPLING},
    }
    previous: Timed | None = None
    for frame in shown:
        seen_before = previous is not None and frame.time_s == previous.time_s
        time_s = frame.asked_s if seen_before else max(frame.time_s, start_s)
        images.append(TimedImage(round(time_s - start_s, 3), {**made, "at_s": round(frame.time_s, 6)}))
        previous = frame
    return images


def _found(reading: Reading, shown: Sequence[Timed], frames: Sequence[Frame]) -> list[Frame]:
    """The frames that were named.

    Raises:
        VideoError: the video shows others than when it was first read.
    """
    by_time = {(frame.asked_s, frame.time_s): frame for frame in frames}
    try:
        return [by_time[frame.asked_s, frame.time_s] for frame in shown]
    except KeyError as error:
        asked_s, time_s = error.args[0]
        raise VideoError(
            f"Video {reading.video.video_id[:12]} no longer shows at {asked_s:.2f} s the frame of {time_s:.2f} s.",
            "Ingest it anew if it was changed; if the reader was, raise PLAN_REVISION (core/video/readers/pyav.py).",
        ) from error


def _encode_all(frames: Sequence[Frame], quality: int) -> list[bytes]:
    """A JPEG for each frame; one that is still on screen is encoded once."""
    jpegs: list[bytes] = []
    for index, frame in enumerate(frames):
        seen_before = index > 0 and frame.time_s == frames[index - 1].time_s
        jpegs.append(jpegs[-1] if seen_before else encode_jpeg(frame.pixels, quality))
    return jpegs


def encode_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Encode RGB pixels (height, width, 3) uint8."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=SUBSAMPLING)
    return buffer.getvalue()
