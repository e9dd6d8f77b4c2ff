"""What a video may cost before it is refused.

Who meets a limit is told the setting that raises it, as it can be typed after `rewatch run`.
"""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import Field

from components.core.data.settings import Settings
from components.core.errors import VideoError


class VideoLimits(Settings):
    """Limits for one video and for one request to the decoding process."""

    max_frame_pixels: int = Field(default=8192 * 4320, gt=0)
    """Pixels of one decoded frame; 8K by default. A forged header can claim terabytes."""
    max_duration_s: float = Field(default=6 * 3600.0, gt=0)
    """Longest video in seconds."""
    cpu_s: float = Field(default=120.0, gt=0)
    """CPU seconds of one request; the kernel ends the process when they are spent."""
    wall_s: float = Field(default=300.0, gt=0)
    """Seconds of waiting for one request before the process is killed: a reader may hang without using CPU."""
    memory_mb: int = Field(default=4096, gt=0)
    """Address space of the decoding process."""
    max_reply_mb: int = Field(default=2048, gt=0)
    """Decoded frames one request may return."""

    def refuse_reply(self, path: Path, frames: int, width: int, height: int) -> None:
        """Refuse a request for more decoded frames than may be returned, before any is decoded.

        Raises:
            VideoError: naming what was asked for.
        """
        megabytes = math.ceil(frames * width * height * 3 / 1e6)
        if megabytes > self.max_reply_mb:
            raise VideoError(
                f"The plan for {path.name} asks for {megabytes} MB of frames, over {self.max_reply_mb} MB.",
                f"Ask for fewer or smaller frames, or --set video.limits.max_reply_mb={megabytes}.",
            )
