"""What a task leaves behind besides its dataset: its record, its log, and one line on the console when it fails.

$REWATCH_RUN_DIR/tasks/<task>.json    status, seconds, CPU seconds, rows, calls, tokens, cost, error (DESIGN §8)
$REWATCH_RUN_DIR/logs/<task>.jsonl    one JSON object per line
$REWATCH_RUN_DIR/ledger/<task>.jsonl  one line per teacher call
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field

from components.core.data.manifest import write_atomically
from components.core.engine.terminal import printable

RUN_DIR_VARIABLE = "REWATCH_RUN_DIR"
RUN_ID_VARIABLE = "REWATCH_RUN_ID"


class TaskError(BaseModel):
    """Why a task failed."""

    model_config = ConfigDict(extra="forbid")

    type: str
    what: str
    remedy: str = ""
    exit_code: int = 1


class TaskRecord(BaseModel):
    """How a task went."""

    model_config = ConfigDict(extra="forbid")

    name: str
    stage: str
    shard: str = ""
    run_id: str = ""
    status: Literal["running", "succeeded", "failed"]
    started: str
    """UTC time, ISO 8601."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """User and system time of this process and its children, start of the interpreter included."""

    rows: dict[str, int] = Field(default_factory=lambda: {"ok": 0, "rejected": 0, "failed": 0})
    records: dict[str, int] = Field(default_factory=dict)
    """Records by how they were finished: done, reused, failed."""

    calls: int = 0
    cached_calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    by_role: dict[str, dict[str, float]] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    info: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)
    output: str = ""
    digest: str = ""
    settings_digest: str = ""
    error: TaskError | None = None


def run_dir() -> Path | None:
    """The folder of the run, where the launcher named one."""
    path = os.environ.get(RUN_DIR_VARIABLE, "")
    return Path(path) if path else None


def write_task_record(record: TaskRecord) -> None:
    """Write the record atomically; without a run folder there is none."""
    folder = run_dir()
    if folder is not None:
        write_atomically(folder / "tasks" / f"{record.name}.json", record.model_dump_json(indent=1).encode())


def utc_now() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class CpuClock:
    """CPU seconds of this process and the children it waited for, since the last reading by any clock.

    The first reading counts from the start of the interpreter, so that a task that is a process of its own owns up to
    its imports.
    """

    _accounted = 0.0

    def read(self) -> float:
        """CPU seconds since the last reading."""
        now = sum(
            usage.ru_utime + usage.ru_stime
            for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
        )
        spent, CpuClock._accounted = now - CpuClock._accounted, now
        return spent


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "task": record.name.removeprefix("rewatch."),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return printable(json.dumps(line, ensure_ascii=False))  # its escapes are those of JSON


class _ConsoleLines(logging.Formatter):
    """One short line; tracebacks are in the JSON log."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        clock = time.strftime("%H:%M:%S", time.gmtime(record.created))
        return f"{clock} {record.name.removeprefix('rewatch.')} {level}{printable(record.getMessage())}"


class _Console(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Go on: nobody reads, or the disk behind the stream is full, and a log must not end what it tells of."""


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Go on, as the console does."""


def open_log(name: str) -> logging.Logger:
    """The task's logger: short lines on stderr, JSON lines in the run's folder."""
    log = logging.getLogger(f"rewatch.{name}")
    close_log(log)
    log.setLevel(logging.INFO)
    log.propagate = False
    console = _Console(sys.stderr)
    console.setFormatter(_ConsoleLines())
    log.addHandler(console)
    folder = run_dir()
    if folder is not None:
        path = folder / "logs" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = _LogFile(path, encoding="utf-8")
        lines.setFormatter(_JsonLines())
        log.addHandler(lines)
    return log


def close_log(log: logging.Logger) -> None:
    """Close the log's files."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
