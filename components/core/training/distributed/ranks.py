"""The processes that train one student together: what they say to each other, and how one of them lives.

    the task's own process     record and manifest, as for every task; it trains nothing (start.py)
    rank 0                     checkpoints, MLflow, the judge's calls, the model's folder
    every rank                 its share of the videos, and of the weights

torchrun starts this module once for each rank. Each builds the task anew from the folder it is given (job.py) and runs
the stage's own function, which finds itself in a rank (`Ranks.here`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from components.core.errors import RewatchError
from components.core.processes import end_with, join_run
from components.core.training.distributed.job import ALIVE, RESULT, STOP, Job, leave_error

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together. Everything here is called by all of them, in the same order."""

    rank: int = 0
    size: int = 1
    place: int = 0
    """Its number among those of its machine, which share its disk."""
    _stop: Path | None = None
    _group: Any = field(default=None, repr=False)

    @classmethod
    def here(cls) -> Ranks:
        """The ranks that this process was started among; itself alone where it was not."""
        return _in_rank[0] if _in_rank else cls()

    @staticmethod
    def are_here() -> bool:
        """Whether this process was started as one of several, be it the only one."""
        return bool(_in_rank)

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

    def in_turn(self, make: Callable[[], Value]) -> Value:
        """What `make` returns in this rank. It may write what is written once, and files of its machine: it is called
        in the first rank, then in the first of each other machine, then in all others."""
        own = 0 if self.leads else 1 if self.place == 0 else 2
        made: list[Value] = []
        for turn in range(3):
            if turn == own:
                made.append(make())
            self.gather(None)
        return made[0]

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What `make` returns in the first rank; the others wait for it."""
        if self.size == 1:
            return make()
        import torch.distributed as distributed

        made: list[Any] = [make() if self.leads else None]
        distributed.broadcast_object_list(made, src=0, group=self._group)
        value: Value = made[0]
        return value

    def are_told_to_stop(self) -> bool:
        """Whether any of them is, so that all stop after the same step."""
        return self._stop is not None and any(self.gather(self._stop.exists()))


_in_rank: list[Ranks] = []
"""This process as a rank, once it is one."""


def main(folder: Path) -> None:
    """Be one rank: join the others, build the task, run its stage."""
    join_run()
    end_with(folder / ALIVE)
    job = Job.read(folder)
    ranks = _join(folder, job.device)
    _in_rank.append(ranks)
    try:
        _run(job, folder, ranks)
    except KeyboardInterrupt:
        return  # told to stop, as all were; an end with an error would have torchrun end the others at once
    except RewatchError as error:
        leave_error(folder, ranks.rank, error)
        raise SystemExit(error.exit_code) from error


def _join(folder: Path, device: str) -> Ranks:
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import torch
    import torch.distributed as distributed

    if _on_one_machine():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    on_gpu = torch.cuda.is_available() and device != "cpu"
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    place = int(os.environ["LOCAL_RANK"])
    if on_gpu:
        torch.cuda.set_device(place)
    group = distributed.new_group(backend="gloo")
    return Ranks(distributed.get_rank(), distributed.get_world_size(), place, folder / STOP, group)


def _on_one_machine() -> bool:
    return os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]


def _run(job: Job, folder: Path, ranks: Ranks) -> None:
    from components.core.data.settings import parse_settings
    from components.core.engine.context import Context
    from components.core.engine.record import LOGS, RunRecord
    from components.core.engine.stage import Task
    from components.core.engine.task_log import open_log

    stage, context = import_module(job.module).STAGE, Context.read()
    name, run = job.name, RunRecord.of(context) if ranks.leads else None
    if ranks.leads:  # of several machines the task itself writes down what it hears of their logs
        log = open_log(name, run.continued(f"{LOGS}/{name}.jsonl") if run and _on_one_machine() else None)
    else:
        log = logging.getLogger(f"rewatch.{name}.rank{ranks.rank}")
    with asyncio.Runner() as runner:
        task = Task(
            stage=stage,
            name=name,
            settings=parse_settings(stage.settings, job.settings),
            shard=job.shard,
            inputs={name: [Path(path) for path in paths] for name, paths in job.inputs.items()},
            output=Path(job.output),
            context=context,
            run_record=run,
            log=log,
            runner=runner,
        )
        try:
            task.run()
            if ranks.leads:
                usage = {role: asdict(usage) for role, usage in task.ledger.by_role.items()}
                result = {"metrics": task.metrics, "info": task.info, "by_role": usage}
                (folder / RESULT).write_text(json.dumps(result))
        finally:
            runner.run(task.close())


if __name__ == "__main__":
    # As the module that stages import: `python -m` would make a second one, which nobody else sees.
    import_module(__spec__.name).main(Path(sys.argv[1]))
