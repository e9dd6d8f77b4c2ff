"""Segmentation end to end: short videos stay whole, long ones are tiled, whatever the segmenter says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.core.data.datasets import Dataset
from components.core.data.rows import Segment, Video
from components.sandbox.corpus.clips import long_clip
from components.sandbox.corpus.scene import Clip
from components.segmentation.segment import STAGE
from components.segmentation.settings import SegmentationSettings
from tests.components.core.teachers.loopback import loopback
from tests.components.writing_stages import RunStage, render_clip, scripted, write_dataset

CLIP: Clip = long_clip(120.0, 1)
SMALL = {"whole_up_to_s": 60, "target_s": 40, "min_s": 15, "max_s": 60, "fps": 0.5, "frames_per_request": 64}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return render_clip(CLIP, tmp_path_factory.mktemp("clips"))


def corpus_of(folder: Path, *videos: Video) -> dict[str, Path]:
    return {"corpus": write_dataset(folder / "corpus", {"videos": videos}, {"videos": Video})}


def segments_of(dataset: Dataset) -> list[Segment]:
    return sorted(dataset.rows("segments"), key=lambda segment: segment.start_s)


def assert_tiles(segments: list[Segment], video: Video) -> None:
    assert segments[0].start_s == 0
    assert segments[-1].end_s == video.duration_s
    assert all(before.end_s == after.start_s for before, after in pairwise(segments))


def test_a_short_video_stays_whole_without_a_call(tmp_path: Path, video: Video, run_stage: RunStage) -> None:
    with loopback(scripted({})) as server:
        found = run_stage(STAGE, server.url, "segments", corpus_of(tmp_path, video))
        assert server.requests == []
    (segment,) = segments_of(found)
    assert (segment.start_s, segment.end_s) == (0, video.duration_s)


def test_a_long_video_is_tiled_and_no_event_is_cut_in_two(
    tmp_path: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    segments = segments_of(run_stage(STAGE, teacher, "segments", corpus_of(tmp_path, video), **SMALL))
    assert len(segments) == 3
    assert_tiles(segments, video)
    assert all(15 <= segment.end_s - segment.start_s <= 60 for segment in segments)
    for segment in segments[1:]:
        assert min(abs(segment.start_s - event.start_s) for event in CLIP.events) < 0.3
        assert segment.lineage.request_keys and segment.lineage.parents == (video.video_id,)


def test_a_video_longer_than_one_request_is_walked_through(tmp_path: Path, video: Video, run_stage: RunStage) -> None:
    asked: list[dict[str, Any]] = []

    def chapters(payload: dict[str, Any]) -> dict[str, Any]:
        asked.append(payload)
        length = payload["duration_s"]
        edges = [0, *(edge for edge in (40, 80) if edge < length), length]
        return {"segments": [{"start_s": a, "end_s": b, "title": f"{a:g}"} for a, b in pairwise(edges)]}

    settings = {**SMALL, "frames_per_request": 32, "snap_fps": 0}
    with loopback(scripted({"segments": chapters})) as server:
        found = run_stage(STAGE, server.url, "segments", corpus_of(tmp_path, video), **settings)
    assert [(segment.start_s, segment.end_s) for segment in segments_of(found)] == [(0, 40), (40, 80), (80, 120)]
    assert [payload["duration_s"] for payload in asked] == [64, 64, 40]
    assert all(payload["frames"][0] == 0 and len(payload["frames"]) <= 32 for payload in asked)


@pytest.mark.parametrize(
    "chunks",
    [
        [(0, 500)],
        [(10, 40), (55, 120)],
        [(0, 70), (50, 120)],
        [(0, 2), (2, 4), (4, 120)],
        [(30, 10), (200, 300)],
        [(80, 120), (0, 40)],
    ],
)
def test_wrong_boundaries_are_repaired_by_rule_and_counted(
    tmp_path: Path, video: Video, run_stage: RunStage, chunks: list[tuple[float, float]]
) -> None:
    said = {"segments": [{"start_s": start, "end_s": end, "title": ""} for start, end in chunks]}
    with loopback(scripted({"segments": lambda _: said})) as server:
        found = run_stage(STAGE, server.url, "segments", corpus_of(tmp_path, video), **SMALL, snap_fps=0)
    segments = segments_of(found)
    assert_tiles(segments, video)
    assert all(15 <= segment.end_s - segment.start_s <= 60 for segment in segments)
    assert sum(count for name, count in found.manifest.metrics.items() if name.startswith("repairs_")) >= 1


def test_one_unreadable_video_is_a_failure_and_the_others_are_segmented(
    tmp_path: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    bad = video.model_copy(update={"video_id": "b" * 64, "uri": str(broken)})
    found = run_stage(STAGE, teacher, "segments", corpus_of(tmp_path, video, bad), **SMALL)
    assert {segment.video_id for segment in segments_of(found)} == {video.video_id}
    assert [failure.error for failure in found.failures()] == ["VideoError"]


def test_a_limit_raised_in_the_stages_video_section_is_the_one_that_holds(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    said = {"segments": [{"start_s": 0, "end_s": 40, "title": ""}, {"start_s": 40, "end_s": 120, "title": ""}]}
    short = video.model_copy(update={"video_id": "c" * 64, "duration_s": 30.0})
    rows = {}
    with loopback(scripted({"segments": lambda _: said})) as server:
        for limit_s in (100, 121):
            settings = {**SMALL, "video": {"limits": {"max_duration_s": limit_s}}}
            corpus = corpus_of(tmp_path / str(limit_s), video, short)
            rows[limit_s] = run_stage(STAGE, server.url, f"segments-{limit_s}", corpus, **settings)
    (refused,) = rows[100].failures()
    assert "--set video.limits.max_duration_s=120" in refused.reason
    assert list(rows[121].failures()) == []


def test_a_cut_that_cannot_be_looked_at_stays_where_it_was_proposed(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    """The row says 240 seconds, the file holds 120: nothing can be seen around the last cuts."""
    longer = video.model_copy(update={"duration_s": 240.0})
    edges = [0, 40, 80, 120, 160, 200, 240]
    said = {"segments": [{"start_s": a, "end_s": b, "title": ""} for a, b in pairwise(edges)]}
    settings = {**SMALL, "frames_per_request": 128}
    with loopback(scripted({"segments": lambda _: said})) as server:
        found = run_stage(STAGE, server.url, "segments", corpus_of(tmp_path, longer), **settings)
    assert [segment.start_s for segment in segments_of(found)][-2:] == [160, 200]


@pytest.mark.parametrize(
    "wrong", [{"min_s": 700}, {"min_s": 500, "max_s": 900}, {"frames_per_request": 64}, {"targets": 600}]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SegmentationSettings(**wrong)
