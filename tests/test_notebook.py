"""The notebook runs from top to bottom on a small run, and is committed without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.launch.local.folders import RunFolder
from pipelines.launch.local.progress import RunWatcher
from pipelines.rewatch import PIPELINE
from tests.components.training_world import training_data

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "explore_a_run.ipynb"


def code_cells() -> list[dict[str, Any]]:
    """The cells that a kernel would run."""
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def record_run(folder: Path, outputs: dict[str, Path]) -> None:
    """Write run.json as the launcher does, from task records with these outputs."""
    run = RunFolder(folder).create()
    numbers = {"seconds": 1.0, "cpu_seconds": 1.0, "calls": 2, "cached_calls": 0, "rows": {"ok": 2}}
    for task, output in outputs.items():
        record = {"name": task, "shard": "", "status": "succeeded", "output": str(output), **numbers}
        (run.path / "tasks" / f"{task}.json").write_text(json.dumps(record))
    watcher = RunWatcher(run, {"run_id": run.id, "profile": "laptop"}, lambda line: None, PIPELINE)
    watcher.poll()
    watcher.write("succeeded")


def test_it_runs_on_the_latest_run_that_has_trajectories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = training_data(tmp_path, 2)
    record_run(tmp_path / "runs" / "20260101-000000", {gate.task: data[gate.name] for gate in PIPELINE.of_kind("gate")})
    record_run(tmp_path / "runs" / "20260102-000000", {"gate-captions": data["captions"]})
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")  # where Jupyter starts a notebook's kernel
    names: dict[str, Any] = {}
    for number, cell in enumerate(code_cells()):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert names["run"]["run_id"] == "20260101-000000"
    assert names["videos"]["video_id"].nunique() == 2
    assert len(names["trajectories"]) == len(names["questions"]) > 0


def test_it_is_committed_without_outputs() -> None:
    for cell in code_cells():
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
