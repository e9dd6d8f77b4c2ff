"""Cut long videos into semantic chunks that tile them exactly; leave short ones whole.

A request shows a bounded number of frames. A video longer than one request is walked through: each request begins where
the last chunk that was seen to its end ended, so that every chunk is proposed by someone who saw all of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from components.core.data.rows import Lineage, Row, Segment, Video, short_id
from components.core.engine.stage import Stage, Task
from components.core.errors import VideoError
from components.core.teachers.prompts import Prompt
from components.core.video.frame_service import Footage
from components.core.video.plans import FramePlan
from components.core.video.readings import Moment, moments
from components.core.video.timed_images import prompt_of_frames
from components.segmentation.prompts import SEGMENTER, SegmentsReply
from components.segmentation.scene_cuts import strongest_change
from components.segmentation.settings import SegmentationSettings
from components.segmentation.tiling import Lengths, Proposal, cuts_of, fit_lengths, spans_of, title_of


@dataclass
class Proposals:
    """What the segmenter proposed for a video, and the keys of the requests."""

    chunks: list[Proposal] = field(default_factory=list)
    request_keys: list[str] = field(default_factory=list)


async def run(task: Task[SegmentationSettings]) -> None:
    """Segment every video of the task's shard."""
    await task.map(task.rows("corpus", "videos"), segment)


async def segment(video: Video, task: Task[SegmentationSettings]) -> list[Row]:
    """Segment one video.

    Returns:
        its segments, in order, from 0 to the video's duration without gaps or overlaps.

    Raises:
        VideoError: the frames cannot be read.
        ReplyError: the segmenter's replies stayed invalid.
    """
    settings = task.settings
    if video.duration_s <= settings.whole_up_to_s:
        return [row_of(video, (0.0, video.duration_s), "", Lineage(parents=(video.video_id,)))]
    with task.footage(video) as footage:
        proposals = await propose(footage, task)
        proposed, repairs = cuts_of(proposals.chunks, video.duration_s, tolerance_s=1 / settings.fps)
        snapped = [await snap(footage, cut, task) for cut in proposed]
    repairs["snapped"] += sum(cut != before for cut, before in zip(snapped, proposed, strict=True))
    lengths = Lengths(settings.min_s, settings.max_s)
    cuts, changes = fit_lengths(sorted(set(snapped)), video.duration_s, lengths)
    add_metrics(video, len(cuts) + 1, repairs + changes, task)
    lineage = Lineage(
        parents=(video.video_id,),
        teacher=settings.segmenter.teacher,
        prompt_digest=Prompt(system=SEGMENTER, payload={}).digest,
        request_keys=tuple(proposals.request_keys),
    )
    spans = spans_of(cuts, video.duration_s)
    return [row_of(video, span, title_of(span, proposals.chunks), lineage) for span in spans]


async def propose(footage: Footage, task: Task[SegmentationSettings]) -> Proposals:
    """Ask the segmenter for the video's chunks, request by request."""
    settings = task.settings
    proposals = Proposals()
    start_s, duration_s = 0.0, footage.video.duration_s
    while start_s < duration_s:
        end_s = min(duration_s, start_s + settings.window_s)
        chunks = await ask(footage, start_s, end_s, proposals, task)
        if end_s < duration_s:
            # The last chunk was cut off by the request's end: ask for it again from its start.
            chunks = [chunk for chunk in chunks[:-1] if chunk.end_s <= end_s] or [Proposal(start_s, end_s)]
        proposals.chunks += chunks
        reached = max(chunk.end_s for chunk in chunks)
        start_s = end_s if end_s == duration_s or reached < start_s + settings.min_s else reached
    return proposals


async def ask(
    footage: Footage, start_s: float, end_s: float, proposals: Proposals, task: Task[SegmentationSettings]
) -> list[Proposal]:
    """One request: the chunks proposed for [start_s, end_s), in the video's time and in order."""
    settings = task.settings
    plan = FramePlan(
        start_s=start_s,
        end_s=end_s,
        fps=settings.fps,
        max_frames=settings.frames_per_request,
        max_pixels=settings.max_pixels,
        # A cut is looked for more closely afterwards, and every frame says when it was really shown.
        exact=False,
    )
    reading = footage.reading(plan)
    shown = [Moment(*moment) for moment in await reading.measured(moments)]
    payload = {"target_s": settings.target_s, "duration_s": round(end_s - start_s, 3)}
    prompt = prompt_of_frames(SEGMENTER, payload, reading, shown, start_s=start_s, quality=settings.jpeg_quality)
    reply = await task.teachers.ask(settings.segmenter, prompt, SegmentsReply)
    proposals.request_keys.append(reply.key)
    chunks = [Proposal(start_s + chunk.start_s, start_s + chunk.end_s, chunk.title) for chunk in reply.value.segments]
    return sorted(chunks, key=lambda chunk: chunk.start_s)


async def snap(footage: Footage, cut_s: float, task: Task[SegmentationSettings]) -> float:
    """Move a cut to the clearest scene cut within one low-rate step of it; where none can be seen, leave it."""
    settings = task.settings
    if not settings.snap_fps:
        return cut_s
    video, reach_s = footage.video, 1 / settings.fps
    plan = FramePlan(
        start_s=max(0.0, cut_s - reach_s),
        end_s=min(video.duration_s, cut_s + reach_s),
        fps=settings.snap_fps,
        max_pixels=settings.max_pixels,
    )
    try:
        change_s = await footage.reading(plan).measured(strongest_change)
    except VideoError as error:
        task.log.warning("video %s: the cut at %.1f s stays: %s", video.video_id[:12], cut_s, error.what)
        return cut_s
    return float(change_s) if change_s is not None and 0 < change_s < video.duration_s else cut_s


def row_of(video: Video, span: tuple[float, float], title: str, lineage: Lineage) -> Segment:
    """The row of one segment."""
    start_s, end_s = span
    segment_id = short_id("segment", video.video_id, start_s, end_s)
    return Segment(
        segment_id=segment_id, video_id=video.video_id, start_s=start_s, end_s=end_s, title=title, lineage=lineage
    )


def add_metrics(video: Video, segments: int, repairs: Counter[str], task: Task[SegmentationSettings]) -> None:
    """Add what was made and repaired to the task's metrics and log."""
    task.count(long_videos=1, chunks=segments, **{f"repairs_{name}": count for name, count in repairs.items()})
    task.log.info("video %s: %d chunks, repairs %s", video.video_id[:12], segments, dict(+repairs))


STAGE = Stage(
    name="segmentation",
    settings=SegmentationSettings,
    inputs=("corpus",),
    tables={"segments": Segment},
    run=run,
    roles=("segmenter",),
)
