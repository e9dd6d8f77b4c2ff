"""Strips of frames for a few videos, small enough to live inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from components.core.data.rows import Video
from components.core.engine.stage import Task
from components.core.errors import RewatchError
from components.core.video.plans import FramePlan
from components.reporting.settings import ReportingSettings
from components.reporting.showcase import ShowcasedVideo

FRAMES = 8
HEIGHT = 72
PIXELS = 128 * 96
QUALITY = 60


@dataclass(frozen=True)
class Strips:
    """Frames of videos as JPEG data URIs by video id, and why others have none: a page is written without them."""

    frames: dict[str, list[str]]
    unreadable: dict[str, str]


async def frame_strips(task: Task[ReportingSettings], showcase: Sequence[ShowcasedVideo], videos: int) -> Strips:
    """Frames of the first `videos` of the showcase."""
    strips = Strips({}, {})
    for shown in showcase[:videos]:
        identifier = shown.video.video_id
        try:
            strips.frames[identifier] = await _strip(task, shown.video)
        except (RewatchError, OSError) as error:  # gone, moved, forbidden or damaged since it was captioned
            strips.unreadable[identifier] = str(error)
            task.log.warning("no strip of %s: %s", identifier[:12], error)
    return strips


async def _strip(task: Task[ReportingSettings], video: Video) -> list[str]:
    from PIL import Image

    plan = FramePlan(
        start_s=0.0, end_s=video.duration_s, fps=FRAMES / video.duration_s, max_frames=FRAMES, max_pixels=PIXELS
    )
    uris = []
    for frame in await task.frame_service.read(video.uri, plan):
        image = Image.fromarray(frame.pixels)
        image.thumbnail((HEIGHT * 3, HEIGHT))
        data = io.BytesIO()
        image.save(data, "JPEG", quality=QUALITY)
        uris.append("data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii"))
    return uris
