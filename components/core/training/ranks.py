"""The processes that train one student together: what they say to each other, and how a task starts and follows them.

A task that is to train in ranks starts torchrun, which starts this module once for each rank:

    the task's own process     record and manifest, as for every task; it trains nothing
    rank 0                     training log, checkpoints, MLflow, the judge's calls, the model's folder
    every rank                 its share of the videos, and of the weights

Each rank builds the task anew from a file and runs the stage's own function, which finds itself in a rank
(`Ranks.here`). A rank that fails with an error of ours leaves it beside that file, for the task to raise; when one dies
without a word, all are started again and go on from the last checkpoint. Ranks end with their task, however it ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.core import errors
from components.core.errors import RewatchError, TrainingError
from components.core.processes import end_with, join_run, lifeline

if TYPE_CHECKING:
    from components.core.engine.stage import Task
    from components.core.training.settings import TrainingSettings

Value = TypeVar("Value")
Settings = TypeVar("Settings", bound="TrainingSettings", covariant=True)

JOB, RESULT, ALIVE = "job.json", "result.json", "alive"
ENDS_WITHIN_S = 20.0
"""What ranks have to end in once they are told to."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together. Everything here is called by all of them, in the same order."""

    rank: int = 0
    size: int = 1
    _group: Any = None

    @classmethod
    def here(cls) -> Ranks:
        """The ranks that this process was started among; itself alone where it was not."""
        if not _in_rank:
            return cls()
        import torch.distributed as distributed

        return cls(distributed.get_rank(), distributed.get_world_size(), _in_rank[0])

    @property
    def leads(self) -> bool:
        """Whether this one writes what is written once."""
        return self.rank == 0

    def share(self, items: Sequence[Value]) -> list[Value]:
        """What falls to this rank: every `size`-th item."""
        return list(items[self.rank :: self.size])

    def gather(self, value: Value) -> list[Value]:
        """The value of every rank, in their order."""
        if self.size == 1:
            return [value]
        import torch.distributed as distributed

        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value, group=self._group)
        return values

    def total(self, amounts: Mapping[str, float]) -> dict[str, float]:
        """The sum over all ranks, by name."""
        gathered = self.gather(dict(amounts))
        names = dict.fromkeys(name for amounts in gathered for name in amounts)
        return {name: sum(amounts.get(name, 0) for amounts in gathered) for name in names}

    def leader_first(self, make: Callable[[], Value]) -> Value:
        """What `make` returns in this rank, called in the others once it has returned in the first: it may write."""
        value = make() if self.leads else None
        self.gather(None)
        if not self.leads:
            value = make()
        self.gather(None)
        return value  # type: ignore[return-value]  # made in one of the two ways

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What `make` returns in the first rank; the others wait for it."""
        if self.size == 1:
            return make()
        import torch.distributed as distributed

        made: list[Any] = [make() if self.leads else None]
        distributed.broadcast_object_list(made, src=0, group=self._group)
        value: Value = made[0]
        return value


def with_ranks(task: Task[Settings], train: Callable[[Task[Settings], Ranks], None]) -> None:
    """Run `train` in this process, or in ranks where the settings ask for them.

    Raises:
        TrainingError: a rank died, and again after `restarts`; or whatever error of ours a rank raised.
    """
    if _in_rank or task.settings.distributed.backend == "single":
        train(task, Ranks.here())
        return
    with tempfile.TemporaryDirectory(prefix="rewatch-ranks-") as name:
        folder = Path(name)
        job = {
            "module": task.stage.module,
            "name": task.name,
            "shard": task.shard,
            "settings": task.settings.to_json(),
            "inputs": {name: [str(path) for path in task.paths(name)] for name in task.inputs},
            "output": str(task.output),
        }
        (folder / JOB).write_text(json.dumps(job))
        with lifeline(folder / ALIVE):
            _follow(task, folder)
        _take_over(task, json.loads((folder / RESULT).read_text()))


def _follow(task: Task[Settings], folder: Path) -> None:
    wanted = task.settings.distributed
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(wanted.processes)]
    for attempt in range(wanted.restarts + 1):
        with subprocess.Popen([*command, "-m", __spec__.name, str(folder)]) as process:
            try:
                code = process.wait()
            finally:
                if process.poll() is None:
                    _end(process)
        if code == 0:
            return
        for path in sorted(folder.glob("error-*.json")):
            said = json.loads(path.read_text())
            raise getattr(errors, said["type"], TrainingError)(said["what"], said["remedy"])
        if attempt < wanted.restarts:
            task.log.warning("A rank of the training died: all are started again, from the last checkpoint")
    raise TrainingError(
        f"A rank of the training died {wanted.restarts + 1} times (see the log of {task.name} for its last words).",
        "Run again: training continues from its last checkpoint. Memory is the usual reason: lower rows_per_forward, "
        "or set gradient_checkpointing or distributed.zero: 3.",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _take_over(task: Task[Settings], result: dict[str, Any]) -> None:
    """What rank 0 found out becomes the task's own, for its record and manifest."""
    from components.core.teachers.ledger import Usage

    task.metrics |= result["metrics"]
    task.info |= result["info"]
    if result["by_role"]:
        task.ledger.budget = None  # the rank that paid has said so
        for role, usage in result["by_role"].items():
            task.ledger.by_role[role] = Usage(**usage)
            for name, amount in usage.items():
                setattr(task.ledger.total, name, getattr(task.ledger.total, name) + amount)


