"""Captioning end to end: real decoding, the built-in teacher over HTTP, and teachers that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from components.captioning.caption import STAGE
from components.core.data.datasets import Dataset
from components.core.data.rows import CaptionEvent, Segment, Video
from components.core.stores.files import storage_for
from components.core.video.plans import FramePlan
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import Frame
from components.sandbox.corpus.clips import learning_clip, long_clip, showcase_clip
from components.sandbox.corpus.scene import Clip
from components.sandbox.teacher.launch import running_teacher
from tests.components.core.teachers.loopback import Answer, loopback, says
from tests.components.core.video.kinds import KINDS, make
from tests.components.writing_stages import RunStage, payload_of, render_clip, scripted, write_dataset

LAPTOP = {"rates": [2, 4], "max_pixels": 19_200}
CLIP = learning_clip(3, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def video(folder: Path) -> Video:
    return render_clip(CLIP, folder)


def inputs_of(folder: Path, *videos: Video, cuts: Sequence[float] = ()) -> dict[str, Path]:
    segments = [
        Segment(segment_id=f"{video.video_id[:8]}-{start:g}", video_id=video.video_id, start_s=start, end_s=end)
        for video in videos
        for start, end in pairwise([0.0, *cuts, video.duration_s])
    ]
    corpus = write_dataset(folder / "corpus", {"videos": videos}, {"videos": Video})
    return {"corpus": corpus, "segments": write_dataset(folder / "in", {"segments": segments}, {"segments": Segment})}


def events_of(dataset: Dataset) -> list[CaptionEvent]:
    return sorted(dataset.rows("events"), key=lambda event: event.start_s)


def truth_of(clip: Clip) -> list[tuple[float, float, str]]:
    return [
        (event.start_s, event.end_s, "; ".join(sorted(f"a {t.colour} {t.shape}" for t in event.things)))
        for event in clip.events
    ]


def test_events_of_a_clip_are_those_that_were_drawn(
    tmp_path: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    found = run_stage(STAGE, teacher, "captioned", inputs_of(tmp_path, video), **LAPTOP)
    events = events_of(found)
    assert [(event.start_s, event.end_s, event.text) for event in events] == truth_of(CLIP)
    segment = next(iter(found.rows("segments")))
    assert all(event.lineage.parents == (segment.segment_id,) and event.lineage.request_keys for event in events)
    assert found.manifest.metrics["gaps"] == 0
    assert found.manifest.reader.startswith("pyav")


def test_windows_and_segments_are_joined_into_the_same_caption_in_absolute_time(
    tmp_path: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    settings = {**LAPTOP, "rates": [4], "frames_per_request": 10}
    found = run_stage(STAGE, teacher, "captioned", inputs_of(tmp_path, video, cuts=[4.0]), **settings)
    assert found.manifest.metrics["windows"] == 4
    assert len(list(found.rows("segments"))) == 2
    events = events_of(found)
    assert events[0].start_s == 0 and events[-1].end_s == video.duration_s
    assert all(before.end_s == after.start_s for before, after in pairwise(events))
    shown = {event.text for event in events}
    assert shown == {text for _, _, text in truth_of(CLIP)}
    # Only the segments' border may cut an event in two.
    assert len(events) <= len(CLIP.events) + 1


def test_a_lively_clip_is_looked_at_more_often_than_a_still_one(
    tmp_path: Path, folder: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    clips = [showcase_clip(index, 0) for index in range(12)]
    lively = max(clips, key=lambda clip: sum(thing.motion != "" for e in clip.events for thing in e.things))
    moving = render_clip(lively, folder)
    rates = []
    for name, one in {"still": video, "moving": moving}.items():
        metrics = run_stage(STAGE, teacher, name, inputs_of(tmp_path / name, one), **LAPTOP).manifest.metrics
        rates.append(metrics["frames"] / metrics["seconds"])
    assert rates == [pytest.approx(2, abs=0.1), pytest.approx(4, abs=0.1)]


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


def test_a_rerun_pays_for_nothing_and_gives_the_same_dataset(tmp_path: Path, video: Video, run_stage: RunStage) -> None:
    inputs = inputs_of(tmp_path, video)
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "a shape")})) as server:
        first = run_stage(STAGE, server.url, "first", inputs, **LAPTOP)
        calls = len(server.requests)
        second = run_stage(STAGE, server.url, "second", inputs, **LAPTOP)
        assert calls == len(server.requests) == 1
    assert first.manifest.digest == second.manifest.digest
    assert first.manifest.metrics == second.manifest.metrics


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that a child process was asked to decode."""
    asked: list[Path] = []
    read = DecoderProcess.read

    def counted(self: DecoderProcess, path: Path, plan: FramePlan) -> list[Frame]:
        asked.append(path)
        return read(self, path, plan)

    monkeypatch.setattr(DecoderProcess, "read", counted)
    return asked


