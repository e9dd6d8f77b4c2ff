"""Merging the outputs of a loop's shards: parts stay apart by shard, and what was refused stays on record."""

from __future__ import annotations

from components.core.datasets import Dataset
from components.core.tasks import Task


def shards_of(task: Task) -> list[Dataset]:
    """The datasets of the input `shards`, in order of their shard, whatever order the loop finished in."""
    return sorted(task.datasets("shards"), key=lambda dataset: dataset.manifest.shard)


def write_refused(task: Task, shard: Dataset, part: str) -> None:
    """Carry a shard's rejected rows and failures over, for the tables that the merged dataset has."""
    tables = [table for table in shard.manifest.tables if table in task.stage.tables]
    for table in tables:
        task.write(table, shard.rejected(table), part)
    task.write(tables[0], shard.failures(), part)
