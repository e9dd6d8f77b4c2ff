"""A tiny finished run on disk, written with the project's own writers: what the report's tests read."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

from components.core.data.gate_result import GateResult, Verdict
from components.core.data.manifest import Manifest, Upstream, read_manifest, write_manifest
from components.core.data.rows import (
    CaptionEvent,
    Failure,
    Outcome,
    Prediction,
    ProbeVerdict,
    Protocol,
    Question,
    Row,
    Score,
    Segment,
    Summary,
    Trajectory,
    Video,
)
from components.core.engine.record import RunRecord
from components.reporting.settings import ReportingSettings
from pipelines.rewatch import PIPELINE
from tests.components.quality_gates.worlds import (
    as_open,
    events_of,
    question,
    trajectory,
    video,
    whole_seconds,
    write_dataset,
)

SETTINGS = ReportingSettings(pipeline=PIPELINE.outline)
"""The defaults, and what the pipeline fills in."""

PROTOCOL = Protocol(
    frames="16",
    fps=2.0,
    pixels="56x56",
    decoding="greedy",
    extractor="answer tag, option match",
    judge="builtin-judge@1",
    intervals="95 % percentile bootstrap over videos, 2000 draws",
    questions="held out, 400",
)
SCORES = (
    ("chance", "all", 0.25, 0.25, 0.25),
    ("wrong_video", "all", 0.26, 0.21, 0.31),
    ("untrained", "all", 0.01, 0.0, 0.02),
    ("sft_direct", "all", 0.41, 0.36, 0.46),
    ("sft_think", "all", 0.62, 0.57, 0.67),
    ("grpo_think", "all", 0.74, 0.69, 0.78),
    ("chance", "one_look", 0.25, 0.25, 0.25),
    ("sft_think", "one_look", 0.68, 0.63, 0.73),
    ("grpo_think", "one_look", 0.81, 0.77, 0.85),
    ("grpo_think - sft_think", "all", 0.12, 0.07, 0.17),
    ("sft_think - sft_direct", "all", 0.21, 0.15, 0.27),
)


STAGES = {
    **dict.fromkeys(("gate-captions", "gate-questions", "gate-trajectories"), "quality_gates"),
    "evaluate": "evaluation",
    "promote": "promotion",
}
"""Stage by task, where their names differ."""


@dataclass(frozen=True)
class World:
    """A run folder and its final artifacts by label."""

    run: Path
    roots: dict[str, Path]

    @property
    def record(self) -> RunRecord:
        """The run's record, as the report reads it."""
        return RunRecord(str(self.run))


def build_run(path: Path, clips: int = 24, caption_text: str = "") -> World:
    """Write a finished run.

    Args:
        caption_text: replaces the text of every first event, to see what the page does with it.
    """
    run = path / "run-1"
    data = run / "artifacts"
    videos = [video(index, 8.0 if index >= 4 else 30.0 + 7 * index) for index in range(clips)]
    failure = Failure(record_id="broken.mp4", stage="ingestion", error="VideoError", reason="no video stream")
    rows: list[tuple[str, Row]] = [("videos", clip) for clip in videos]
    corpus = write_dataset(
        data / "corpus", {"videos": Video}, [*rows, ("videos", failure)], stage="ingestion", task="ingest"
    )
    events = {clip.video_id: _events(clip, index, caption_text) for index, clip in enumerate(videos)}
    shards = [_captioned(data / shard, shard, corpus, videos, events) for shard in ("s00000", "s00001")]
    tables: dict[str, type[Row]] = {"videos": Video, "segments": Segment, "events": CaptionEvent}
    rows += [("segments", _segment(clip)) for clip in videos]
    rows += [("events", event) for clip in videos for event in events[clip.video_id]]
    captions = _dataset(data / "captions", "gate-captions", tables, rows, {"corpus": corpus, "shards": shards})
    questions, trajectories = _asked(data, videos, events, captions)
    models = _models(data, {"captions": captions, "questions": questions, "trajectories": trajectories})
    evaluation = _evaluation(data, {"questions": questions, **models})
    decision = _model(data / "decision", "promote", {"evaluation": evaluation})
    text = "Promoted: 74.0% against 62.0% of version 1."
    (decision / "decision.json").write_text(json.dumps({"verdict": "promoted", "text": text, "version": "2"}))
    data_tasks = {"ingest": corpus, "gate-captions": captions, "gate-questions": questions, "evaluate": evaluation}
    _records(run, {**data_tasks, **models})
    _gates(run)
    return World(
        run,
        {
            "corpus": corpus,
            "captions": captions,
            "questions": questions,
            "trajectories": trajectories,
            **models,
            "evaluation": evaluation,
            "decision": decision,
        },
    )


def _events(clip: Video, index: int, caption_text: str) -> list[CaptionEvent]:
    first, *others = events_of(clip, index, whole_seconds)
    return [first.model_copy(update={"text": caption_text or first.text}), *others]


def _segment(clip: Video) -> Segment:
    return Segment(
        segment_id=f"g-{clip.video_id[:8]}", video_id=clip.video_id, start_s=0, end_s=clip.duration_s, title="whole"
    )


def _captioned(
    path: Path, shard: str, corpus: Path, videos: list[Video], events: dict[str, list[CaptionEvent]]
) -> Path:
    mine = [clip for clip in videos if clip.shard == shard]
    rows: list[tuple[str, Row]] = [("segments", _segment(clip)) for clip in mine]
    rows += [("events", event) for clip in mine for event in events[clip.video_id]]
    upstream = (_upstream("corpus", corpus),)
    teachers = {"captioner": "builtin-captioner@1"}
    return write_dataset(
        path,
        {"segments": Segment, "events": CaptionEvent},
        rows,
        stage="captioning",
        shard=f"{shard}-abc",
        upstream=upstream,
        teachers=teachers,
    )