def test_without_its_records_a_video_is_captioned_again_from_stored_calls_and_decodes_nothing(
    tmp_path: Path, folder: Path, run_stage: RunStage, reads: list[Path]
) -> None:
    clip = render_clip(learning_clip(5, 0), folder / "moved away")
    inputs = inputs_of(tmp_path, clip, cuts=[4.0])
    settings = {**LAPTOP, "rates": [1, 2, 4], "frames_per_request": 8}
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "a shape")})) as server:
        first = run_stage(STAGE, server.url, "first", inputs, **settings)
        calls, decoded = len(server.requests), len(reads)
        assert calls == decoded == first.manifest.metrics["windows"] > 2
        (tmp_path / "state" / "records.sqlite").unlink()
        Path(clip.uri).unlink()
        second = run_stage(STAGE, server.url, "second", inputs, **settings)
        assert (len(server.requests), len(reads)) == (calls, decoded)
    assert second.manifest.digest == first.manifest.digest
    assert second.manifest.metrics == first.manifest.metrics


def test_another_sharpness_is_asked_about_anew_and_another_release_of_the_encoder_is_not(
    tmp_path: Path, video: Video, run_stage: RunStage, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_of(tmp_path, video)
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "a shape")})) as server:
        run_stage(STAGE, server.url, "first", inputs, **LAPTOP)
        assert (len(server.requests), len(reads)) == (1, 1)
        (tmp_path / "state" / "records.sqlite").unlink()
        monkeypatch.setattr("components.core.video.timed_images.encode_jpeg", lambda pixels, quality: b"other bytes")
        run_stage(STAGE, server.url, "second", inputs, **LAPTOP)
        assert (len(server.requests), len(reads)) == (1, 1)
        run_stage(STAGE, server.url, "third", inputs, **LAPTOP, jpeg_quality=70)
        assert (len(server.requests), len(reads)) == (2, 2)


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


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"start_s": 0, "end_s": 30, "text": "far too long"}],
        [{"start_s": 3, "end_s": 2, "text": "backwards"}],
        [{"start_s": 0, "end_s": float("nan"), "text": "not a time"}],
        [{"start_s": 0, "end_s": 8, "text": " "}],
        [{"start_s": 0, "end_s": 8, "text": "<answer></answer>"}],
        [{"start_s": 4, "end_s": 8, "text": "late"}, {"start_s": 0, "end_s": 4, "text": "early"}],
        [{"start_s": "soon", "end_s": 8, "text": "no number"}],
    ],
)
def test_an_impossible_reply_is_asked_again_with_the_error_and_then_fails_the_record(
    tmp_path: Path, video: Video, run_stage: RunStage, events: list[dict[str, Any]]
) -> None:
    inputs = inputs_of(tmp_path, video)
    with loopback(scripted({"caption_events": mended({"events": events}, after=1)})) as server:
        found = run_stage(STAGE, server.url, "mended", inputs, **LAPTOP)
        assert [event.text for event in events_of(found)] == ["a shape"]
        assert len(server.requests) == 2
        assert "invalid" in server.requests[1]["messages"][-1]["content"]
    captioner = {"role": "captioner", "revision": "stubborn", "attempts": 2}
    whole_only = {"captioner": captioner, "shortest_window_s": 8, **LAPTOP}
    with loopback(scripted({"caption_events": mended({"events": events}, after=9)})) as server:
        with pytest.raises(SystemExit):
            run_stage(STAGE, server.url, "stubborn", inputs, **whole_only)
        assert len(server.requests) == 2


