"""Merging the outputs of a loop's shards: parts stay apart by shard, and what was refused stays on record."""

from __future__ import annotations

from collections.abc import Sequence

from components.core.data.datasets import Dataset
from components.core.data.rows import Failure
from components.core.engine.stage import Task
from components.core.judging.intervals import wilson
from components.quality_gates.checks import WORST, Figure
from components.quality_gates.settings import LoopThresholds, QualityGatesSettings


def shards_of(task: Task[QualityGatesSettings]) -> list[Dataset]:
    """The datasets of the input `shards`, in order of their shard, whatever order the loop finished in."""
    return sorted(task.datasets("shards"), key=lambda dataset: dataset.manifest.shard)


def write_refused(task: Task[QualityGatesSettings], shard: Dataset, part: str) -> list[Failure]:
    """Carry a shard's rejected rows and failures over, for the tables that the merged dataset has.

    Returns:
        the failures.
    """
    tables = [table for table in shard.manifest.tables if table in task.stage.tables]
    for table in tables:
        task.write(table, shard.rejected(table), part)
    failures = list(shard.failures())
    task.write(tables[0], failures, part)
    return failures


def failed_figure(failures: Sequence[Failure], finished: int, settings: LoopThresholds) -> Figure:
    """The share of a loop's records that failed; the only place where it is judged, since only here are all shards.

    Args:
        finished: records that did not fail.
    """
    n = len(failures) + finished
    interval = wilson(len(failures), n) if n else None
    worst = (f"{failure.stage} {failure.record_id[:24]}: {failure.reason}"[:160] for failure in failures[:WORST])
    few = n < settings.min_records and interval is not None and interval.low <= settings.max_failed
    return Figure(
        "failed_records",
        "records of the loop before this gate that failed / tried",
        interval.mean if interval else None,
        n,
        "records",
        maximum=settings.max_failed,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        worst=tuple(worst),
        too_few=f"fewer than {settings.min_records} records" if few else "",
    )