_in_rank: list[Any] = []
"""The group that ranks exchange values in, once this process is one."""


def main(folder: Path) -> None:
    """Be one rank: join the others, build the task, run its stage."""
    join_run()
    end_with(folder / ALIVE)
    job = json.loads((folder / JOB).read_text())
    if json.loads(job["settings"])["device"] == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import torch
    import torch.distributed as distributed

    on_gpu = torch.cuda.is_available() and json.loads(job["settings"])["device"] != "cpu"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the ranks of one machine
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    rank = distributed.get_rank()
    if on_gpu:
        torch.cuda.set_device(rank)
    _in_rank.append(distributed.new_group(backend="gloo"))
    try:
        _run(job, folder, rank)
    except RewatchError as error:
        said = {"type": type(error).__name__, "what": error.what, "remedy": error.remedy}
        (folder / f"error-{rank}.json").write_text(json.dumps(said))
        raise SystemExit(error.exit_code) from error


def _run(job: dict[str, Any], folder: Path, rank: int) -> None:
    from components.core.data.settings import parse_settings
    from components.core.engine.context import Context
    from components.core.engine.record import LOGS, RunRecord
    from components.core.engine.stage import Task
    from components.core.engine.task_log import open_log

    stage, context = import_module(job["module"]).STAGE, Context.read()
    name, run = job["name"], RunRecord.of(context) if rank == 0 else None
    if rank == 0:
        log = open_log(name, run.continued(f"{LOGS}/{name}.jsonl") if run else None)
    else:
        log = logging.getLogger(f"rewatch.{name}.rank{rank}")
    with asyncio.Runner() as runner:
        task = Task(
            stage=stage,
            name=name,
            settings=parse_settings(stage.settings, job["settings"]),
            shard=job["shard"],
            inputs={name: [Path(path) for path in paths] for name, paths in job["inputs"].items()},
            output=Path(job["output"]),
            context=context,
            run_record=run,
            log=log,
            runner=runner,
        )
        try:
            task.run()
            if rank == 0:
                usage = {role: asdict(usage) for role, usage in task.ledger.by_role.items()}
                result = {"metrics": task.metrics, "info": task.info, "by_role": usage}
                (folder / RESULT).write_text(json.dumps(result))
        finally:
            runner.run(task.close())


if __name__ == "__main__":
    # As the module that stages import: `python -m` would make a second one, which nobody else sees.
    import_module(__spec__.name).main(Path(sys.argv[1]))
