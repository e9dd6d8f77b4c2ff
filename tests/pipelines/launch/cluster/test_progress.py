"""How a run stands, from what KFP's API says and what its tasks wrote down."""

from __future__ import annotations

import io

import pytest

from components.core.engine.progress import Progress
from components.core.engine.record import TaskError, TaskRecord, utc_now
from components.core.engine.task_log import close_log, open_log
from components.core.teachers.ledger import Usage
from pipelines.cli import main
from pipelines.launch.cluster.follow import Table, at_work
from pipelines.launch.cluster.listing import print_standing
from pipelines.launch.cluster.progress import ClusterRun
from tests.pipelines.launch.cluster.kfp_server import FakeKfp


def write(run: ClusterRun, name: str, status: str = "succeeded", **more: object) -> None:
    """A task's own record."""
    told = {"stage": "captioning", "started": utc_now(), **more}
    run.record.write_task(TaskRecord.model_validate({"name": name, "status": status, **told}))


def test_a_task_that_kfp_took_from_its_cache_is_told_though_it_wrote_nothing(kfp: FakeKfp, run: ClusterRun) -> None:
    write(run, "caption-s00001", shard="s00001-ab", rows={"ok": 4, "rejected": 1, "failed": 0}, calls=9)
    kfp.nodes(run.run_id, ingest="SUCCEEDED", caption=["SUCCEEDED", "SUCCEEDED", "RUNNING"])
    ingest, caption, train = run.look().tasks
    assert (ingest["status"], ingest["cached"]) == ("cached", 1)
    assert (caption["status"], caption["done"], caption["total"], caption["cached"]) == ("running", 2, 3, 1)
    assert caption["rows"] == {"ok": 4, "rejected": 1, "failed": 0} and caption["calls"] == 9
    assert train["status"] == "waiting"


def test_a_task_whose_pod_was_killed_is_failed_though_its_record_says_running(kfp: FakeKfp, run: ClusterRun) -> None:
    write(run, "ingest")
    write(run, "caption-s00000", "running", shard="s00000-ab")
    kfp.nodes(run.run_id, ingest="SUCCEEDED", caption="FAILED", train="OMITTED")
    kfp.end(run.run_id, "FAILED", "caption was evicted")
    standing = run.look()
    assert standing.status == "failed" and standing.has_ended
    assert [task["status"] for task in standing.tasks] == ["succeeded", "failed", "skipped"]
    assert standing.error["task"] == "caption" and standing.error["what"] == "caption was evicted"
    assert f"pipeline/runid={run.run_id}" in standing.error["remedy"]


def test_a_task_whose_driver_failed_is_failed(kfp: FakeKfp, run: ClusterRun) -> None:
    kfp.nodes(run.run_id, ingest__driver="FAILED")
    assert run.look().tasks[0]["status"] == "failed"


def test_the_cause_that_a_task_wrote_down_goes_before_what_kfp_says(
    kfp: FakeKfp, run: ClusterRun, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = TaskError(type="GateFailed", what="Coverage is 0.4.", remedy="Caption at a higher rate.")
    write(run, "caption-s00002", "failed", shard="s00002-ab", error=cause)
    kfp.nodes(run.run_id, ingest="SUCCEEDED", caption=["SUCCEEDED", "FAILED"])
    kfp.end(run.run_id, "FAILED", "Task exit-handler-1 failed.")
    print_standing(run)
    said = capsys.readouterr().out
    assert "caption s00002-ab failed: Coverage is 0.4." in said and "Caption at a higher rate." in said
    assert f"rewatch logs {run.run_id} caption-s00002" in said
    assert "exit-handler-1" not in said


def test_a_bucket_that_cannot_be_read_is_said_once_and_nothing_is_called_cached(
    kfp: FakeKfp, run: ClusterRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.record.root = "s3://no-such-bucket-anywhere/runs/1"
    kfp.nodes(run.run_id, ingest="SUCCEEDED")
    standing = run.look()
    assert "no-such-bucket-anywhere" in standing.note
    assert standing.tasks[0]["status"] == "succeeded"


def test_status_lists_the_runs_of_the_experiment_and_the_tasks_of_the_latest(
    kfp: FakeKfp, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *options]) == 0
    assert "no runs in the experiment 'notes'" in capsys.readouterr().out
    for name in ("first", "second"):
        assert main(["submit", *options, "--run-name", name]) == 0
    kfp.end(kfp["runs"][0]["run_id"])
    kfp.nodes(kfp["runs"][1]["run_id"], read="RUNNING")
    capsys.readouterr()
    assert main(["status", *options]) == 0
    listed, tasks = capsys.readouterr().out.split("\n\n")
    first, second = listed.splitlines()
    assert "succeeded" in first and "first" in first and "/videos/" in first
    assert "waiting" in second and "second" in second
    assert "(second): waiting" in tasks and "...     read" in tasks and "waiting count" in tasks


def test_what_a_shard_said_last_names_it_once(kfp: FakeKfp, run: ClusterRun) -> None:
    write(run, "caption-s00001", "running", shard="s00001-ab")
    kfp.nodes(run.run_id, ingest="SUCCEEDED", caption="RUNNING")
    log = open_log("caption-s00001", run.record.path("logs/caption-s00001.jsonl"))
    progress = Progress("caption-s00001", 4, Usage(), log, io.StringIO())
    progress.advance()
    progress.close()
    close_log(log)
    run.record.publish("logs/caption-s00001.jsonl")
    said = at_work(run.look(), run)
    assert said.count("caption-s00001") == 1 and "caption-s00001: 1/4 records" in said


def test_a_live_table_is_redrawn_and_a_plain_one_says_only_what_changed(
    kfp: FakeKfp, run: ClusterRun, capsys: pytest.CaptureFixture[str]
) -> None:
    live, plain = Table(True), Table(False)
    kfp.nodes(run.run_id, ingest="RUNNING")
    for table in (live, plain):
        table.show(run.look())
        table.show(run.look())
    said = capsys.readouterr().out
    assert said.count("\x1b[4F") == 1  # a heading and three tasks, once more
    assert said.split("\x1b[K\n")[-1].count("ingest") == 1
    kfp["runs"][0]["display_name"] = "name \x1b[2J"
    live.show(run.look())
    assert "\x1b[2J" not in capsys.readouterr().out
