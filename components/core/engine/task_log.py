"""What a task says: one short line on the console, and the same with all detail as JSON in its run's record."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from components.core.engine.terminal import printable


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


def open_log(name: str, path: Path | None = None) -> logging.Logger:
    """The task's logger: short lines on stderr, JSON lines in a file, where one is given."""
    log = logging.getLogger(f"rewatch.{name}")
    close_log(log)
    log.setLevel(logging.INFO)
    log.propagate = False
    console = _Console(sys.stderr)
    console.setFormatter(_ConsoleLines())
    log.addHandler(console)
    if path is not None:
        lines = _LogFile(path, encoding="utf-8")
        lines.setFormatter(_JsonLines())
        log.addHandler(lines)
    return log


def close_log(log: logging.Logger) -> None:
    """Close the log's files."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
