"""What was captioned once is neither decoded nor paid for again, unless what is shown changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.captioning.caption import STAGE
from components.core.data.rows import Video
from components.sandbox.corpus.clips import learning_clip
from tests.components.captioning.clips import LAPTOP, inputs_of, whole
from tests.components.core.teachers.loopback import loopback
from tests.components.writing_stages import RunStage, render_clip, scripted


def test_a_rerun_pays_for_nothing_and_gives_the_same_dataset(tmp_path: Path, video: Video, run_stage: RunStage) -> None:
    inputs = inputs_of(tmp_path, video)
    with loopback(scripted({"caption_events": lambda asked: whole(asked, "a shape")})) as server:
        first = run_stage(STAGE, server.url, "first", inputs, **LAPTOP)
        calls = len(server.requests)
        second = run_stage(STAGE, server.url, "second", inputs, **LAPTOP)
        assert calls == len(server.requests) == 1
    assert first.manifest.digest == second.manifest.digest
    assert first.manifest.metrics == second.manifest.metrics


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
