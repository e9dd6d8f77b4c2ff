"""What a task and the pod it runs in tell each other: why it ended, and whom to ask to stop.

Between the two stands KFP's launcher. It ends with code 1 whatever its task ended with, so why a task failed goes to
the container's termination log: Kubernetes shows it with the pod, Argo with the node, and the cluster's retry strategy
tries nothing again that says it is final (manifests/kubeflow-pipelines). And it dies of SIGTERM at once, its task with
it; so the pod's preStop hook asks the process that is named in a file, which has the whole grace period to end, and
asks nobody once the task's work is done. Outside of a pod there is no termination log, and nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.core.errors import RewatchError, as_disk_full

TERMINATION_LOG = Path("/dev/termination-log")
PROCESS = Path("/tmp/rewatch-task.pid")
FINAL = "rewatch: final:"
"""How the reason of an end begins that would be the same again."""
LONGEST = 3000
"""Bytes; Kubernetes keeps 4096."""


@contextmanager
def known_to_its_pod() -> Iterator[None]:
    """Name this process as the one that the pod's preStop hook asks to stop, for as long as the block runs."""
    if not TERMINATION_LOG.is_file():
        yield
        return
    PROCESS.write_text(str(os.getpid()))
    try:
        yield
    finally:
        PROCESS.unlink(missing_ok=True)


def tell_pod(error: BaseException, told: str) -> None:
    """Say why the task ends; whoever cannot be told misses only that.

    Args:
        error: what ended it.
        told: the same in one line.
    """
    if not TERMINATION_LOG.is_file():
        return
    error = as_disk_full(error) or error
    again = not isinstance(error, RewatchError) or error.may_pass
    try:
        TERMINATION_LOG.write_bytes(f"{'rewatch:' if again else FINAL} {told}".encode()[:LONGEST])
    except OSError:
        return
