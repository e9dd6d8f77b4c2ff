"""What `run.json` says: how a run stands, from the records of its tasks and the outline of its pipeline.

On one machine the launcher writes it whenever a task ends; on a cluster, where none waits, the exit task does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.core.data.outline import Outline

NOTHING_TO_DO = "nothing_to_do"
"""Key of a task's `info` under which it says so."""
ENDED = ("succeeded", "cached", "failed")
DIED = "TaskDied"
"""Type of the error of a task that left none itself."""


def run_summary(
    header: Mapping[str, Any],
    status: str,
    records: Sequence[Mapping[str, Any]],
    outline: Outline,
    *,
    report: str | None = None,
    planned: Sequence[str] = (),
    error: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of run.json.

    Args:
        header: run_id, pipeline, profile and whatever else opens it.
        status: running, succeeded, failed or interrupted.
        records: of the tasks.
        outline: of the pipeline: which datasets gates passed, the models, whose metrics are scores and decisions.
        report: where the page is, if it is.
        planned: names of the DAG's tasks; those that have no record are listed as skipped.
        error: why the run failed.
    """
    by_task = {task_of(record): record for record in records}
    skipped = [{"name": name, "status": "skipped"} for name in planned if name not in by_task]
    metrics: dict[str, float] = {}
    for output in outline.of_kind("scores", "decision"):
        metrics.update(by_task.get(output.task, {}).get("metrics") or {})
    content: dict[str, Any] = {
        **header,
        "status": status,
        "tasks": [*records, *skipped],
        "datasets": _outputs(by_task, {output.task: output.name for output in outline.of_kind("gate")}),
        "models": _outputs(by_task, {output.task: output.task for output in outline.of_kind("model")}),
        "metrics": metrics,
        "report": report,
    }
    if note := nothing_to_do_in(records):
        content["note"] = note
    return {**content, "error": dict(error)} if error else content


def task_of(record: Mapping[str, Any]) -> str:
    """The task's name in the DAG: its record's name without the shard's number.

    >>> task_of({"name": "caption-s00000", "shard": "s00000-ab12"})
    'caption'
    """
    return str(record.get("name", "")).removesuffix(f"-{shard_part(record)}")


def shard_part(record: Mapping[str, Any]) -> str:
    """The number of the record's shard, such as `s00000`, or an empty string."""
    return str(record.get("shard") or "").partition("-")[0]


def nothing_to_do_in(records: Sequence[Mapping[str, Any]]) -> str:
    """Why a run that succeeded did nothing, as its first task wrote it down; "" where it had something to do."""
    return next((str(told) for record in records if (told := (record.get("info") or {}).get(NOTHING_TO_DO))), "")


def cause_in(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The error of the first task that failed, one that says why if any does, with its name; empty where none did."""
    errors = [
        {"task": task_of(record), "shard": record.get("shard") or "", "record": record.get("name", "")}
        | (record.get("error") or {"type": DIED})
        for record in records
        if record.get("status") == "failed"
    ]
    return min(errors, key=lambda error: error.get("type") == DIED, default={})


def left_without_a_word(name: str, remedy: str) -> dict[str, Any]:
    """The error of a task that wrote none itself."""
    what = f"The task {name} ended without a word: it was killed, ran out of memory, or could not start."
    return {"type": DIED, "what": what, "remedy": remedy}


def _outputs(by_task: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    return {
        label: record["output"]
        for task, label in names.items()
        if (record := by_task.get(task)) and record["status"] in ("succeeded", "cached") and record.get("output")
    }