def _asked(data: Path, videos: list[Video], events: dict[str, list[CaptionEvent]], captions: Path) -> tuple[Path, Path]:
    tables: dict[str, type[Row]] = {"summaries": Summary, "questions": Question, "verdicts": ProbeVerdict}
    rows: list[tuple[str, Row]] = [
        ("summaries", Summary(video_id=clip.video_id, text="Coloured shapes take turns.")) for clip in videos
    ]
    traces: list[tuple[str, Row]] = []
    for clip in videos:
        for turn in range(3):
            twin = question(clip, turn)
            twin = twin.model_copy(update={"twin_of": f"{twin.question_id}-open"})
            rows += [("questions", as_open(twin).model_copy(update={"twin_of": ""})), ("questions", twin)]
            if clip.split == "train":
                traces.append(("trajectories", trajectory(twin, events[clip.video_id][turn])))
        easy = as_open(question(clip, 5))
        refused = {"outcome": Outcome.REJECTED, "reason": "text_only: 2 of 2 probes were right"}
        rows.append(("questions", easy.model_copy(update=refused)))
    questions = _dataset(data / "questions", "gate-questions", tables, rows, {"captions": captions})
    sources = {"captions": captions, "questions": questions}
    trajectories = _dataset(data / "trajectories", "gate-trajectories", {"trajectories": Trajectory}, traces, sources)
    return questions, trajectories


def _models(data: Path, sources: dict[str, Path]) -> dict[str, Path]:
    draw = random.Random(3)
    sft = _model(data / "sft", "sft", sources)
    lines = [
        {"step": step, **{f"loss_{task}": 3 * math.exp(-step / pace) + 0.2 + draw.random() / 5 for task, pace in tasks}}
        for tasks in [(("caption", 30), ("direct", 60), ("think", 40))]
        for step in range(160)
    ]
    (sft / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    grpo = _model(data / "grpo", "grpo", {**sources, "sft_model": sft})
    terms = [
        {"step": step, "reward": 1 + step / 150 + draw.random() / 3, "r_acc": 0.5 + step / 500, "r_obs": 0.6}
        for step in range(120)
    ]
    (grpo / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in terms) + '{"step": 120, "rew')
    return {"sft_model": sft, "grpo_model": grpo}


def _evaluation(data: Path, sources: dict[str, Path]) -> Path:
    rows = [
        Score(
            score_id=f"{system}-{group}",
            system=system,
            metric="accuracy",
            group=group,
            value=value,
            low=low,
            high=high,
            n=400,
            clusters=100,
            protocol=PROTOCOL,
        )
        for system, group, value, low, high in SCORES
    ]
    recall = {"score_id": "recall", "system": "grpo_think", "metric": "grounding_recall@0.3"}
    rows.append(rows[0].model_copy(update=recall))
    tables: dict[str, type[Row]] = {"predictions": Prediction, "scores": Score}
    return _dataset(data / "evaluation", "evaluate", tables, [("scores", row) for row in rows], sources)


def _records(run: Path, outputs: dict[str, Path]) -> None:
    (run / "tasks").mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"run_id": "run-1", "profile": "laptop", "videos": "runs/corpus"}))
    names = {"sft_model": "sft", "grpo_model": "grpo"}
    for minute, (name, output) in enumerate(outputs.items()):
        rows = read_manifest(output).rows
        record = {
            "name": names.get(name, name),
            "status": "succeeded",
            "started": f"2026-01-01T00:{minute:02d}:00+00:00",
        }
        record |= {"seconds": 3.5, "cpu_seconds": 3.1, "rows": rows, "output": str(output), "tokens": 900}
        record |= {"calls": 40, "cached_calls": 2, "cost": 0.0}
        (run / "tasks" / f"{record['name']}.json").write_text(json.dumps(record))


def _gates(run: Path) -> None:
    good = Verdict(
        name="coverage", explains="seconds covered", status="passed", observed=0.99, minimum=0.9, n=400, unit="seconds"
    )
    few = good.model_copy(update={"name": "text_only_accuracy", "status": "undecided", "note": "fewer than 100"})
    (run / "gates").mkdir()
    for gate, verdicts in (("captions", (good,)), ("questions", (good, few))):
        result = GateResult(gate=gate, passed=True, verdicts=verdicts)
        (run / "gates" / f"{gate}.json").write_text(result.model_dump_json())


def _dataset(
    path: Path,
    task: str,
    tables: dict[str, type[Row]],
    rows: list[tuple[str, Row]],
    sources: dict[str, Path | list[Path]] | dict[str, Path],
) -> Path:
    return write_dataset(path, tables, rows, stage=STAGES[task], task=task, upstream=_all_upstream(sources))


def _model(path: Path, task: str, sources: dict[str, Path]) -> Path:
    path.mkdir(parents=True)
    stage = STAGES.get(task, task)
    manifest = Manifest(stage=stage, task=task, digest=f"{stage:0<64}", upstream=_all_upstream(sources))
    write_manifest(path, manifest)
    return path


def _all_upstream(sources: dict[str, Path | list[Path]] | dict[str, Path]) -> tuple[Upstream, ...]:
    pairs = [
        (name, path) for name, given in sources.items() for path in (given if isinstance(given, list) else [given])
    ]
    return tuple(_upstream(name, path) for name, path in pairs)


def _upstream(name: str, path: Path) -> Upstream:
    return Upstream(name=name, path=str(path), digest=read_manifest(path).digest)