def test_overlaps_are_clipped_and_gaps_are_recorded_not_filled(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    spans = [(0, 3), (2, 4), (6, 8.2)]
    said = {"events": [{"start_s": start, "end_s": end, "text": f"from {start}"} for start, end in spans]}
    with loopback(scripted({"caption_events": lambda _: said})) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, video), **LAPTOP)
    assert [(event.start_s, event.end_s) for event in events_of(found)] == [(0, 2), (2, 4), (6, 8)]
    metrics = found.manifest.metrics
    assert (metrics["gaps"], metrics["gap_seconds"]) == (1, 2)
    assert [(gap.start_s, gap.end_s, gap.reason) for gap in gaps_of(found)] == [
        (4, 6, "the captioner described nothing here")
    ]
    assert (metrics["repairs_overlap"], metrics["repairs_clipped"]) == (1, 1)


def whole(asked: dict[str, Any], text: str) -> dict[str, Any]:
    return {"events": [{"start_s": 0, "end_s": asked["duration_s"], "text": text}]}


def mended(bad: dict[str, Any], *, after: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A captioner that says something impossible until it has been corrected `after` times."""
    return lambda asked: bad if asked["asked_before"] < after else whole(asked, "a shape")


def gaps_of(dataset: Dataset) -> list[CaptionEvent]:
    return sorted(dataset.rejected("events"), key=lambda event: event.start_s)


def test_five_percent_of_invalid_windows_leave_97_percent_of_the_seconds_captioned(
    tmp_path: Path, run_stage: RunStage
) -> None:
    videos = [render_clip(long_clip(120.0, number), tmp_path / f"clip{number}") for number in range(4)]
    settings = {**LAPTOP, "rates": [2], "frames_per_request": 16, "captioner": {"role": "captioner", "attempts": 1}}
    with running_teacher(workers=1, faults=["garbage=0.05@captioner"], seed=0) as url:
        found = run_stage(STAGE, url, "captioned", inputs_of(tmp_path, *videos), **settings)
    metrics = found.manifest.metrics
    covered = sum(event.end_s - event.start_s for event in found.rows("events"))
    left_open = sum(gap.end_s - gap.start_s for gap in gaps_of(found))
    assert not list(found.failures())
    assert 0.03 <= metrics["windows_halved"] / 60 <= 0.1
    assert covered >= 0.97 * metrics["seconds"] == pytest.approx(0.97 * 480)
    assert left_open > 0 and covered + left_open == pytest.approx(480, abs=0.01)


def test_what_is_never_described_is_a_gap_that_says_where_and_why(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    """All eight seconds three times, the good half, the bad one three times, then its good and its bad half."""
    good = {3, 7}

    def answer(body: dict[str, Any], number: int) -> Answer:
        return says(whole(payload_of(body), f"look {number}") if number in good else "la la la")

    settings = {**LAPTOP, "rates": [4], "shortest_window_s": 2}
    with loopback(answer) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, video), **settings)
        assert len(server.requests) == 11
        again = run_stage(STAGE, server.url, "again", inputs_of(tmp_path, video), **settings)
        assert len(server.requests) == 11
    assert [(event.start_s, event.end_s, event.text) for event in events_of(found)] == [
        (0, 4, "look 3"),
        (4, 6, "look 7"),
    ]
    (gap,) = gaps_of(found)
    assert (gap.start_s, gap.end_s, gap.text) == (6, 8, "")
    assert "captioner" in gap.reason and "stayed invalid after 3 attempts" in gap.reason
    metrics = found.manifest.metrics
    assert (metrics["windows_halved"], metrics["gaps"], metrics["gap_seconds"]) == (2, 1, 2)
    assert again.manifest.digest == found.manifest.digest


def test_an_invalid_window_does_not_cancel_what_its_siblings_pay_for(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    first: list[Any] = []

    def answer(body: dict[str, Any], number: int) -> Answer:
        content = body["messages"][1]["content"]
        first.extend([content] if not first else [])
        if content == first[0]:
            return says("la la la")
        return says(whole(payload_of(body), "paid for"), after_s=0.5)

    settings = {**LAPTOP, "rates": [4], "frames_per_request": 16, "shortest_window_s": 4}
    with loopback(answer) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, video), **settings)
        assert len(server.requests) == 3 + 1
    assert [event.text for event in events_of(found)] == ["paid for"]
    assert [gap.end_s - gap.start_s for gap in gaps_of(found)] == [4]


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
