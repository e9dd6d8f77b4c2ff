"""Small datasets, written as stages write them, for the gates' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from components.core.data.datasets import DatasetWriter
from components.core.data.manifest import Manifest
from components.core.data.rows import (
    CaptionEvent,
    Outcome,
    ProbeVerdict,
    Question,
    QuestionType,
    Row,
    Segment,
    Span,
    Step,
    Summary,
    Trajectory,
    Video,
    digest_of,
)

COLOURS = ("red", "green", "blue", "yellow")
Times = Callable[[int, float], Sequence[tuple[float, float]]]


def write_dataset(path: Path, tables: dict[str, type[Row]], rows: Iterable[tuple[str, Row]], **manifest: Any) -> Path:
    """Write rows as one task's dataset."""
    with DatasetWriter(path, tables, part=manifest.get("shard", "")) as writer:
        for table, row in rows:
            writer.write(table, row, getattr(row, "shard", ""))
        writer.close(Manifest(stage=manifest.pop("stage", "test"), digest="", **manifest))
    return path


def video(index: int, duration_s: float = 8.0) -> Video:
    return Video(
        video_id=digest_of("video", index),
        uri=f"videos/{index}.mp4",
        duration_s=duration_s,
        fps=8,
        width=112,
        height=112,
        codec="h264",
        size_bytes=1000,
        split="eval" if index % 5 == 0 else "train",
        shard=f"s{index % 2:05d}",
    )


def whole_seconds(index: int, duration_s: float) -> list[tuple[float, float]]:
    """Honest events of the sandbox: 4 to 6 contiguous ones at whole seconds that differ from video to video."""
    inner = sorted(range(1, int(duration_s)), key=lambda second: digest_of(index, second))[: 3 + index % 3]
    cuts = [0.0, *(float(cut) for cut in sorted(inner)), duration_s]
    return list(pairwise(cuts))


def every_five_seconds(index: int, duration_s: float) -> list[tuple[float, float]]:
    """What a captioner on a fixed grid writes, whatever happens."""
    cuts = [*(float(cut) for cut in range(0, int(duration_s), 5)), duration_s]
    return list(pairwise(cuts))


def events_of(clip: Video, index: int, times: Times) -> list[CaptionEvent]:
    return [
        CaptionEvent(
            event_id=f"e-{clip.video_id[:8]}-{place}",
            video_id=clip.video_id,
            segment_id=f"g-{clip.video_id[:8]}",
            start_s=start,
            end_s=end,
            text=f"a {COLOURS[place % 4]} circle",
        )
        for place, (start, end) in enumerate(times(index, clip.duration_s))
    ]


def gap_of(clip: Video, start_s: float, end_s: float) -> CaptionEvent:
    """What captioning leaves of seconds it got no valid reply about."""
    name = f"gap-{clip.video_id[:8]}"
    refused = {"outcome": Outcome.REJECTED, "reason": "no valid reply"}
    segment = f"g-{clip.video_id[:8]}"
    return CaptionEvent(
        event_id=name, video_id=clip.video_id, segment_id=segment, start_s=start_s, end_s=end_s, text="", **refused
    )


def caption_world(
    path: Path, clips: int = 40, times: Times = whole_seconds, open_from: float = 0.0, open_clips: int = 0
) -> tuple[Path, list[Path], list[Video]]:
    """A corpus and its captioned shards: (corpus, shards, videos).

    The first `open_clips` videos have a gap from `open_from` to their end.
    """
    videos = [video(index) for index in range(clips)]
    corpus = write_dataset(path / "corpus", {"videos": Video}, [("videos", clip) for clip in videos])
    tables: dict[str, type[Row]] = {"segments": Segment, "events": CaptionEvent}
    shards = []
    for shard in ("s00000", "s00001"):
        rows: list[tuple[str, Row]] = []
        for index, clip in enumerate(videos):
            if clip.shard == shard:
                name = f"g-{clip.video_id[:8]}"
                whole = Segment(segment_id=name, video_id=clip.video_id, start_s=0, end_s=clip.duration_s)
                rows.append(("segments", whole))
                rows += [("events", event) for event in events_of(clip, index, times)]
                rows += [("events", gap_of(clip, open_from, clip.duration_s))] if index < open_clips else []
        shards.append(write_dataset(path / shard, tables, rows, shard=f"{shard}-abc"))
    return corpus, shards, videos


def question(clip: Video, turn: int, **changes: Any) -> Question:
    """A multiple-choice question whose key stands first, as a lazy rewriter leaves it."""
    second = turn % 8
    colour = COLOURS[turn % 4]
    others = tuple(option for option in COLOURS if option != colour)
    row = Question(
        question_id=f"q-{clip.video_id[:8]}-{turn}",
        video_id=clip.video_id,
        type=QuestionType.OBJECT_RECOGNITION,
        form="multiple_choice",
        question=f"What colour is the shape at [00:{second:02d}]?",
        answer=colour,
        options=(colour, *others),
        answer_index=0,
        evidence=(Span(start_s=second, end_s=second + 1),),
    )
    return row.model_copy(update=changes)


def as_open(twin: Question) -> Question:
    """The open question that a multiple-choice one was rewritten from."""
    changes = {"question_id": f"{twin.question_id}-open", "form": "open", "options": (), "answer_index": -1}
    return twin.model_copy(update=changes)


def question_world(path: Path, videos: Sequence[Video], questions: Sequence[Question]) -> list[Path]:
    """The shards that the filters wrote."""
    tables: dict[str, type[Row]] = {"summaries": Summary, "questions": Question, "verdicts": ProbeVerdict}
    shard_of = {clip.video_id: clip.shard for clip in videos}
    shards = []
    for shard in ("s00000", "s00001"):
        mine = [clip.video_id for clip in videos if clip.shard == shard]
        rows: list[tuple[str, Row]] = [
            ("summaries", Summary(video_id=name, text="Coloured shapes take turns.")) for name in mine
        ]
        rows += [("questions", row) for row in questions if shard_of.get(row.video_id, "s00000") == shard]
        shards.append(write_dataset(path / f"probed-{shard}", tables, rows, shard=f"{shard}-abc"))
    return shards


def trajectory(row: Question, event: CaptionEvent, **changes: Any) -> Trajectory:
    """A faithful trajectory of one look."""
    observation = f"00:00 {event.text}"
    text = f"<action>look at 00:00</action><observation>{observation}</observation><answer>{row.answer}</answer>"
    step = Step(
        thought="look",
        action="segment_query",
        argument="00:00",
        observation=observation,
        event_ids=(event.event_id,),
    )
    made = Trajectory(
        trajectory_id=f"t-{row.question_id}",
        question_id=row.question_id,
        video_id=row.video_id,
        steps=(step,),
        answer=row.answer,
        text=text,
    )
    return made.model_copy(update=changes)
