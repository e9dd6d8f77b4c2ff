"""What the tasks of a run said, from their logs in the run's record: on this machine and in S3."""

from __future__ import annotations

import json
import time

from components.core.engine.record import LOGS, TASKS, RunRecord
from components.core.engine.run_summary import ENDED
from components.core.engine.terminal import say
from components.core.errors import InputError
from components.core.stores.files import storage_for

SUFFIX = ".jsonl"
POLL_S = 2.0


def logs_of(run: RunRecord) -> list[str]:
    """The names of the logs of a run, sorted.

    Raises:
        InputError: there is no such run, or its store cannot be asked.
    """
    prefix = run.uri(f"{LOGS}/")
    try:
        found = [stored.uri.rpartition("/")[2] for stored in storage_for(prefix).list(prefix)]
    except InputError as error:
        raise InputError(
            f"Nothing is written down of a run at {run.root}.", "`rewatch status` lists the runs."
        ) from error
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))


def print_log(run: RunRecord, task: str, follow: bool = False, on_cluster: bool = False) -> None:
    """The log of a task, or of several whose names begin so; without one, the names of those there are.

    Args:
        follow: go on until it has ended.
        on_cluster: tell of Kubernetes' own logs where there is none.

    Raises:
        InputError: there is no such run, or no such log in it.
    """
    names = logs_of(run)
    run_id = run.root.rpartition("/")[2]
    if not task:
        for name in names:
            say(name)
        say(f"next: rewatch logs {run_id} TASK" if names else f"no task of {run_id} has said anything yet")
        return
    wanted = [task] if task in names else [name for name in names if name.startswith(f"{task}-")]
    if not wanted:
        of_pods = f" What its pod said: `kubectl logs -A -l pipeline/runid={run_id} --prefix`." if on_cluster else ""
        raise InputError(
            f"No task {task!r} of {run_id} wrote a log.", f"These did: {', '.join(names) or 'none'}.{of_pods}"
        )
    for name in wanted:
        shown = 0
        while True:
            ended = run.object(f"{TASKS}/{name}.json").get("status") in ENDED
            data = run.read(f"{LOGS}/{name}{SUFFIX}") or b""
            whole = data if ended or not follow else data[: data.rfind(b"\n") + 1]
            for line in whole[shown:].decode(errors="replace").splitlines():
                say(f"{name}  {_told(line)}" if len(wanted) > 1 else _told(line))
            shown = len(whole)
            if ended or not follow:
                break
            time.sleep(POLL_S)


def _told(line: str) -> str:
    """A line of a log as a person reads it; one that a kill cut off as it is."""
    try:
        entry = json.loads(line)
        level = "" if entry["level"] == "info" else f"{entry['level']}: "
        return f"{entry['time'][11:19]} {level}{entry['message']}"
    except (ValueError, KeyError, TypeError):
        return line
