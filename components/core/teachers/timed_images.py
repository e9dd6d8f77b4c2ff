"""Frames as a teacher receives them: JPEGs, each with its time in the stretch that is shown.

A frame's time is its own timestamp where it comes up for the first time, and the time it was looked at again where it
is still on screen: on a video of variable frame rate the teacher so learns how long a picture stayed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.core.teachers.prompts import TimedImage

if TYPE_CHECKING:
    import numpy as np

    from components.core.video.reader import Frame


def timed_images(frames: Sequence[Frame], *, start_s: float, quality: int) -> list[TimedImage]:
    """Encode `frames` for a request about the stretch of video that begins at `start_s`.

    Args:
        frames: in order of time, uint8 RGB pixels (height, width, 3).
        start_s: second of the video that becomes time 0.
        quality: of the JPEGs, 1 to 95.
    """
    images: list[TimedImage] = []
    previous: Frame | None = None
    jpeg = b""
    for frame in frames:
        seen_before = previous is not None and frame.time_s == previous.time_s
        if not seen_before:
            jpeg = encode_jpeg(frame.pixels, quality)
        time_s = frame.asked_s if seen_before else max(frame.time_s, start_s)
        images.append(TimedImage(time_s=round(time_s - start_s, 3), jpeg=jpeg))
        previous = frame
    return images


def encode_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Encode RGB pixels (height, width, 3) uint8; colour is kept at full resolution, small shapes blur otherwise."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
