"""Metrics of a training run: one JSON line per step, a log line now and then, and whoever else wants to listen.

The file lies with the checkpoints and goes into the model's folder at the end: a run that was killed and continued has
one curve without gaps or doubles, because lines after the checkpoint it continues from are cut off.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path

from components.core.data.manifest import write_atomically

Listener = Callable[[Mapping[str, float], int], None]
SECONDS_PER_LINE = 30.0


class TrainingLog:
    """Writes the metrics of each step.

    Args:
        path: the file of JSON lines; lines of steps from `first_step` on are removed.
        steps: the number of steps in all, for the time left.
        listener: called with (metrics, step) too, such as a tracking server's client.
    """

    def __init__(
        self, path: Path, first_step: int, steps: int, log: logging.Logger, listener: Listener | None = None
    ) -> None:
        self._path = path
        self._steps = steps
        self._log = log
        self._listener = listener
        self._first = first_step
        self._started = self._said = time.monotonic()
        lines = path.read_text().splitlines() if path.is_file() else []
        kept = [line for line in lines if _step_of(line) < first_step]
        write_atomically(path, "".join(f"{line}\n" for line in kept).encode())

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of one step, counted from 0."""
        rounded = {name: round(value, 6) for name, value in metrics.items()}
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **rounded}) + "\n")
        if self._listener is not None:
            self._listener(rounded, step)
        now = time.monotonic()
        if now - self._said >= SECONDS_PER_LINE or step + 1 == self._steps:
            self._said = now
            self._log.info("%s", self.line(step, rounded))

    def line(self, step: int, metrics: Mapping[str, float]) -> str:
        """Where the run is, in words: `step 40/160, loss 0.61, …, 1.2 min left`."""
        done = step + 1 - self._first
        left = (time.monotonic() - self._started) / max(1, done) * (self._steps - step - 1)
        values = ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())
        return f"step {step + 1}/{self._steps}, {values}, {left / 60:.1f} min left"


def _step_of(line: str) -> float:
    """The step of a line; infinite for one that a kill or a full disk cut off, which no checkpoint is later than."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def last_metrics(path: Path) -> dict[str, float]:
    """The metrics of the last step in a log, without its number; empty for an empty log."""
    logged = logged_metrics(path)[-1:]
    return {name: value for metrics in logged for name, value in metrics.items() if name != "step"}


def logged_metrics(path: Path) -> list[dict[str, float]]:
    """The metrics of every step in a log, up to a line that was cut off; none without a log."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in takewhile(lambda line: _step_of(line) < math.inf, lines)]
