"""What KFP's log alone tells of a run is in its record."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from components.core.engine.record import PLAN, TASKS
from pipelines.launch.local.folders import RunFolder
from pipelines.launch.local.observer import TaskObserver


def cached(tmp_path: Path, outputs: list[str], record: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of a run that took a task from the cache, whose record an earlier run wrote."""
    before, now = RunFolder(tmp_path / "before").create(), RunFolder(tmp_path / "now").create()
    made = before.artifacts / "notes" / "gate-captions"
    if record:
        before.record.write_object(f"{TASKS}/{record['name']}.json", {**record, "output": str(made / record["output"])})
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "5ea1.json").write_text(json.dumps({name: {"uri": str(made / name)} for name in outputs}))
    hear(TaskObserver(now, tmp_path / "cache"), "Task gate-captions cache hit (key=5ea1)")
    return now.record.tasks()


def hear(observer: TaskObserver, message: str) -> None:
    """Let an observer hear what KFP says."""
    observer.filter(logging.LogRecord("kfp", logging.INFO, "", 0, message, (), None))


@pytest.mark.parametrize("outputs", [["docs", "captions"], ["captions", "docs"]], ids=" ".join)
def test_a_cached_gate_is_told_by_its_dataset_whatever_lies_beside_it(tmp_path: Path, outputs: list[str]) -> None:
    record = {"name": "gate-captions", "status": "succeeded", "output": "captions", "rows": {"ok": 7}, "digest": "d"}
    (told,) = cached(tmp_path, outputs, record)
    assert Path(told["output"]).name == "captions"
    assert (told["status"], told["rows"], told["digest"], told["made_by"]) == ("cached", {"ok": 7}, "d", "before")


def test_a_cached_task_whose_record_is_gone_is_told_once(tmp_path: Path) -> None:
    (told,) = cached(tmp_path, ["captions", "docs"], {})
    assert (told["name"], told["status"], Path(told["output"]).name) == ("gate-captions", "cached", "captions")


SHARDS = ["s00000-aa", "s00001-bb", "s00002-cc"]
FAILURE, SUCCESS = (f"Task 'caption' finished with status {status}" for status in ("FAILURE", "SUCCESS"))


@pytest.fixture()
def loop(tmp_path: Path) -> RunFolder:
    """A run whose `caption` is done for each of three shards."""
    run = RunFolder(tmp_path / "run").create()
    run.record.write_object(PLAN, {"planners": {"caption": "discover"}})
    planned = run.artifacts / "rewatch" / "discover" / "executor_output.json"
    planned.parent.mkdir(parents=True)
    planned.write_text(json.dumps({"parameterValues": {"Output": SHARDS}}))
    return run


def tell(run: RunFolder, shard: str, status: str) -> None:
    """Write the record of one shard's task, as that task does."""
    name = f"caption-{shard.partition('-')[0]}"
    run.record.write_object(f"{TASKS}/{name}.json", {"name": name, "shard": shard, "status": status, "error": None})


def statuses(run: RunFolder) -> list[str]:
    return [str(run.record.object(f"{TASKS}/caption-{it[:6]}.json").get("status")) for it in SHARDS]


def test_the_shard_that_was_killed_is_named_and_not_one_that_runs_or_waits(loop: RunFolder, tmp_path: Path) -> None:
    observer = TaskObserver(loop, tmp_path)
    tell(loop, SHARDS[1], "running")
    tell(loop, SHARDS[2], "running")
    hear(observer, FAILURE)
    assert statuses(loop) == ["None", "running", "running"], "which of them it was is not known yet"
    for shard in (SHARDS[2], SHARDS[0]):
        tell(loop, shard, "succeeded")
        hear(observer, SUCCESS)
    assert statuses(loop) == ["succeeded", "failed", "succeeded"]
    (told,) = [record for record in loop.record.tasks() if record["status"] == "failed"]
    assert (told["shard"], told["error"]["type"]) == (SHARDS[1], "TaskDied")


def test_shards_that_never_began_are_not_taken_for_the_dead(loop: RunFolder, tmp_path: Path) -> None:
    """One shard says why it failed, one is killed, and KFP starts no third."""
    observer = TaskObserver(loop, tmp_path)
    tell(loop, SHARDS[1], "failed")
    tell(loop, SHARDS[2], "running")
    hear(observer, FAILURE)
    hear(observer, FAILURE)
    observer.conclude()
    assert statuses(loop) == ["None", "failed", "failed"]
