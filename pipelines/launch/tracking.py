"""The run's parent in MLflow, opened before any task starts and closed when the run ends.

One child process does both. Importing MLflow takes seconds and it prints at will, so it stays out of the launcher;
and the first writers of a new SQLite database race and crash, so this process creates the tables while no task runs.
It reads its orders from stdin; if the launcher dies, the end of stdin closes the run as failed.

    python -m pipelines.launch.tracking < '{"uri": …, "experiment": …, "run_id": …, "settings": …}'
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.core.errors import RewatchError

SUCCEEDED = "succeeded"


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
        if self._process.poll() is None:
            self._process.communicate(f"{SUCCEEDED if succeeded else 'failed'}\n", timeout=60)


@contextlib.contextmanager
def tracked(
    uri: str, experiment: str, run_id: str, settings: Mapping[str, Any], artifacts: Path, log: Path
) -> Iterator[Tracker]:
    """Start the tracker; a block that ends without `conclude` leaves the run marked as failed.

    Args:
        uri: of the tracking server or database.
        settings: logged as the parent run's parameters.
        artifacts: folder of MLflow's artifacts, for a local database.
        log: file for what MLflow prints.
    """
    orders = {"uri": uri, "experiment": experiment, "run_id": run_id, "settings": settings, "artifacts": str(artifacts)}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.launch.tracking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
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


def main() -> None:
    """Open the run, print its id, wait for the verdict, close the run."""
    from components.core.lineage import end_pipeline_run, initialise_database, start_pipeline_run

    orders = json.loads(sys.stdin.readline())
    uri, experiment = orders["uri"], orders["experiment"]
    initialise_database(uri, experiment, Path(orders["artifacts"]))
    parent = start_pipeline_run(uri, experiment, orders["run_id"], orders["settings"])
    print(parent, flush=True)
    end_pipeline_run(uri, parent, sys.stdin.readline().strip() == SUCCEEDED)


if __name__ == "__main__":
    main()
