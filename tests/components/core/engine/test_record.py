"""The run on disk, in a folder and in S3: what one pod writes, another reads."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from components.core.engine.context import Context
from components.core.engine.record import RunRecord, TaskRecord
from components.core.engine.run import run_task
from components.core.stores.files import storage_for
from tests.components.core.engine.toy.stage import STAGE
from tests.components.core.teachers.loopback import loopback, says

LOG = logging.getLogger("test")


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the run lies; two pods see it, each with a scratch space of its own."""
    return f"{request.getfixturevalue('s3_bucket')}/runs/7f3a" if request.param == "s3" else str(tmp_path / "7f3a")


@pytest.fixture
def pods(root: str, tmp_path: Path) -> tuple[RunRecord, RunRecord]:
    return RunRecord(root, str(tmp_path / "one")), RunRecord(root, str(tmp_path / "other"))


def test_a_pod_sees_what_the_others_wrote_and_reads_again_only_what_changed(pods: tuple[RunRecord, RunRecord]) -> None:
    one, other = pods
    assert other.tasks() == [] and other.object("run.json") == {} and other.read("plan.json") is None
    for name in ("caption-s00000", "caption-s00001"):
        one.write_task(TaskRecord(name=name, stage="captioning", status="running", started="now"))
    one.path("tasks/half.json").write_text('{"name": "ha')
    one.publish("tasks/half.json")
    assert [task["name"] for task in other.tasks()] == ["caption-s00000", "caption-s00001"]
    known = {written.name: written.version for written in other.written("tasks")}
    assert [written.name for written in other.written("tasks", known)] == []
    one.write_task(TaskRecord(name="caption-s00001", stage="captioning", status="succeeded", started="now"))
    (changed,) = other.written("tasks", known)
    assert changed.name == "caption-s00001.json" and changed.content["status"] == "succeeded"


def test_a_folder_is_published_whole(pods: tuple[RunRecord, RunRecord]) -> None:
    one, other = pods
    docs = one.path("gates/captions")
    (docs / "deep").mkdir(parents=True)
    (docs / "index.html").write_text("<html>")
    (docs / "deep" / "style.css").write_text("css")
    one.publish("gates/captions")
    assert other.read("gates/captions/index.html") == b"<html>"
    assert other.read("gates/captions/deep/style.css") == b"css"


def test_a_second_attempt_goes_on_in_the_log_that_the_first_published(pods: tuple[RunRecord, RunRecord]) -> None:
    one, other = pods
    with one.publishing("logs/sft.jsonl", log=LOG), one.continued("logs/sft.jsonl").open("a") as log:
        log.write("first\n")
    with other.publishing("logs/sft.jsonl", log=LOG), other.continued("logs/sft.jsonl").open("a") as log:
        log.write("second\n")
    assert one.read("logs/sft.jsonl") == b"first\nsecond\n"


def test_a_log_is_seen_while_its_task_works(s3_bucket: str, tmp_path: Path) -> None:
    run = RunRecord(f"{s3_bucket}/runs/r", str(tmp_path))
    path = run.path("logs/sft.jsonl")
    with run.publishing("logs/sft.jsonl", "ledger/none.jsonl", log=LOG, every_s=0.02):
        path.write_text("step 1\n")
        deadline = time.monotonic() + 30
        while run.read("logs/sft.jsonl") is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert run.read("logs/sft.jsonl") == b"step 1\n"


def test_what_cannot_be_published_ends_no_task(
    s3_bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunRecord("s3://no-such-bucket-here/runs/r", str(tmp_path))
    run.path("logs/sft.jsonl").write_text("step 1\n")
    with run.publishing("logs/sft.jsonl", log=LOG):
        pass
    assert "could not be published" in caplog.text


def test_a_task_of_a_run_in_s3_leaves_its_record_its_log_and_its_ledger_there(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loopback(lambda body, number: says({"question": "How many?"})) as server:
        told = Context(run_id="7f3a", state_root=f"{s3_bucket}/state", scratch=str(tmp_path / "scratch")).environment()
        told["REWATCH_ENDPOINTS"] = json.dumps({"builtin": {"base_url": server.url}})
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        run_task(STAGE, settings='{"records": 3}', inputs={}, output=str(tmp_path / "out"), name="toy")
    found = {item.uri.removeprefix(f"{s3_bucket}/state/runs/7f3a/") for item in storage_for(s3_bucket).list(s3_bucket)}
    assert {"tasks/toy.json", "logs/toy.jsonl", "ledger/toy.jsonl"} <= found
    run = RunRecord(f"{s3_bucket}/state/runs/7f3a")
    (record,) = run.tasks()
    assert record["status"] == "succeeded" and record["calls"] == 3 and record["run_id"] == "7f3a"
    ledger = run.read("ledger/toy.jsonl") or b""
    assert len(ledger.splitlines()) == 3
