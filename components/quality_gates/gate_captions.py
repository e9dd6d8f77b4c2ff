"""The captions gate: merges the shards' segments and events, and refuses captions no question should be asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from components.core.data.datasets import Dataset
from components.core.data.rows import CaptionEvent, Failure, Outcome, Segment, Video
from components.core.engine.stage import Stage, Task
from components.quality_gates.caption_quality import CaptionMeasures, caption_checks, measure_caption
from components.quality_gates.gate import decide, failed_figure, shards_of, write_refused
from components.quality_gates.question_quality import split_leak
from components.quality_gates.settings import QualityGatesSettings


def gate_captions(task: Task[QualityGatesSettings]) -> None:
    """Merge, measure and decide. Videos without a caption are kept as rejected rows; they count in the yield.

    Raises:
        GateFailed: a check failed; the merged dataset is left without a manifest.
    """
    settings = task.settings
    corpus = task.dataset("corpus")
    measures: list[CaptionMeasures] = []
    captioned: set[str] = set()
    failures: list[Failure] = []
    finished = 0
    for shard in shards_of(task):
        failures += write_refused(task, shard, shard.manifest.shard)
        finished += shard.manifest.tables["segments"].ok
        for caption in _write_shard(task, corpus, shard):
            measures.append(caption)
            captioned.add(caption.video_id)
    ingested = corpus.manifest.tables["videos"].ok
    figures, columns = caption_checks(measures, ingested, settings.captions)
    figures.insert(0, failed_figure(failures, finished, settings.captions))
    figures.append(split_leak((video.video_id, video.split) for video in corpus.rows("videos")))
    counts = {"ingested": ingested, "captioned": len(captioned), "events": sum(m.events for m in measures)}
    counts["gaps"] = sum(shard.manifest.tables["events"].rejected for shard in shards_of(task))
    decide(task, "captions", figures, columns, counts)


def _write_shard(task: Task[QualityGatesSettings], corpus: Dataset, shard: Dataset) -> Iterator[CaptionMeasures]:
    """Write one shard's videos, segments and events; yields the measures of each captioned video."""
    part = shard.manifest.shard
    segments: dict[str, list[Segment]] = defaultdict(list)
    events: dict[str, list[CaptionEvent]] = defaultdict(list)
    for segment in shard.rows("segments"):
        segments[segment.video_id].append(segment)
    for event in shard.rows("events"):
        events[event.video_id].append(event)
    gaps: dict[str, list[CaptionEvent]] = defaultdict(list)
    for gap in shard.rejected("events"):
        gaps[gap.video_id].append(gap)
    for video in corpus.rows("videos", part):
        if not events[video.video_id]:
            task.write("videos", _without_caption(video), part)
            continue
        task.write("videos", video, part)
        task.write("segments", segments[video.video_id], part)
        task.write("events", events[video.video_id], part)
        yield measure_caption(video, segments[video.video_id], events[video.video_id], gaps[video.video_id])


def _without_caption(video: Video) -> Video:
    return video.model_copy(update={"outcome": Outcome.REJECTED, "reason": "no caption"})


STAGE = Stage(
    name="quality_gates",
    settings=QualityGatesSettings,
    inputs=("corpus", "shards"),
    tables={"videos": Video, "segments": Segment, "events": CaptionEvent},
    run=gate_captions,
)
