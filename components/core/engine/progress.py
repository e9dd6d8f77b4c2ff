"""Progress of a task: a bar on a terminal, a log line every 30 seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from components.core.teachers.ledger import Usage

SECONDS_PER_LOG_LINE = 30.0
SECONDS_PER_BAR = 0.2
BAR_WIDTH = 24


@dataclass
class Progress:
    """Counts records and says how it goes.

    Args:
        name: the task's name.
        total: number of records, or None where it is not known beforehand.
        usage: what the teachers cost so far.
        log: where the lines go when there is no terminal.
    """

    name: str
    total: int | None
    usage: Usage
    log: logging.Logger
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    failed: int = 0
    reused: int = 0
    _started: float = 0.0
    _shown_at: float = 0.0

    def __post_init__(self) -> None:
        self._started = self._shown_at = self.clock()

    def advance(self, *, failed: bool = False, reused: bool = False) -> None:
        """One more record is finished."""
        self.done += 1
        self.failed += failed
        self.reused += reused
        now = self.clock()
        pause = SECONDS_PER_BAR if self.stream.isatty() else SECONDS_PER_LOG_LINE
        if now - self._shown_at >= pause:
            self._shown_at = now
            self._show()

    def close(self) -> None:
        """Show the last state."""
        if self.stream.isatty():
            self._show()
            self.stream.write("\n")
        elif self.done:
            self.log.info("%s", self.line())

    def line(self) -> str:
        """The state in one line: records, rate, time left, tokens, cost. Who says it, the log tells."""
        seconds = max(self.clock() - self._started, 1e-9)
        rate = self.done / seconds
        parts = [f"{self.done}/{self.total if self.total is not None else '?'} records"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.reused:
            parts.append(f"{self.reused} reused")
        parts.append(f"{rate:.1f}/s" if rate >= 0.1 else f"{rate * 60:.1f}/min")
        if self.total is not None and 0 < self.done < self.total:
            parts.append(f"{_duration((self.total - self.done) / rate)} left")
        usage = self.usage
        if usage.calls or usage.cached_calls:
            parts.append(f"{usage.calls} calls (+{usage.cached_calls} stored), {usage.tokens} tokens")
        if usage.cost:
            parts.append(f"cost {usage.cost:.2f}")
        return ", ".join(parts)

    def _show(self) -> None:
        if not self.stream.isatty():
            self.log.info("%s", self.line())
            return
        share = self.done / self.total if self.total else 0.0
        filled = int(BAR_WIDTH * min(1.0, share))
        self.stream.write(f"\r\x1b[K[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {self.name}: {self.line()}")
        self.stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
