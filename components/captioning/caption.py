"""Caption each segment: look at it as often as it needs, ask for its events, put them in the video's time.

Windows of one segment are independent requests; their events are joined. What no event covers is written down as a
rejected event without text: where it is, and why. A segment fails as a record only if nothing at all is known of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from components.captioning.caption_window import VideoSegment, WindowCaption, caption_window
from components.captioning.events import Event, Gap, gaps, join
from components.captioning.frame_rate import choose_rate
from components.captioning.prompts import CAPTIONER
from components.captioning.settings import CaptioningSettings
from components.captioning.windows import Span, windows_of
from components.core.data.rows import CaptionEvent, Lineage, Outcome, Row, Segment, short_id
from components.core.engine.stage import Stage, Task
from components.core.teachers.prompts import Prompt
from components.core.video.frame_service import Footage


async def run(task: Task[CaptioningSettings]) -> None:
    """Caption every segment of the task's shard."""
    task.carry_failures("segments")
    videos = {video.video_id: video for video in task.rows("corpus", "videos")}
    records = (VideoSegment(videos[segment.video_id], segment) for segment in task.rows("segments", "segments"))
    await task.map(records, caption)


async def caption(record: VideoSegment, task: Task[CaptioningSettings]) -> list[Row]:
    """Caption one segment.

    Returns:
        the segment's own row, its events in order, then its gaps as rejected events.

    Raises:
        VideoError: no frame can be read.
        ReplyError: not one of the captioner's replies was possible.
    """
    settings = task.settings
    segment = record.segment
    highest = choose_rate(record.length_s, 1.0, settings.budget, settings.rates)
    windows = windows_of(segment.start_s, segment.end_s, settings.frames_per_request / highest)
    in_flight = asyncio.Semaphore(settings.windows_in_flight)

    async def caption_one(footage: Footage, window: Span) -> list[WindowCaption]:
        async with in_flight:
            return await caption_window(footage, record, window, highest, task)

    # All windows end before the first error is raised: what stops a task must not cancel what is being paid for.
    with task.footage(record.video, reads=len(windows)) as footage:
        ended = await asyncio.gather(*(caption_one(footage, window) for window in windows), return_exceptions=True)
    parts: list[WindowCaption] = []
    for result in ended:
        if isinstance(result, BaseException):
            raise result
        parts += result
    events = join([part.events for part in parts], tolerance_s=settings.tolerance_s)
    errors = [part.error for part in parts if part.error is not None]
    if errors and not events:
        raise errors[0]
    known = [gap for part in parts for gap in part.gaps]
    missing = gaps(events, segment.start_s, segment.end_s, known, tolerance_s=settings.tolerance_s)
    add_metrics(record, len(windows), parts, events, missing, task)
    rows = [row_of(event, segment, settings) for event in events]
    return [segment, *rows, *(row_of_gap(gap, segment) for gap in missing)]


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


def row_of_gap(gap: Gap, segment: Segment) -> CaptionEvent:
    """The row of what is not captioned: a rejected event without text, with the reason."""
    return CaptionEvent(
        event_id=short_id("gap", segment.video_id, gap.start_s, gap.end_s),
        video_id=segment.video_id,
        segment_id=segment.segment_id,
        start_s=gap.start_s,
        end_s=gap.end_s,
        text="",
        outcome=Outcome.REJECTED,
        reason=gap.reason,
        lineage=Lineage(parents=(segment.segment_id,)),
    )


def add_metrics(
    record: VideoSegment,
    windows: int,
    parts: Sequence[WindowCaption],
    events: Sequence[Event],
    missing: Sequence[Gap],
    task: Task[CaptioningSettings],
) -> None:
    """Add to the task's metrics what was looked at, repaired and left uncovered; log each segment with gaps."""
    segment = record.segment
    task.count(
        segments=1,
        seconds=record.length_s,
        windows=windows,
        frames=sum(part.frames for part in parts),
        events=len(events),
        gaps=len(missing),
        gap_seconds=sum(gap.end_s - gap.start_s for gap in missing),
    )
    for part in parts:
        task.count(**{f"repairs_{name}": count for name, count in part.repairs.items()})
    for gap in missing:
        where = f"{gap.start_s:g}-{gap.end_s:g} s of video {segment.video_id[:12]}"
        task.log.warning("gap at %s: %s", where, gap.reason)


STAGE = Stage(
    name="captioning",
    settings=CaptioningSettings,
    inputs=("corpus", "segments"),
    tables={"segments": Segment, "events": CaptionEvent},
    run=run,
    roles=("captioner",),
)
