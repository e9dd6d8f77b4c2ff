"""What KFP's log alone tells of a run is in its record."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from components.core.engine.record import TASKS
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
    hit = "Task gate-captions cache hit (key=5ea1)"
    TaskObserver(now, tmp_path / "cache").filter(logging.LogRecord("kfp", logging.INFO, "", 0, hit, (), None))
    return now.record.tasks()


@pytest.mark.parametrize("outputs", [["docs", "captions"], ["captions", "docs"]], ids=" ".join)
def test_a_cached_gate_is_told_by_its_dataset_whatever_lies_beside_it(tmp_path: Path, outputs: list[str]) -> None:
    record = {"name": "gate-captions", "status": "succeeded", "output": "captions", "rows": {"ok": 7}, "digest": "d"}
    (told,) = cached(tmp_path, outputs, record)
    assert Path(told["output"]).name == "captions"
    assert (told["status"], told["rows"], told["digest"], told["made_by"]) == ("cached", {"ok": 7}, "d", "before")


def test_a_cached_task_whose_record_is_gone_is_told_once(tmp_path: Path) -> None:
    (told,) = cached(tmp_path, ["captions", "docs"], {})
    assert (told["name"], told["status"], Path(told["output"]).name) == ("gate-captions", "cached", "captions")
