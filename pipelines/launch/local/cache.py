"""What KFP's cache must not keep: tasks that succeeded, but with failed records.

KFP caches every task that succeeded, and nothing that a task does can tell it otherwise. So before a run, entries of
tasks that left failed records behind are removed: they run again, take their finished records from the state, and try
the failed ones anew. Ingestion is left alone: its failed records are files that cannot be read, a file that was mended
is another file, and its shard's id says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

BY_CONTENT = frozenset({"ingestion"})
"""Stages whose failures depend on nothing but their inputs, so that trying again would fail again."""


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


def _outputs_with_failures(runs: Path) -> Iterator[str]:
    for path in runs.glob("*/tasks/*.json"):
        record = json.loads(path.read_text())
        failed = (record.get("records") or {}).get("failed") and record.get("stage") not in BY_CONTENT
        if record.get("status") == "succeeded" and failed:
            yield str(record.get("output"))
