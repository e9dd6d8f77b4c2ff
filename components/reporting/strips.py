"""Strips of frames for a few videos, small enough to live inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from components.core.errors import VideoError
from components.core.records import Video
from components.core.tasks import Task
from components.core.video.plans import FramePlan
from components.reporting.stories import VideoStory

FRAMES = 8
HEIGHT = 72
PIXELS = 128 * 96
QUALITY = 60


async def frame_strips(task: Task, stories: Sequence[VideoStory], videos: int) -> dict[str, list[str]]:
    """Frames of the first `videos` stories as JPEG data URIs by video id; a video that cannot be read has no strip."""
    strips: dict[str, list[str]] = {}
    for story in stories[:videos]:
        try:
            strips[story.video.video_id] = await _strip(task, story.video)
        except (VideoError, OSError) as error:
            task.log.warning("no strip of %s: %s", story.video.video_id[:12], error)
    return strips


async def _strip(task: Task, video: Video) -> list[str]:
    from PIL import Image

    plan = FramePlan(
        start_s=0.0, end_s=video.duration_s, fps=FRAMES / video.duration_s, max_frames=FRAMES, max_pixels=PIXELS
    )
    uris = []
    for frame in await task.frames(video, plan):
        image = Image.fromarray(frame.pixels)
        image.thumbnail((HEIGHT * 3, HEIGHT))
        data = io.BytesIO()
        image.save(data, "JPEG", quality=QUALITY)
        uris.append("data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii"))
    return uris
