"""Videos that cannot be read, or not to their end, cost their record or their seconds and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.captioning.caption import STAGE
from components.core.data.rows import Video
from components.core.stores.files import storage_for
from components.sandbox.corpus.clips import learning_clip
from tests.components.captioning.clips import LAPTOP, events_of, gaps_of, inputs_of, whole
from tests.components.core.teachers.loopback import loopback
from tests.components.core.video.kinds import KINDS, make
from tests.components.writing_stages import RunStage, render_clip, scripted


def test_one_unreadable_video_is_a_failure_and_the_others_are_captioned(
    tmp_path: Path, folder: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    broken = folder / "broken.mp4"
    broken.write_bytes(Path(video.uri).read_bytes()[:300])
    bad = video.model_copy(update={"video_id": "b" * 64, "uri": str(broken)})
    found = run_stage(STAGE, teacher, "captioned", inputs_of(tmp_path, video, bad), **LAPTOP)
    assert {event.video_id for event in found.rows("events")} == {video.video_id}
    (failure,) = found.failures()
    assert failure.error == "VideoError" and failure.record_id.startswith("b" * 8)


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_missing_object_fails_its_record_and_only_all_of_them_stop_the_stage(
    tmp_path: Path,
    folder: Path,
    video: Video,
    teacher: str,
    run_stage: RunStage,
    s3_bucket: str,
    place: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = s3_bucket if place == "s3" else str(folder / "away")
    storage_for(root).write(f"{root}/clip.mp4", Path(video.uri).read_bytes())
    there = video.model_copy(update={"uri": f"{root}/clip.mp4"})
    gone = [video.model_copy(update={"video_id": letter * 64, "uri": f"{root}/gone-{letter}.mp4"}) for letter in "abc"]
    found = run_stage(STAGE, teacher, "captioned", inputs_of(tmp_path / "some", there, gone[0]), **LAPTOP)
    assert {event.video_id for event in found.rows("events")} == {video.video_id}
    (failure,) = found.failures()
    assert failure.error == "VideoError" and f"{root}/gone-a.mp4" in failure.reason
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run_stage(STAGE, teacher, "none", inputs_of(tmp_path / "none", *gone), **LAPTOP)
    assert "All 3 records of captioning failed" in (said := capsys.readouterr().err) and f"{root}/gone-c.mp4" in said


def test_a_video_that_is_gone_before_its_window_was_paid_for_is_a_failure(
    tmp_path: Path, folder: Path, video: Video, run_stage: RunStage
) -> None:
    clip = render_clip(learning_clip(6, 0), folder / "taken away")
    inputs = inputs_of(tmp_path, video, clip)
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "a shape")})) as server:
        run_stage(STAGE, server.url, "first", inputs, **LAPTOP)
        Path(clip.uri).unlink()
        Path(clip.uri).write_bytes(b"another file")
        found = run_stage(STAGE, server.url, "second", inputs, **LAPTOP, captioner={"role": "captioner", "model": "m"})
    assert [failure.error for failure in found.failures()] == ["VideoError"]
    assert {event.video_id for event in found.rows("events")} == {video.video_id}


def test_a_window_without_frames_is_a_gap_and_the_others_are_captioned(
    tmp_path: Path, folder: Path, video: Video, run_stage: RunStage
) -> None:
    """The row says sixteen seconds, the file holds eight."""
    longer = video.model_copy(update={"video_id": "f" * 64, "duration_s": 16.0})
    settings = {**LAPTOP, "rates": [4], "frames_per_request": 32}
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "a shape")})) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, longer), **settings)
    assert [(event.start_s, event.end_s) for event in events_of(found)] == [(0, 8)]
    (gap,) = gaps_of(found)
    assert (gap.start_s, gap.end_s) == (8, 16) and "no picture" in gap.reason


def test_a_damaged_middle_is_a_gap_and_no_event_speaks_of_it(tmp_path: Path, video: Video, run_stage: RunStage) -> None:
    name = "damaged middle, MP4"
    made = make(name, KINDS[name], tmp_path)
    damaged = video.model_copy(update={"video_id": "d" * 64, "uri": str(made.path), "duration_s": 20.0})
    settings = {**LAPTOP, "rates": [4], "frames_per_request": 128}
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "numbers")})) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, damaged), **settings)
    before, after = events_of(found)
    (gap,) = gaps_of(found)
    assert (before.start_s, before.end_s, after.start_s, after.end_s) == (0, gap.start_s, gap.end_s, 20)
    assert 1 <= gap.end_s - gap.start_s <= 10 and "damaged" in gap.reason
