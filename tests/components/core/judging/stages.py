"""Running one stage for real: datasets on disk, a teacher over loopback, `run_task` as a component calls it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset, DatasetWriter
from components.core.data.manifest import Manifest
from components.core.data.rows import Row, Segment, Summary, Video
from components.core.engine.run import run_task
from components.core.engine.stage import Stage
from tests.components.builtin_roles import with_builtin_roles
from tests.components.core.judging.world import caption


def write_dataset(path: Path, tables: Mapping[str, Sequence[Row]], kinds: Mapping[str, type[Row]]) -> Path:
    """A finished dataset, its rows filed under one shard."""
    with DatasetWriter(path, kinds, part="s00000") as writer:
        for table, rows in tables.items():
            writer.write(table, rows)
        writer.close(Manifest(stage="test", digest=""))
    return path


def video(video_id: str = "video", split: str = "train") -> Video:
    """The row of a clip of eight seconds."""
    return Video.model_validate(
        {
            "video_id": video_id, "uri": f"{video_id}.mp4", "duration_s": 8.0, "fps": 8.0, "width": 112, "height": 112,
            "codec": "h264", "size_bytes": 1, "split": split, "shard": "s00000",
        }
    )  # fmt: skip


def summary(video_id: str = "video", text: str = "A few coloured shapes are shown one after the other.") -> Summary:
    """A summary that gives nothing away."""
    return Summary(video_id=video_id, text=text)


def captions(path: Path, videos: Sequence[Video]) -> Path:
    """A captions dataset of videos that all show the clip of `world`."""
    from components.core.data.rows import CaptionEvent

    events = [event for row in videos for event in caption(row.video_id)]
    kinds = {"videos": Video, "segments": Segment, "events": CaptionEvent}
    return write_dataset(path, {"videos": videos, "segments": [], "events": events}, kinds)


def run_stage(
    stage: Stage, url: str, folder: Path, inputs: Mapping[str, Path], settings: Mapping[str, object] | None = None
) -> Dataset:
    """Run a stage on one shard and open what it wrote."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REWATCH_ENDPOINTS", json.dumps({"builtin": {"base_url": url, "patience_s": 5}}))
        environment.setenv("REWATCH_STATE_ROOT", str(folder / "state"))
        environment.setenv("REWATCH_RUN_ROOT", str(folder / "run"))
        run_task(
            stage,
            settings=with_builtin_roles(stage, settings),
            inputs={name: str(path) for name, path in inputs.items()},
            output=str(folder / "output"),
            shard="s00000-abc",
        )
    return Dataset(folder / "output")
