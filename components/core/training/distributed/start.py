"""How a stage trains: in its own process, in ranks of its own machine, or in ranks of several machines.

    distributed: {backend: single}                               this process
    distributed: {backend: deepspeed, processes: 8}              torchrun in the task's pod (one_node.py)
    distributed: {backend: deepspeed, processes: 8, nodes: 2}    a TrainJob that the task follows (many_nodes.py)

The stage says what it does in a rank, and the same function is run everywhere. Where a rank dies without a word, all
are started again and go on from the last checkpoint; one that says what it failed of fails the task with that error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from components.core.errors import TrainingError
from components.core.training.distributed.job import take_over
from components.core.training.distributed.many_nodes import ManyNodes
from components.core.training.distributed.one_node import OneNode
from components.core.training.distributed.ranks import Ranks

if TYPE_CHECKING:
    from components.core.engine.stage import Task
    from components.core.training.settings import TrainingSettings

Settings = TypeVar("Settings", bound="TrainingSettings", covariant=True)


def with_ranks(
    task: Task[Settings], train: Callable[[Task[Settings], Ranks], None], folders: Sequence[Path] = ()
) -> None:
    """Run `train` in this process, or in ranks where the settings ask for them.

    Args:
        folders: of this machine, which settings name beside the inputs: other machines are handed them, too.

    Raises:
        TrainingError: a rank died, and again after `restarts`; or whatever error of ours a rank raised.
    """
    wanted = task.settings.distributed
    if wanted.backend == "single" or Ranks.are_here():
        train(task, Ranks.here())
        return
    with ManyNodes.opened(task, folders) if wanted.nodes > 1 else OneNode.opened(task) as training:
        for attempt in range(wanted.restarts + 1):
            if (result := training.attempt()) is not None:
                take_over(task, result)
                return
            if attempt < wanted.restarts:
                task.log.warning("A rank of the training died: all are started again, from the last checkpoint")
    raise TrainingError(
        f"A rank of the training died {wanted.restarts + 1} times (see the log of {task.name} for its last words).",
        "Run again: training continues from its last checkpoint. Memory is the usual reason: lower rows_per_forward, "
        "or set gradient_checkpointing or distributed.zero: 3.",
    )
