"""One node of a TrainJob: fetches the job, runs its ranks, and leaves in the bucket what they leave.

    python3 -m components.core.training.distributed.node s3://…/state/trainings/<name>

torchrun finds the other nodes by the variables that the torch plugin of Kubeflow Trainer sets (PET_*). SIGTERM, which a
pod is sent that is evicted or whose TrainJob is deleted, has all ranks stop after their step, of every node.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from components.core.engine.context import Context
from components.core.engine.record import LEDGER, RunRecord
from components.core.engine.task_log import open_log
from components.core.errors import RewatchError
from components.core.processes import as_interrupt, lifeline
from components.core.stores.mirror import Mirror
from components.core.training.distributed.job import ALIVE, ERRORS, RESULT, Job
from components.core.training.distributed.one_node import run_ranks

PLACES = "places.json"
"""Folders that the job's settings name by where they are, by where they are handed over."""
INTERRUPTED = 130


def main(home: str) -> int:
    """Be one node; the exit code of its pod."""
    context = Context.read()
    name = home.rstrip("/").rpartition("/")[2]
    log = open_log(name)
    mirror = Mirror(Path(context.scratch) / "trainings" / name, home)
    try:
        with as_interrupt(signal.SIGTERM):
            return _run(context, mirror, log)
    except RewatchError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        log.warning("told to stop")
        return INTERRUPTED


def _run(context: Context, mirror: Mirror, log: logging.Logger) -> int:
    folder, job, run = mirror.folder, _fetch(mirror), RunRecord.of(context)
    publishing = run.publishing(f"{LEDGER}/{job.name}.jsonl", log=log) if run else nullcontext()
    with lifeline(folder / ALIVE), publishing:
        code = run_ranks(folder, ())
    for path in folder.glob(ERRORS):
        mirror.publish(path)
    if (folder / RESULT).is_file():
        mirror.publish(Path(job.output))
        mirror.publish(folder / RESULT)
    return code


def _fetch(mirror: Mirror) -> Job:
    """Bring the job and its inputs; its paths are those of this machine then."""
    folder = mirror.folder
    mirror.find()
    job = Job.read(folder)
    for paths in job.inputs.values():
        for path in paths:
            mirror.complete(folder / path)
    for kept, place in json.loads((folder / PLACES).read_text()).items():
        if not Path(place).exists():
            mirror.complete(folder / kept)
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            (folder / kept).rename(place)
    job = job.within(folder)
    job.write(folder)
    return job


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
