"""What is known of a run while it runs: task records in, run.json and one printed line per task out.

Tasks write their own records when they end. The watcher only reads them, so a killed launcher loses nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.data.outline import Outline
from pipelines.launch.local.folders import RunFolder, write_json

Record = dict[str, Any]


@dataclass
class RunWatcher:
    """Keeps `run.json` true to the task records of a run.

    Args:
        folder: the run.
        header: run_id, pipeline, profile and whatever else opens run.json.
        say: prints one line for a person.
        outline: of the pipeline. run.json names what gates passed, the models, and figures of scores and decisions.
    """

    folder: RunFolder
    header: Mapping[str, Any]
    say: Callable[[str], None]
    outline: Outline
    records: dict[str, Record] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def poll(self) -> list[Record]:
        """Read records that are new or changed since the last call, print a line for each, rewrite run.json."""
        fresh: list[Record] = []
        for path in sorted(self.folder.tasks.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
            modified = path.stat().st_mtime_ns
            if self.seen.get(path.name) == modified:
                continue
            record = _read_record(path)
            if record is None or record.get("status") not in ("succeeded", "cached", "failed"):
                continue
            self.seen[path.name] = modified
            self.records[path.stem] = record
            fresh.append(record)
            self.say(task_line(record))
        if fresh:
            with contextlib.suppress(OSError):  # a full disk ends the tasks; how the run ended is told on kept room
                self.write("running")
        return fresh

    def running(self) -> list[str]:
        """A line about each task that is at work and has something new to say: the last whole line of its log."""
        lines = []
        for path in sorted(self.folder.tasks.glob("*.json")):
            record = _read_record(path)
            if record and record.get("status") == "running":
                said = last_message(self.folder.logs / f"{path.stem}.jsonl") or "started"
                lines.append(f"  ...     {path.stem:<28} {said[:120]}")
        news = [line for line in lines if line not in self.said]
        self.said.update(news)
        return news

    @property
    def failed(self) -> list[Record]:
        """Records of the tasks that failed, in the order they ended."""
        return [record for record in self.records.values() if record["status"] == "failed"]

    def write(self, status: str, planned: Sequence[str] = (), error: Mapping[str, Any] | None = None) -> Record:
        """Replace run.json; tasks in `planned` that have no record are listed as skipped. Returns its content."""
        known = {task_of(record) for record in self.records.values()}
        skipped = [{"name": name, "status": "skipped"} for name in planned if name not in known]
        content: Record = {
            **self.header,
            "status": status,
            "tasks": [*self.records.values(), *skipped],
            "datasets": self._outputs({output.task: output.name for output in self.outline.of_kind("gate")}),
            "models": self._outputs({output.task: output.task for output in self.outline.of_kind("model")}),
            "metrics": self._metrics(),
            "report": str(self.folder.report) if self.folder.report.exists() else None,
        }
        if error:
            content["error"] = dict(error)
        if status == "running":
            write_json(self.folder.record, content)
        else:
            self.folder.conclude(content)
        return content

    def _outputs(self, names: Mapping[str, str]) -> dict[str, str]:
        return {
            label: record["output"]
            for task, label in names.items()
            if (record := self.records.get(task)) and record["status"] != "failed" and record.get("output")
        }

    def _metrics(self) -> dict[str, float]:
        merged: dict[str, float] = {}
        for output in self.outline.of_kind("scores", "decision"):
            merged.update(self.records.get(output.task, {}).get("metrics") or {})
        return merged


def task_of(record: Mapping[str, Any]) -> str:
    """The task's name in the DAG: its record's name without the shard's number.

    >>> task_of({"name": "caption-s00000", "shard": "s00000-ab12"})
    'caption'
    """
    return str(record["name"]).removesuffix(f"-{shard_part(record)}")


def shard_part(record: Mapping[str, Any]) -> str:
    """The number of the record's shard, such as `s00000`, or an empty string."""
    return str(record.get("shard") or "").partition("-")[0]


def task_line(record: Record) -> str:
    """One line about a task that ended: its state, name, seconds, rows and teacher calls.

    >>> task_line({"name": "caption-s00000", "shard": "s00000-ab", "status": "succeeded", "seconds": 12.34,
    ...            "cpu_seconds": 9.1, "rows": {"ok": 40, "rejected": 2}, "calls": 80, "cached_calls": 5})
    '  ok      caption s00000                 12.3 s  cpu    9.1   40 rows, 2 rejected, 80 calls, 5 stored'
    """
    state = {"succeeded": "ok", "cached": "cached", "failed": "FAILED"}[record["status"]]
    name = f"{task_of(record)} {shard_part(record)}".strip()
    rows = record.get("rows") or {}
    told = [f"{int(rows.get('ok', 0))} rows"] if any(rows.values()) else []
    told += [f"{int(rows[kind])} {kind}" for kind in ("rejected", "failed") if rows.get(kind)]
    if record["status"] != "cached":
        calls = (("calls", "calls"), ("cached_calls", "stored"))
        told += [f"{int(record[key])} {word}" for key, word in calls if record.get(key)]
    seconds, cpu = float(record.get("seconds") or 0), float(record.get("cpu_seconds") or 0)
    return f"  {state:<7} {name:<28} {seconds:>6.1f} s  cpu {cpu:>6.1f}   {', '.join(told)}".rstrip()


def last_message(log: Path) -> str:
    """The message of the last whole line of a task's log; empty where there is none."""
    try:
        *_, line, _ = log.read_text(encoding="utf-8", errors="replace").split("\n")
        return str(json.loads(line)["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _read_record(path: Path) -> Record | None:
    """The record, or None while another process is still writing it."""
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, FileNotFoundError):
        return None
