"""The ranks of one machine: torchrun is started, followed and asked to stop.

torchrun itself would give ranks half a minute after a signal; a step may take longer, and its checkpoint, too. So
signals do not reach it (it has a session of its own): ranks are asked to stop by a file, and end after the step they
are in, its checkpoint written. All of them end with the lock on `alive`, however its holder ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.processes import lifeline
from components.core.training.distributed import ranks
from components.core.training.distributed.job import ALIVE, STOP, Job, raise_error, read_result

if TYPE_CHECKING:
    from components.core.engine.stage import Task

STOPPED_WITHIN_S = 110.0
"""What ranks have to end in once they are told to: a pod is given 120 s (manifests/kubeflow-pipelines)."""


class OneNode:
    """A training in processes of this machine.

    Args:
        folder: shared with its ranks.
        processes: one rank each.
    """

    def __init__(self, folder: Path, processes: int) -> None:
        self._folder, self._processes = folder, processes

    @classmethod
    @contextmanager
    def opened(cls, task: Task[Any]) -> Iterator[OneNode]:
        """The training of a task."""
        with tempfile.TemporaryDirectory(prefix="rewatch-ranks-") as name, lifeline(Path(name) / ALIVE):
            Job.of(task).write(Path(name))
            yield cls(Path(name), task.settings.distributed.processes)

    def attempt(self) -> dict[str, Any] | None:
        """Run all ranks to their end; what rank 0 found out, or None where one died.

        Raises:
            RewatchError: what a rank says it failed of.
        """
        code = run_ranks(self._folder, ("--standalone", "--nproc-per-node", str(self._processes)))
        raise_error(self._folder)
        return read_result(self._folder) if code == 0 else None


def run_ranks(folder: Path, arguments: Sequence[str]) -> int:
    """Run the ranks of this machine to their end; torchrun's exit code.

    Args:
        folder: with their job, and the lock held.
        arguments: of torchrun, beside what its own variables tell it.
    """
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *arguments,
        "--tee",
        "3",
        "--log-dir",
        str(folder / "said"),
    ]
    told = {**os.environ, "TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE": "rank ${rank}: "}
    with subprocess.Popen([*command, "-m", ranks.__name__, str(folder)], env=told, start_new_session=True) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                _stop(process, folder)


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ask, wait, and end what is left; whoever asks twice does not wait."""
    (folder / STOP).touch()
    try:
        process.wait(STOPPED_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
