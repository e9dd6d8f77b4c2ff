"""What is known of a run while it runs: task records in, run.json and one printed line per task out.

Tasks write their own records when they end. The watcher only reads them, so a killed launcher loses nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.core.data.outline import Outline
from components.core.engine.record import HEADER, LOGS, REPORT, TASKS, RunRecord
from components.core.engine.run_summary import ENDED, run_summary, shard_part, task_of
from components.core.errors import InputError
from pipelines.launch.local.folders import RunFolder

Record = dict[str, Any]
SHORT = {"succeeded": "ok", "failed": "FAILED", **{word: word for word in ("cached", "skipped", "waiting")}}
"""How a line says a status."""


@dataclass
class RunWatcher:
    """Keeps `run.json` true to the task records of a run.

    Args:
        folder: the run.
        header: run_id, pipeline, profile and whatever else opens run.json.
        say: prints one line for a person.
        outline: of the pipeline.
    """

    folder: RunFolder
    header: Mapping[str, Any]
    say: Callable[[str], None]
    outline: Outline
    records: dict[str, Record] = field(default_factory=dict)
    """Of the tasks that ended, by the record's name, in the order in which they did."""
    seen: dict[str, str] = field(default_factory=dict)
    """Version of each of those records, by file."""
    said: set[str] = field(default_factory=set)

    def poll(self) -> list[Record]:
        """Read records that are new or changed since the last call, print a line for each, rewrite run.json."""
        fresh = [written for written in self.folder.record.written(TASKS, self.seen) if _has_ended(written.content)]
        for name, version, record in fresh:
            self.seen[name] = version
            self.records[name.removesuffix(".json")] = record
            self.say(task_line(record))
        if fresh:
            with contextlib.suppress(OSError):  # a full disk ends the tasks; how the run ended is told on kept room
                self.write("running")
        return [written.content for written in fresh]

    def running(self) -> list[str]:
        """A line about each task that is at work and has something new to say: the last whole line of its log."""
        lines = []
        for written in self.folder.record.written(TASKS, self.seen):
            if written.content.get("status") == "running":
                name = written.name.removesuffix(".json")
                lines.append(f"  ...     {name:<28} {(last_message(self.folder.record, name) or 'started')[:120]}")
        news = sorted(line for line in lines if line not in self.said)
        self.said.update(news)
        return news

    @property
    def failed(self) -> list[Record]:
        """Records of the tasks that failed, in the order they ended."""
        return [record for record in self.records.values() if record["status"] == "failed"]

    def write(self, status: str, planned: Sequence[str] = (), error: Mapping[str, Any] | None = None) -> None:
        """Replace run.json; tasks in `planned` that have no record are listed as skipped."""
        run = self.folder.record
        report = run.uri(REPORT) if run.exists(REPORT) else None
        told = list(self.records.values())
        content = run_summary(self.header, status, told, self.outline, report=report, planned=planned, error=error)
        if status != "running":
            self.folder.free_reserve()
        run.write_object(HEADER, content)


def task_line(record: Mapping[str, Any]) -> str:
    """One line about a task that ended, or is at work: its state, name, seconds, rows and teacher calls.

    >>> task_line({"name": "caption-s00000", "shard": "s00000-ab", "status": "succeeded", "seconds": 12.34,
    ...            "cpu_seconds": 9.1, "rows": {"ok": 40, "rejected": 2}, "calls": 80, "cached_calls": 5})
    '  ok      caption s00000                 12.3 s  cpu    9.1   40 rows, 2 rejected, 80 calls, 5 stored'
    """
    state = SHORT.get(record["status"], "...")
    name = f"{task_of(record)} {shard_part(record)}".strip()
    rows = record.get("rows") or {}
    told = [f"{int(rows.get('ok', 0))} rows"] if any(rows.values()) else []
    told += [f"{int(rows[kind])} {kind}" for kind in ("rejected", "failed") if rows.get(kind)]
    if record["status"] != "cached":
        calls = (("calls", "calls"), ("cached_calls", "stored"))
        told += [f"{int(record[key])} {word}" for key, word in calls if record.get(key)]
    seconds, cpu = float(record.get("seconds") or 0), float(record.get("cpu_seconds") or 0)
    return f"  {state:<7} {name:<28} {seconds:>6.1f} s  cpu {cpu:>6.1f}   {', '.join(told)}".rstrip()


def last_message(run: RunRecord, name: str) -> str:
    """The message of the last whole line of a task's log; empty where there is none."""
    try:
        *_, line, _ = (run.read(f"{LOGS}/{name}.jsonl") or b"").decode(errors="replace").split("\n")
        return str(json.loads(line)["message"])
    except (InputError, ValueError, KeyError, TypeError):
        return ""


def _has_ended(record: Mapping[str, Any]) -> bool:
    return record.get("status") in ENDED
