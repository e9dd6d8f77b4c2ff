"""The run's parent in MLflow, opened before any task starts and closed when the run ends.

One child process does both. Importing MLflow takes seconds and it prints at will, so it stays out of the launcher;
and the first writers of a new SQLite database race and crash, so this process creates the tables while no task runs.
It reads its orders from stdin; if the launcher dies, the end of stdin closes the run as failed.

    python -m pipelines.launch.local.mlflow_parent < '{"uri": …, "experiment": …, "run_id": …, "settings": …}'
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.core.errors import RewatchError
from components.core.processes import LIFELINE_VARIABLE, end_self, join_run

SUCCEEDED = "succeeded"
TO_CLOSE_S = 10.0
"""Seconds to close the run in; a server that hangs must not hold up the launcher, nor outlive it."""


class Tracker:
    """The child process that holds a pipeline run open in MLflow."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def parent(self) -> str:
        """MLflow's id of the parent run; waits until it is open.

        Raises:
            RewatchError: MLflow refused.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            said = self._log.read_text().strip().splitlines()
            raise RewatchError(
                f"MLflow could not open the run: {said[-1] if said else 'it said nothing'}.", f"Its log is {self._log}."
            )
        return line.strip()

    def conclude(self, succeeded: bool) -> None:
        """Close the parent run."""
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._process.communicate(f"{SUCCEEDED if succeeded else 'failed'}\n", timeout=TO_CLOSE_S)


@contextlib.contextmanager
def tracked(
    uri: str,
    experiment: str,
    run_id: str,
    settings: Mapping[str, Any],
    artifacts: Path,
    log: Path,
    lifeline: Path,
) -> Iterator[Tracker]:
    """Start the tracker; a block that ends without `conclude` leaves the run marked as failed.

    Args:
        uri: of the tracking server or database.
        settings: logged as the parent run's parameters.
        artifacts: folder of MLflow's artifacts, for a local database.
        log: file for what MLflow prints.
        lifeline: of the run.
    """
    orders = {"uri": uri, "experiment": experiment, "run_id": run_id, "settings": settings, "artifacts": str(artifacts)}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.launch.local.mlflow_parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, LIFELINE_VARIABLE: str(lifeline)},
        ) as process,
    ):
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(orders) + "\n")
            process.stdin.flush()
        try:
            yield Tracker(process, log)
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(TO_CLOSE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> None:
    """Open the run, print its id, wait for the verdict, close the run."""
    from components.core.lineage import end_pipeline_run, initialise_database, start_pipeline_run

    opened = threading.Event()

    def end() -> None:
        """A run that is open has yet to be closed; a database that was half made is thrown away."""
        if opened.is_set():
            time.sleep(TO_CLOSE_S)
        end_self()

    join_run(end)
    orders = json.loads(sys.stdin.readline())
    uri, experiment = orders["uri"], orders["experiment"]
    initialise_database(uri, experiment, Path(orders["artifacts"]))
    opened.set()
    parent = start_pipeline_run(uri, experiment, orders["run_id"], orders["settings"])
    print(parent, flush=True)
    end_pipeline_run(uri, parent, sys.stdin.readline().strip() == SUCCEEDED)


if __name__ == "__main__":
    main()
