"""Forgetting what KFP's cache holds: all of it on demand, and before a run what it must not keep.

KFP caches every task that succeeded, and nothing that a task does can tell it otherwise. So before a run, entries of
tasks that left failed records behind are removed: they run again, take their finished records from the state, and try
the failed ones anew. Tasks whose failures are final are left alone, such as ingestion: its failed records are files
that cannot be read, a file that was mended is another file, and its shard's id says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from components.core.engine.record import TASKS, RunRecord
from components.core.stores.addresses import address_of


def forget_failed(runs: Path, cache: Path) -> int:
    """Remove the cache entries of tasks that ended with failed records; how many there were.

    Args:
        runs: the runs folder, whose task records tell.
        cache: folder of KFP's cache entries.
    """
    lost = set(_outputs_with_failures(runs))
    forgotten = 0
    for entry in cache.glob("*.json") if lost else ():
        values = json.loads(entry.read_text()).values()
        if any(isinstance(value, dict) and value.get("uri") in lost for value in values):
            entry.unlink()
            forgotten += 1
    return forgotten


def forget_tasks(cache: Path) -> int:
    """Remove every cache entry of every runner; returns how many there were."""
    entries = list(cache.glob("*/*.json"))
    for entry in entries:
        entry.unlink()
    return len(entries)


def _outputs_with_failures(runs: Path) -> Iterator[str]:
    records = (record for tasks in runs.glob(f"*/{TASKS}") for record in RunRecord(address_of(tasks.parent)).tasks())
    for record in records:
        failed = (record.get("records") or {}).get("failed") and not record.get("failures_are_final")
        if record.get("status") == "succeeded" and failed:
            yield str(record.get("output"))
