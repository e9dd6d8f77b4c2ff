"""Caption each segment: look at it as often as it needs, ask for its events, put them in the video's time.

One decoding per window: frames are read at the highest rate the budget allows, their motion is measured, and they are
thinned to the rate chosen. Windows of one segment are independent requests; their events are joined.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.captioning.events import Event, check, gaps, join, realign, tidy
from components.captioning.frame_rate import choose_rate
from components.captioning.motion import motion_of, thin
from components.captioning.prompts import CAPTIONER, CaptionReply
from components.captioning.settings import CaptioningSettings
from components.captioning.windows import windows_of
from components.core.records import CaptionEvent, Lineage, Row, Segment, Video, digest_of, short_id
from components.core.students.tags import strip as strip_tags
from components.core.tasks import Stage, Task
from components.core.teachers.prompts import Prompt, TimedImage
from components.core.teachers.timed_images import timed_images
from components.core.video.plans import FramePlan

if TYPE_CHECKING:
    from components.core.video.reader import Frame


@dataclass(frozen=True)
class Stretch:
    """What is captioned as one record: a segment and the video it belongs to."""

    video: Video
    segment: Segment

    @property
    def id(self) -> str:
        """The segment's identifier."""
        return self.segment.segment_id

    @property
    def length_s(self) -> float:
        """Length of the segment in seconds."""
        return self.segment.end_s - self.segment.start_s

    def digest(self) -> str:
        """What the captions depend on beside settings and code."""
        return digest_of(self.video.digest(), self.segment.digest())


@dataclass(frozen=True)
class Captioned:
    """A window's events in the video's time, and what it took to get them."""

    events: list[Event]
    frames: int
    repairs: Counter[str]


async def run(task: Task) -> None:
    """Caption every segment of the task's shard."""
    videos = {video.video_id: video for video in task.rows("corpus", "videos")}
    stretches = (Stretch(videos[segment.video_id], segment) for segment in task.rows("segments", "segments"))
    await task.map(stretches, caption)


async def caption(stretch: Stretch, task: Task) -> list[Row]:
    """Caption one segment.

    Returns:
        the segment's own row, then its events in order.

    Raises:
        VideoError: the frames cannot be read.
        ReplyError: the captioner's replies stayed impossible.
    """
    settings: CaptioningSettings = task.settings
    segment = stretch.segment
    highest = choose_rate(stretch.length_s, 1.0, settings.budget, settings.rates)
    windows = windows_of(segment.start_s, segment.end_s, settings.frames_per_request / highest)
    looking = asyncio.Semaphore(settings.windows_in_flight)

    async def look(window: tuple[float, float]) -> Captioned:
        async with looking:
            return await caption_window(stretch, window, highest, task)

    try:
        async with asyncio.TaskGroup() as group:
            pending = [group.create_task(look(window)) for window in windows]
    except BaseExceptionGroup as errors:
        # The engine sorts errors by their class: hand it the first, not the group.
        raise errors.exceptions[0] from None
    parts = [done.result() for done in pending]
    events = join([part.events for part in parts], tolerance_s=settings.tolerance_s)
    record(stretch, parts, events, task)
    return [segment, *(row_of(event, segment, settings) for event in events)]


async def caption_window(stretch: Stretch, window: tuple[float, float], highest: float, task: Task) -> Captioned:
    """Look at one window of a segment, at `highest` frames per second or fewer, and ask what happens in it."""
    settings: CaptioningSettings = task.settings
    start_s, end_s = window
    plan = FramePlan(
        start_s=start_s,
        end_s=end_s,
        fps=highest,
        max_frames=settings.frames_per_request,
        max_pixels=settings.max_pixels,
    )
    frames = await task.frames(stretch.video, plan)
    # In a thread: encoding many frames would hold up every other request.
    images = await asyncio.to_thread(prepare, frames, stretch, start_s, settings)
    duration_s = round(end_s - start_s, 3)
    prompt = Prompt(system=CAPTIONER, payload={"duration_s": duration_s}, frames=images)

    def is_possible(reply: CaptionReply) -> None:
        check(events_of(reply), duration_s, tolerance_s=settings.tolerance_s)

    reply = await task.teachers.ask(settings.captioner, prompt, CaptionReply, check=is_possible)
    events, repairs = tidy(events_of(reply.value, reply.key), duration_s)
    return Captioned(realign(events, start_s), len(images), repairs)


def prepare(
    frames: Sequence[Frame], stretch: Stretch, start_s: float, settings: CaptioningSettings
) -> list[TimedImage]:
    """Choose the rate that the frames' motion deserves and encode the frames that it keeps."""
    motion = motion_of(frames, full=settings.full_motion)
    rate = choose_rate(stretch.length_s, motion, settings.budget, settings.rates)
    return timed_images(thin(frames, rate), start_s=start_s, quality=settings.jpeg_quality)


def events_of(reply: CaptionReply, *request_keys: str) -> list[Event]:
    """The events of a reply, still relative to their window; tags of the trace grammar are no part of a caption."""
    return [Event(event.start_s, event.end_s, strip_tags(event.text), request_keys) for event in reply.events]


def row_of(event: Event, segment: Segment, settings: CaptioningSettings) -> CaptionEvent:
    """The row of an event of a segment."""
    return CaptionEvent(
        event_id=short_id("event", segment.video_id, event.start_s, event.end_s, event.text),
        video_id=segment.video_id,
        segment_id=segment.segment_id,
        start_s=event.start_s,
        end_s=event.end_s,
        text=event.text,
        lineage=Lineage(
            parents=(segment.segment_id,),
            teacher=settings.captioner.teacher,
            prompt_digest=Prompt(system=CAPTIONER, payload={}).digest,
            request_keys=event.request_keys,
        ),
    )


def record(stretch: Stretch, parts: list[Captioned], events: list[Event], task: Task) -> None:
    """Add to the task's metrics what was looked at, repaired and left uncovered; log each segment with gaps."""
    segment = stretch.segment
    missing = gaps(events, segment.start_s, segment.end_s, tolerance_s=task.settings.tolerance_s)
    task.count(
        segments=1,
        seconds=stretch.length_s,
        windows=len(parts),
        frames=sum(part.frames for part in parts),
        events=len(events),
        gaps=len(missing),
        gap_seconds=sum(end - start for start, end in missing),
    )
    for part in parts:
        task.count(**{f"repairs_{name}": count for name, count in part.repairs.items()})
    if missing:
        task.log.warning("segment %s of video %s has gaps: %s", segment.segment_id, segment.video_id[:12], missing)


STAGE = Stage(
    name="captioning",
    settings=CaptioningSettings,
    inputs=("corpus", "segments"),
    tables={"segments": Segment, "events": CaptionEvent},
    run=run,
    roles=("captioner",),
)
