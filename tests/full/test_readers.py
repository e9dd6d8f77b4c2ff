"""The whole way with decord chosen in the profile, beside the same with PyAV."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from tests.full.conftest import latest, read_by, run

pytestmark = pytest.mark.full


def test_a_whole_run_with_decord_gives_what_one_with_pyav_gives(corpus: Path, whole_run: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "runs", corpus, "--set", "video.reader=decord")
    assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs = latest(whole_run), latest(tmp_path / "runs")
    assert {task["name"]: task["rows"] for task in ours["tasks"] if task["name"] == "ingest"} == {
        task["name"]: task["rows"] for task in theirs["tasks"] if task["name"] == "ingest"
    }
    captions = [Dataset(Path(record["datasets"]["captions"])) for record in (ours, theirs)]
    assert [read_by(dataset).partition("-")[0] for dataset in captions] == ["pyav", "decord"]
    events = [
        {(event.video_id, round(event.start_s), round(event.end_s), event.text) for event in dataset.rows("events")}
        for dataset in captions
    ]
    # The same frames, scaled by another filter: the teacher measures colours and motion a little differently.
    assert len(events[0] & events[1]) >= 0.95 * len(events[0] | events[1])
