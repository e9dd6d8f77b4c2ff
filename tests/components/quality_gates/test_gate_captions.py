"""The captions gate as a task: what passes is merged, what fails stops with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from components.core.engine.run import run_task
from components.quality_gates.gate_captions import STAGE
from tests.components.quality_gates.worlds import (
    Times,
    caption_world,
    every_five_seconds,
    whole_seconds,
    write_dataset,
)


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    return tmp_path / "run"


def run_gate(path: Path, times: Times) -> Path:
    corpus, shards, _ = caption_world(path, times=times)
    output = path / "captions"
    inputs = {"corpus": str(corpus), "shards": [str(shard) for shard in shards]}
    run_task(STAGE, settings="{}", inputs=inputs, output=str(output), name="gate-captions")
    return output


def stored(run: Path) -> dict[str, dict[str, object]]:
    result = json.loads((run / "gates" / "captions.json").read_text())
    return {verdict["name"]: verdict for verdict in result["verdicts"]}


def test_good_captions_pass_and_are_merged_by_shard(tmp_path: Path, run_folder: Path) -> None:
    captions = Dataset(run_gate(tmp_path, whole_seconds))
    assert captions.manifest.tables["videos"].ok == 40
    assert {video.shard for video in captions.rows("videos", "s00001-abc")} == {"s00001"}
    assert len(list(captions.rows("segments"))) == 40
    assert {verdict["status"] for verdict in stored(run_folder).values()} == {"passed"}
    assert (captions.path / "gate.json").read_bytes() == (run_folder / "gates" / "captions.json").read_bytes()
    assert (run_folder / "gates" / "captions" / "index.html").is_file()


def test_a_fixed_grid_is_refused_with_its_reason(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run_gate(tmp_path, every_five_seconds)
    message = capsys.readouterr().err
    assert "The captions gate refused the data. boundaries_on_a_grid: observed 0.9" in message
    assert "wanted at most 0.5, of 40 boundaries; worst: " in message
    assert not (tmp_path / "captions" / "manifest.json").exists()
    assert stored(run_folder)["boundaries_on_a_grid"]["status"] == "failed"
    assert (run_folder / "gates" / "captions" / "index.html").is_file()


def test_captions_of_the_first_sixty_percent_are_refused(tmp_path: Path, run_folder: Path) -> None:
    def short(index: int, duration_s: float) -> list[tuple[float, float]]:
        return [(start * 0.6, end * 0.6) for start, end in whole_seconds(index, duration_s)]

    with pytest.raises(SystemExit):
        run_gate(tmp_path, short)
    verdicts = stored(run_folder)
    assert verdicts["coverage"]["observed"] == pytest.approx(0.6)
    assert verdicts["coverage"]["status"] == verdicts["covered_videos"]["status"] == "failed"
    assert verdicts["valid_timestamps"]["status"] == "passed"


def test_what_captioning_left_open_is_not_covered_and_the_refusal_says_why(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def half(index: int, duration_s: float) -> list[tuple[float, float]]:
        return [(0.0, 4.0)] if index < 10 else whole_seconds(index, duration_s)

    corpus, shards, _ = caption_world(tmp_path, times=half, open_from=4.0, open_clips=10)
    inputs = {"corpus": str(corpus), "shards": [str(shard) for shard in shards]}
    with pytest.raises(SystemExit):
        run_task(STAGE, settings="{}", inputs=inputs, output=str(tmp_path / "captions"), name="gate-captions")
    assert "no valid reply (0.5)" in capsys.readouterr().err
    assert stored(run_folder)["coverage"]["observed"] == pytest.approx(1 - 40 / 320)
    assert json.loads((run_folder / "gates" / "captions.json").read_text())["counts"]["gaps"] == 10


def test_one_event_beyond_the_video_is_refused(tmp_path: Path, run_folder: Path) -> None:
    def late(index: int, duration_s: float) -> list[tuple[float, float]]:
        spans = whole_seconds(index, duration_s)
        return [*spans[:-1], (spans[-1][0], duration_s + 2)] if index == 7 else spans

    with pytest.raises(SystemExit):
        run_gate(tmp_path, late)
    refused = [name for name, verdict in stored(run_folder).items() if verdict["status"] == "failed"]
    assert refused == ["valid_timestamps"]


def test_a_video_without_captions_is_kept_as_rejected(tmp_path: Path) -> None:
    def but_one(index: int, duration_s: float) -> list[tuple[float, float]]:
        return [] if index == 3 else whole_seconds(index, duration_s)

    captions = Dataset(run_gate(tmp_path, but_one))
    assert captions.manifest.tables["videos"].ok == 39
    assert [video.reason for video in captions.rejected("videos")] == ["no caption"]


def test_a_failed_record_stays_on_record(tmp_path: Path) -> None:
    from components.core.data.rows import CaptionEvent, Failure, Segment

    corpus, shards, _ = caption_world(tmp_path)
    failure = Failure(record_id="v1", stage="captioning", error="ReplyError", reason="no valid reply")
    third = write_dataset(
        tmp_path / "third", {"segments": Segment, "events": CaptionEvent}, [("events", failure)], shard="s00002-abc"
    )
    inputs = {"corpus": str(corpus), "shards": [str(shard) for shard in (*shards, third)]}
    run_task(STAGE, settings="{}", inputs=inputs, output=str(tmp_path / "captions"))
    captions = Dataset(tmp_path / "captions")
    assert [row.record_id for row in captions.failures()] == ["v1"]
    assert captions.manifest.rows["failed"] == 1


def shards_with_failures(path: Path, failures: int) -> tuple[Path, list[Path]]:
    """Forty videos in two shards, and as many more shards of a single failed record each."""
    from components.core.data.rows import CaptionEvent, Failure, Row, Segment

    corpus, shards, _ = caption_world(path)
    tables: dict[str, type[Row]] = {"segments": Segment, "events": CaptionEvent}
    for number in range(failures):
        failed = Failure(record_id=f"v{number}", stage="captioning", error="VideoError", reason="There is no file.")
        shards.append(write_dataset(path / f"f{number}", tables, [("events", failed)], shard=f"s1{number:04d}-abc"))
    return corpus, shards


@pytest.mark.parametrize("failures", [1, 4, 9])
def test_the_failure_rate_is_judged_over_all_shards(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str], failures: int
) -> None:
    corpus, shards = shards_with_failures(tmp_path, failures)
    inputs = {"corpus": str(corpus), "shards": [str(shard) for shard in shards]}
    output = str(tmp_path / "captions")
    if failures <= 4:
        run_task(STAGE, settings="{}", inputs=inputs, output=output, name="gate-captions")
    else:
        with pytest.raises(SystemExit):
            run_task(STAGE, settings="{}", inputs=inputs, output=output, name="gate-captions")
        message = capsys.readouterr().err
        assert "failed_records: observed 0.1837, wanted at most 0.1, of 49 records" in message
        assert "captioning v0: There is no file." in message
        raised = '{"captions": {"max_failed": 0.2}}'
        run_task(STAGE, settings=raised, inputs=inputs, output=output, name="gate-captions")
    verdict = stored(run_folder)["failed_records"]
    assert verdict["observed"] == pytest.approx(failures / (40 + failures))


def test_few_records_are_no_rate_unless_all_of_them_failed() -> None:
    from components.core.data.rows import Failure
    from components.quality_gates.gate import failed_figure
    from components.quality_gates.settings import CaptionThresholds

    failed = Failure(record_id="v", stage="captioning", error="VideoError", reason="There is no file.")
    assert failed_figure([failed], 2, CaptionThresholds()).too_few
    assert not failed_figure([failed], 0, CaptionThresholds()).too_few
    assert not failed_figure([failed], 19, CaptionThresholds()).too_few
