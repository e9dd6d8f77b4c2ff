"""The notebooks run from top to bottom on small runs, and are committed without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.core import lineage
from components.promotion.registry import Registry
from pipelines.launch.local.folders import RunFolder
from pipelines.launch.local.progress import RunWatcher
from pipelines.rewatch import PIPELINE
from tests.components.mlflow_store import new_store
from tests.components.training_world import training_data

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def code_cells(name: str) -> list[dict[str, Any]]:
    """The cells that a kernel would run."""
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def executed(name: str) -> dict[str, Any]:
    """The names that a notebook leaves behind."""
    names: dict[str, Any] = {}
    for number, cell in enumerate(code_cells(name)):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    return names


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
    names = executed("explore_a_run")
    assert names["run"]["run_id"] == "20260101-000000"
    assert names["videos"]["video_id"].nunique() == 2
    assert len(names["trajectories"]) == len(names["questions"]) > 0


def test_the_registry_and_its_decisions_are_read_as_promotion_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    uri = new_store(tmp_path / "runs", "rewatch")
    registry = Registry("rewatch-student", uri)
    experiment = lineage.experiment_id(registry.client, "rewatch")
    for number in (1, 2):
        run = registry.client.create_run(experiment, tags={"kfp.task": "promote"}).info.run_id
        version = registry.register(f"/models/{number}", f"digest-{number}", "", 0.5 + number / 10, run)
        registry.crown(version)
        for told in (run, registry.client.create_run(experiment).info.run_id):  # its own, and the pipeline's
            registry.client.set_tag(told, "rewatch.decision", f"Promoted: number {number}.")
    record_run(tmp_path / "runs" / "20260101-000000", {})
    monkeypatch.chdir(tmp_path)
    names = executed("retraining")
    assert names["versions"]["champion"].tolist() == [False, True]
    assert names["versions"]["replaced"].tolist() == ["", "1"]
    assert names["decisions"]["decision"].tolist() == ["Promoted: number 1.", "Promoted: number 2."]


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_is_committed_without_outputs(name: str) -> None:
    for cell in code_cells(name):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
