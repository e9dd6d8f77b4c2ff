"""What videos in S3 cost: each is fetched once a stage, and decoders + 1 copies are on disk at once."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from components.captioning.caption import STAGE as CAPTIONING
from components.core.data.datasets import Dataset
from components.core.data.rows import Segment, Video
from components.core.engine.run import run_task
from components.core.engine.stage import Stage
from components.core.stores.files import storage_for
from components.core.stores.s3 import s3_storage
from components.evaluation.evaluate import STAGE as EVALUATION
from components.grpo.train import STAGE as GRPO
from components.ingestion.discover import discover_shards
from components.ingestion.ingest import STAGE as INGESTION
from components.sandbox.corpus.clips import learning_clip
from components.sandbox.teacher.launch import running_teacher
from components.segmentation.segment import STAGE as SEGMENTATION
from components.sft.train import STAGE as SFT
from tests.components.core.judging.stages import run_stage as run_in
from tests.components.core.judging.stages import write_dataset as write_shard
from tests.components.core.teachers.loopback import loopback
from tests.components.training_world import SIZE, training_data
from tests.components.writing_stages import RunStage, render_clip, run_stage, scripted, write_dataset
from tests.laptop import FILMED, laptop

__all__ = ["run_stage"]
CLIPS = 6


class Traffic:
    """Bytes of videos that were fetched from the bucket, and the most copies that were on disk at once."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.fetched, self.copies = scratch, 0, 0
        self._over = threading.Event()
        client = s3_storage(()).client("")
        client.meta.events.register("after-call.s3.GetObject", self._count)

    def _count(self, parsed: dict[str, Any], **_: Any) -> None:
        self.fetched += parsed.get("ContentLength", 0)  # nothing else lies in the bucket

    def watch(self) -> None:
        while not self._over.wait(0.002):
            with suppress(FileNotFoundError):  # the folder was removed while it was looked into
                there = [path for path in self.scratch.rglob("copies-*/*") if path.name != "in-use"]
                self.copies = max(self.copies, len(there))

    def __enter__(self) -> Traffic:
        self._watching = threading.Thread(target=self.watch)
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    folder = tmp_path_factory.mktemp("clips")
    return [render_clip(learning_clip(seed, 0), folder / str(seed)) for seed in range(CLIPS)]


@pytest.fixture
def corpus(clips: list[Video], s3_bucket: str) -> list[Video]:
    """The clips in a bucket."""
    moved = []
    for number, clip in enumerate(clips):
        uri = f"{s3_bucket}/films/{number}.mp4"
        storage_for(uri).write(uri, Path(clip.uri).read_bytes())
        moved.append(clip.model_copy(update={"uri": uri}))
    return moved


