"""What is on disk, told to a person: runs, the tasks of one, its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core.engine.terminal import say
from components.core.errors import InputError
from pipelines.launch.local.folders import RunFolder, RunsRoot
from pipelines.launch.local.progress import task_line


def print_runs(root: RunsRoot) -> None:
    """One line per run, oldest first."""
    runs = [RunFolder(path.parent) for path in sorted(root.path.glob("*/run.json"))]
    if not runs:
        say(f"no runs in {root.path}; next: `rewatch run`")
    for run in runs:
        try:
            record = run.read()
        except InputError as error:
            say(f"{run.id}  {error.what}")
            continue
        done = sum(task["status"] in ("succeeded", "cached") for task in record["tasks"])
        what = f"{record.get('pipeline', '')} {record['profile']}"
        say(f"{run.id}  {state_of(run, record):<11} {what:<16} {done} tasks done  {record.get('videos', '')}")


def state_of(run: RunFolder, record: Mapping[str, Any]) -> str:
    """The run's status: `killed` where run.json calls it running but no launcher is alive."""
    return "killed" if record["status"] == "running" and not run.is_alive else str(record["status"])


def print_run(run: RunFolder) -> None:
    """The tasks of a run, its error and its outputs."""
    record = run.read()
    say(f"\n{run.id}: {state_of(run, record)}")
    for task in record["tasks"]:
        say(f"  skipped {task['name']}" if task["status"] == "skipped" else task_line(task))
    if record.get("error"):
        say(f"  failed: {record['error'].get('what', '')} {record['error'].get('remedy', '')}")
    for kind in ("datasets", "models"):
        for name, path in record[kind].items():
            say(f"  {kind[:-1]:<8}{name:<14}{path}")
    if record.get("report"):
        say(f"  report  {record['report']}")


def find_report(root: RunsRoot, run_id: str) -> Path:
    """Path of a run's report; the latest run's if `run_id` is empty.

    Raises:
        InputError: there is no run, or it has no report.
    """
    run = root.run(run_id) if run_id else root.latest()
    if run is None or not run.record.exists():
        raise InputError(f"There is no run {run_id!r} in {root.path}.", "`rewatch status` lists the runs.")
    if not run.report.exists():
        raise InputError(f"The run {run.id} has no report ({state_of(run, run.read())}).", f"rewatch status {run.id}")
    return run.report
