"""Runs cells, some side by side, each a process of its own; what is done is not done again.

A cell is done when its output is whole (its manifest is written last) and `cell.json` beside it names the key that the
cell has today. One that was killed starts again: training goes on from its last checkpoint, and what was judged is in
the store of replies. A cell that fails keeps those that need it from running, and no others.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from components.core.data.manifest import MANIFEST_NAME, Manifest, folder_digest, read_manifest, write_atomically
from components.core.data.manifest import write_manifest as complete
from components.core.errors import DatasetError
from pipelines.launch.local.launcher import QUIET, THREADS
from pipelines.reproduce.cells import UNTRAINED, Cell

POLL_S = 0.2
FIRST_GUESS_S = {"sft": 300.0, "grpo": 120.0, "evaluation": 40.0, "start": 0.0}
"""How long a cell of a stage takes, until one has ended."""
ENDS_WITHIN_S = 120.0
"""A cell that is told to stop writes its checkpoint first."""


@dataclass
class Outcome:
    """What came of all cells.

    Attributes:
        seconds: of those that ran now, by name.
        reused: names of those that were done before.
        failed: the last lines of each that failed, or what it waited for, by name.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class Runner:
    """Runs cells.

    Args:
        environment: of the cells, beside this process's own.
        side_by_side: cells that run at once.
        say: prints a line for a person.
    """

    environment: Mapping[str, str]
    side_by_side: int
    say: Callable[[str], None]
    _going: dict[str, tuple[Cell, subprocess.Popen[bytes], float]] = field(default_factory=dict)

    def run(self, cells: Sequence[Cell]) -> Outcome:
        """Run all cells that are not done, each after those that it needs."""
        outcome, waiting = Outcome(), list(cells)
        try:
            while waiting or self._going:
                self._start_what_can(waiting, outcome)
                for name in [name for name, (_, process, _) in self._going.items() if process.poll() is not None]:
                    self._conclude(name, waiting, outcome)
                    self._tell(name, cells, outcome)
                if self._going:
                    time.sleep(POLL_S)
        finally:
            self._stop()
        return outcome

    def _start_what_can(self, waiting: list[Cell], outcome: Outcome) -> None:
        done = {*outcome.seconds, *outcome.reused}
        for cell in list(waiting):
            lost = next((name for name in cell.after if name in outcome.failed), None)
            if lost is not None:
                outcome.failed[cell.name] = f"it needs {lost}"
                waiting.remove(cell)
            elif done.issuperset(cell.after) and len(self._going) < self.side_by_side:
                waiting.remove(cell)
                if is_done(cell):
                    outcome.reused.append(cell.name)
                    done.add(cell.name)
                else:
                    self._going[cell.name] = (cell, self._begin(cell), time.monotonic())

    def _begin(self, cell: Cell) -> subprocess.Popen[bytes]:
        shutil.rmtree(cell.output, ignore_errors=True)
        cell.output.parent.mkdir(parents=True, exist_ok=True)
        words = [f"components.{cell.stage}"] if cell.settings else ["pipelines.reproduce.running"]
        with _log_of(cell).open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *words, *cell.arguments()],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**THREADS, **os.environ, **QUIET, **self.environment},
            )

    def _conclude(self, name: str, waiting: Sequence[Cell], outcome: Outcome) -> None:
        cell, process, began = self._going.pop(name)
        if process.returncode == 0:
            outcome.seconds[name] = time.monotonic() - began
            told = {"key": cell.key(), "seconds": round(outcome.seconds[name], 1)}
            write_atomically(_marker_of(cell), json.dumps(told).encode())
        else:
            outcome.failed[name] = "\n".join(_log_of(cell).read_text(errors="replace").splitlines()[-3:])

    def _tell(self, name: str, cells: Sequence[Cell], outcome: Outcome) -> None:
        ended = len(outcome.seconds) + len(outcome.reused) + len(outcome.failed)
        how = f"failed: {outcome.failed[name]}" if name in outcome.failed else f"{outcome.seconds[name]:.0f} s"
        left = seconds_left(cells, outcome, self.side_by_side) / 60
        self.say(f"{ended}/{len(cells)} {name}: {how}; about {left:.0f} min left")

    def _stop(self) -> None:
        for _, process, _ in self._going.values():
            process.terminate()
        for _, process, _ in self._going.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN_S)
            process.kill()


def is_done(cell: Cell) -> bool:
    """Whether the cell's output is there, and was made of what the cell would make it of today."""
    try:
        told = json.loads(_marker_of(cell).read_text())
        read_manifest(cell.output)
        return bool(told["key"] == cell.key())
    except (OSError, ValueError, KeyError, TypeError, DatasetError):
        return False


def seconds_left(cells: Sequence[Cell], outcome: Outcome, side_by_side: int) -> float:
    """About how long the cells take that have not ended: as long as others of their model or stage did."""
    ended = {*outcome.seconds, *outcome.reused, *outcome.failed}
    by_name = {cell.name: cell for cell in cells}
    total = 0.0
    for cell in cells:
        if cell.name not in ended:
            took = [(by_name[name], seconds) for name, seconds in outcome.seconds.items()]
            same = [seconds for other, seconds in took if _without_seed(other) == _without_seed(cell)]
            alike = [seconds for other, seconds in took if other.stage == cell.stage]
            total += fmean(same or alike or [FIRST_GUESS_S[cell.stage]])
    return total / side_by_side


def take_start(model: Path, output: Path) -> None:
    """What a model set out from, as a model of its own.

    Raises:
        DatasetError: it was not built here, so that nothing lies beside it.
    """
    untrained = model / UNTRAINED
    if not untrained.is_dir():
        raise DatasetError(f"{model} has no folder '{UNTRAINED}'.", "Only a student that was built here has one.")
    shutil.copytree(untrained, output, dirs_exist_ok=True)
    digest = folder_digest(output, frozenset({MANIFEST_NAME}))
    complete(output, Manifest(stage="sft", digest=digest))


def _without_seed(cell: Cell) -> str:
    return cell.name.partition("/")[2]


def _marker_of(cell: Cell) -> Path:
    return cell.output.with_name(f"{cell.output.name}.cell.json")


def _log_of(cell: Cell) -> Path:
    return cell.output.with_name(f"{cell.output.name}.log")


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Take an untrained student out of the folder of a model.")
    for word in ("--output", "--model", "--settings", "--name"):
        parser.add_argument(word)
    given = parser.parse_args()
    take_start(Path(given.model), Path(given.output))