@pytest.fixture
def traffic(corpus: list[Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with Traffic(tmp_path / "tmp") as traffic:
        yield traffic


def assert_once(traffic: Traffic, videos: list[Video], decoders: int) -> None:
    size = sum(video.size_bytes for video in videos)
    assert size <= traffic.fetched <= 1.05 * size
    assert 1 <= traffic.copies <= decoders + 1
    assert not list(traffic.scratch.rglob("copies-*"))


@pytest.mark.parametrize("decoders", [1, 2])
def test_captioning_fetches_each_video_once_however_many_windows_and_segments_it_has(
    tmp_path: Path, corpus: list[Video], traffic: Traffic, run_stage: RunStage, decoders: int
) -> None:
    segments = [
        Segment(segment_id=f"{video.video_id[:8]}-{start:g}", video_id=video.video_id, start_s=start, end_s=end)
        for video in corpus
        for start, end in pairwise([0.0, 4.0, video.duration_s])
    ]
    inputs = {
        "corpus": write_dataset(tmp_path / "corpus", {"videos": corpus}, {"videos": Video}),
        "segments": write_dataset(tmp_path / "in", {"segments": segments}, {"segments": Segment}),
    }
    said = {"caption_events": lambda asked: {"events": [{"start_s": 0, "end_s": asked["duration_s"], "text": "a"}]}}
    with loopback(scripted(said)) as server:
        made = run_stage(
            CAPTIONING, server.url, "captions", inputs, rates=[4], frames_per_request=4, max_pixels=19_200,
            windows_in_flight=2, work={"decoders": decoders, "concurrency": 16},
        )  # fmt: skip
    assert made.manifest.metrics["windows"] == 8 * CLIPS
    assert_once(traffic, corpus, decoders)


def test_segmentation_fetches_each_video_once_although_it_waits_for_teachers_between_looks(
    tmp_path: Path, corpus: list[Video], traffic: Traffic, run_stage: RunStage
) -> None:
    inputs = {"corpus": write_dataset(tmp_path / "corpus", {"videos": corpus}, {"videos": Video})}

    def halves(asked: dict[str, Any]) -> dict[str, Any]:
        edges = [0, asked["duration_s"] / 2, asked["duration_s"]]
        return {"segments": [{"start_s": a, "end_s": b, "title": ""} for a, b in pairwise(edges)]}

    with loopback(scripted({"segments": halves})) as server:
        made = run_stage(
            SEGMENTATION, server.url, "segments", inputs, whole_up_to_s=2, target_s=3, min_s=1, max_s=4, fps=2,
            frames_per_request=10, max_pixels=19_200,
        )  # fmt: skip
        assert len(server.requests) >= 2 * CLIPS
    assert made.manifest.metrics["long_videos"] == CLIPS
    assert_once(traffic, corpus, decoders=1)


def test_discovery_and_ingestion_read_each_video_once_each(
    tmp_path: Path, corpus: list[Video], traffic: Traffic, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    size = sum(video.size_bytes for video in corpus)
    shards = discover_shards(f"{s3_bucket}/films/", "{}")
    assert size <= traffic.fetched <= 1.05 * size
    assert traffic.copies == 0
    traffic.fetched = 0
    settings = {"videos": f"{s3_bucket}/films/", "shards": shards, "work": {"decoders": 2}}
    run_task(INGESTION, settings=json.dumps(settings), inputs={}, output=str(tmp_path / "corpus"), name="ingest")
    assert Dataset(tmp_path / "corpus").manifest.rows["ok"] == CLIPS
    assert_once(traffic, corpus, decoders=2)


def test_training_and_evaluation_fetch_each_video_once_each(
    tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("data", "tmp"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    made = training_data(tmp_path / "data", 4, held_out=2)
    captions, sizes, moved = Dataset(made["captions"]), {"train": 0, "eval": 0}, []
    for video in captions.rows("videos"):
        content = Path(video.uri).read_bytes()
        sizes[video.split] += len(content)
        storage_for(s3_bucket).write(f"{s3_bucket}/{video.video_id}.mp4", content)
        moved.append(video.model_copy(update={"uri": f"{s3_bucket}/{video.video_id}.mp4"}))
    events = list(captions.rows("events"))
    tables, types = {"videos": moved, "events": events}, {"videos": Video, "events": type(events[0])}
    made["captions"] = write_shard(tmp_path / "captions", tables, types)

    def fetched(stage: Stage[Any], output: str, settings: dict[str, Any]) -> int:
        inputs = {name: made[name] for name in stage.inputs if name in made}
        with running_teacher(workers=1) as url, Traffic(tmp_path / "tmp") as traffic:
            run_in(stage, url, tmp_path / output, inputs, settings)
        made[output] = tmp_path / output / "output"
        assert traffic.copies <= settings["work"]["decoders"] + 1
        return traffic.fetched

    work = {"work": {"decoders": 1}}
    assert fetched(SFT, "sft_model", {**SMALL, **work}) == sizes["train"]
    steps = {"steps": 2, "videos": 2, "questions_per_video": 1, "replies": 2, "max_tokens": 8, "replay_videos": 0}
    steps |= {"pass_rate": {"replies": 2}}
    assert fetched(GRPO, "grpo_model", {**laptop("grpo", steps), **work}) == sizes["train"]
    few = {"max_tokens": 4, "max_caption_tokens": 4}
    assert fetched(EVALUATION, "evaluation", {**laptop("evaluation", few), **work}) == sizes["eval"]


SMALL = laptop(
    "sft",
    {
        "size": SIZE.model_dump(mode="json"),
        "student": {"frames": {"max_frames": 8}},
        **FILMED,
        "visual_words": {"steps": 1, "moments": 4, "lookups": False},
        "phases": [{"steps": 3, "videos": 3, "observe": 2}],
    },
)


def test_a_second_training_over_the_same_videos_decodes_nothing(tmp_path: Path, reads: list[Path]) -> None:
    (tmp_path / "data").mkdir()
    data = training_data(tmp_path / "data", 3)
    run_in(SFT, "http://127.0.0.1:9/v1", tmp_path / "run", data, SMALL)
    assert len(reads) == 3
    run_in(SFT, "http://127.0.0.1:9/v1", tmp_path / "run", data, {**SMALL, "seed": 1})
    assert len(reads) == 3
