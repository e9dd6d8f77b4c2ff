"""The trajectories gate: merges the shards, and refuses trajectories that cite, look or answer wrongly."""

from __future__ import annotations

from collections import defaultdict

from components.core.data.rows import CaptionEvent, Failure, Trajectory
from components.core.engine.stage import Stage, Task
from components.quality_gates.gate import decide, failed_figure, shards_of, write_refused
from components.quality_gates.settings import QualityGatesSettings
from components.quality_gates.trajectory_quality import judge_observations, trajectory_checks


async def gate_trajectories(task: Task[QualityGatesSettings]) -> None:
    """Merge, measure and decide.

    Raises:
        GateFailed: a check failed; the merged dataset is left without a manifest.
        TeacherUnavailable: the judge's endpoint is down.
    """
    settings = task.settings
    captions = task.dataset("captions")
    videos = {video.video_id: video for video in captions.rows("videos")}
    questions = {question.question_id: question for question in task.dataset("questions").rows("questions")}
    caption_of: dict[str, list[CaptionEvent]] = defaultdict(list)
    for event in captions.rows("events"):
        caption_of[event.video_id].append(event)
    trajectories: list[Trajectory] = []
    failures: list[Failure] = []
    watched: set[str] = set()
    refused = 0
    for shard in shards_of(task):
        part = shard.manifest.shard
        merged = list(shard.rows("trajectories"))
        rejected = list(shard.rejected("trajectories"))
        task.write("trajectories", merged, part)
        failures += write_refused(task, shard, part)
        trajectories += merged
        refused += len(rejected)
        watched.update(trajectory.question_id for trajectory in (*merged, *rejected))
    events = {event.event_id: video_id for video_id, caption in caption_of.items() for event in caption}
    judged, lost = await judge_observations(task, trajectories, caption_of)
    tried = len(trajectories) + refused + len(failures)
    figures, columns = trajectory_checks(trajectories, tried, events, questions, videos, judged, settings.trajectories)
    figures.insert(0, failed_figure(failures, len(watched), settings.trajectories))
    counts = {
        "tried": tried,
        "kept": len(trajectories),
        "rejected": refused,
        "failed": len(failures),
        "judge_lost": lost,
    }
    decide(task, "trajectories", figures, columns, counts)


STAGE = Stage(
    name="quality_gates",
    settings=QualityGatesSettings,
    inputs=("captions", "questions", "shards"),
    tables={"trajectories": Trajectory},
    run=gate_trajectories,
    roles=("judge",),
)
