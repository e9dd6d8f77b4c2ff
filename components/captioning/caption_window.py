"""Caption one window of a segment: read its frames, ask what happens, ask again in halves, or say why not.

A window is read once, at the highest rate the budget allows; its motion is measured, and its frames are thinned to the
rate chosen. What was measured is remembered: from then on the frames are read only for a request that is really sent.
One window's trouble is its own: where no valid reply is had, its frames are asked about in halves, down to a shortest
length, and what stays without a reply, or cannot be read, is left as a gap with its reason. What is said about seconds
that nobody could see is cut out of the events around them. No window ends the requests of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from components.captioning.events import Event, Gap, check, cut_out, realign, tidy
from components.captioning.frame_rate import choose_rate
from components.captioning.motion import MeasuredFrame, measure_frames, motion_of, thin
from components.captioning.prompts import CAPTIONER, CaptionReply
from components.captioning.settings import CaptioningSettings
from components.captioning.windows import Span, halves_of, without
from components.core.data.rows import Segment, Video, digest_of
from components.core.engine.stage import Task
from components.core.errors import RecordError, ReplyError, VideoError
from components.core.traces.tags import strip as strip_tags
from components.core.video.frame_service import Footage
from components.core.video.plans import FramePlan
from components.core.video.readings import Reading
from components.core.video.timed_images import prompt_of_frames

UNREADABLE = "no picture can be read here: the file is damaged"


@dataclass(frozen=True)
class VideoSegment:
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
class WindowCaption:
    """What one request told about a window, or part of one, in the video's time, and what it took.

    `error` is why there is nothing: it becomes the record's where no window of the segment was captioned.
    """

    events: list[Event] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    frames: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    error: RecordError | None = None


async def caption_window(
    footage: Footage, record: VideoSegment, window: Span, highest: float, task: Task[CaptioningSettings]
) -> list[WindowCaption]:
    """Look at one window of a segment, at `highest` frames per second or fewer.

    Returns:
        one caption, or in order of time those of the parts that it was halved into.
    """
    settings = task.settings
    start_s, end_s = window
    plan = FramePlan(
        start_s=start_s,
        end_s=end_s,
        fps=highest,
        max_frames=settings.frames_per_request,
        max_pixels=settings.max_pixels,
    )
    reading = footage.reading(plan)
    try:
        frames = [MeasuredFrame(*frame) for frame in await reading.measured(measure_frames)]
    except VideoError as error:
        return [uncaptioned(window, error)]
    unread = plan.missing(frame.asked_s for frame in frames)
    lost = [(lost_s, until_s) for lost_s, until_s in unread if until_s - lost_s > settings.tolerance_s]
    parts = await describe(reading, frames, record, window, task)
    return [
        *(without_unread(part, lost) for part in parts),
        WindowCaption(gaps=[Gap(*span, UNREADABLE) for span in lost]),
    ]


async def describe(
    reading: Reading,
    frames: Sequence[MeasuredFrame],
    record: VideoSegment,
    window: Span,
    task: Task[CaptioningSettings],
) -> list[WindowCaption]:
    """Ask about a window's frames; in halves where no valid reply is had about the whole."""
    settings = task.settings
    try:
        return [await ask(reading, frames, record, window, task)]
    except VideoError as error:  # what is remembered of the frames is there, but they are not
        return [uncaptioned(window, error)]
    except ReplyError as error:
        halves = halves_of(window, [frame.asked_s for frame in frames], settings.shortest_window_s)
        if not halves:
            return [uncaptioned(window, error)]
    task.count(windows_halved=1)
    parts: list[WindowCaption] = []
    for start_s, end_s in halves:
        shown = [frame for frame in frames if start_s <= frame.asked_s < end_s]
        if shown:  # all of it may be unreadable, which is a gap of its own
            parts += await describe(reading, shown, record, (start_s, end_s), task)
    return parts


async def ask(
    reading: Reading,
    frames: Sequence[MeasuredFrame],
    record: VideoSegment,
    window: Span,
    task: Task[CaptioningSettings],
) -> WindowCaption:
    """One request: what happens in a window, shown at the rate that its motion deserves.

    Raises:
        VideoError: the request has to be sent, and the frames cannot be read any more.
        ReplyError: the captioner's replies stayed impossible.
    """
    settings = task.settings
    start_s, end_s = window
    motion = motion_of(frames, full=settings.full_motion)
    shown = thin(frames, choose_rate(record.length_s, motion, settings.budget, settings.rates))
    payload = {"duration_s": round(end_s - start_s, 3)}
    prompt = prompt_of_frames(CAPTIONER, payload, reading, shown, start_s=start_s, quality=settings.jpeg_quality)

    def is_possible(reply: CaptionReply) -> None:
        check(events_of(reply), payload["duration_s"], tolerance_s=settings.tolerance_s)

    reply = await task.teachers.ask(settings.captioner, prompt, CaptionReply, check=is_possible)
    events, repairs = tidy(events_of(reply.value, reply.key), payload["duration_s"])
    return WindowCaption(realign(events, start_s), frames=len(shown), repairs=repairs)


def events_of(reply: CaptionReply, *request_keys: str) -> list[Event]:
    """The events of a reply, still relative to their window; tags of the trace grammar are no part of a caption."""
    return [Event(event.start_s, event.end_s, strip_tags(event.text), request_keys) for event in reply.events]


def without_unread(part: WindowCaption, lost: Sequence[Span]) -> WindowCaption:
    """A caption without what it says about seconds of which no frame could be read."""
    gaps = [replace(gap, start_s=a, end_s=b) for gap in part.gaps for a, b in without((gap.start_s, gap.end_s), lost)]
    return replace(part, events=cut_out(part.events, lost), gaps=gaps)


def uncaptioned(window: Span, error: RecordError) -> WindowCaption:
    """What is known where no request told anything."""
    return WindowCaption(gaps=[Gap(*window, reason=error.what)], error=error)
