"""Reads KFP's own log for what no task record tells: which tasks came from the cache, which died without a word.

A filter on the root logger, not a handler: KFP clears the root logger's handlers around every task.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from components.core.engine.record import PLAN, TASKS
from components.core.engine.run_summary import left_without_a_word, task_of
from pipelines.launch.local.folders import RunFolder

CACHE_HIT = re.compile(r"Task (?P<name>[\w-]+) cache hit \(key=(?P<key>\w+)\)")
TASK_ENDED = re.compile(r"Task '(?P<name>[\w-]+)' finished with status (?P<status>SUCCESS|FAILURE)")
COLOURS = re.compile(r"\x1b\[\d+m")


class TaskObserver(logging.Filter):
    """Writes the records that those tasks could not write themselves.

    Args:
        folder: the run.
        cache: folder of KFP's cache entries.
    """

    def __init__(self, folder: RunFolder, cache: Path) -> None:
        super().__init__()
        self.folder = folder
        self.cache = cache
        self._one_note = threading.Lock()
        """KFP runs tasks in threads, and two shards that die at once are two shards."""
        self._failures: Counter[str] = Counter()
        """How often each task failed: of which shard KFP does not say."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Note what the record tells; every record passes."""
        message = COLOURS.sub("", record.getMessage())
        with self._one_note:
            if hit := CACHE_HIT.match(message):
                self._note_cached(hit["name"], hit["key"])
            elif ended := TASK_ENDED.match(message):
                if ended["status"] == "FAILURE":
                    self._failures[ended["name"]] += 1
                else:
                    self._note_succeeded(ended["name"])
                self._note_died()
        return True

    def conclude(self) -> None:
        """Note what died, now that no task runs any more."""
        with self._one_note:
            self._note_died(none_runs=True)

    def _note_cached(self, name: str, key: str) -> None:
        """Write the record of a cached task: the old task's, with no time and no calls of its own."""
        entries = [json.loads(entry.read_text()).values() for entry in self.cache.glob(f"{key}*.json")]
        outputs = [value["uri"] for entry in entries for value in entry if isinstance(value, dict) and "uri" in value]
        # A gate has its page beside the dataset, of which alone its record tells.
        recorded = {output: record for output in outputs if (record := self._record_of(Path(output)))}
        for output, previous in (recorded or {output: {} for output in outputs[:1]}).items():
            shard = str(previous.get("shard") or "")
            kept = [field for field in ("rows", "digest", "metrics") if field in previous]
            told: dict[str, Any] = {field: previous[field] for field in kept}
            told |= {"output": output, "made_by": previous.get("run_id", "")}
            self._write(task_of(previous) if previous else name, shard, "cached", told)

    def _record_of(self, output: Path) -> dict[str, Any]:
        """The record that the task which made `output` wrote in its own run, or an empty one."""
        for run in (parent.parent for parent in output.parents if parent.name == "artifacts"):
            for record in RunFolder(run).record.tasks():
                if record.get("output") == str(output) and record.get("status") == "succeeded":
                    return {"run_id": run.name, **record}
        return {}

    def _note_succeeded(self, name: str) -> None:
        """Write a record for a task whose body writes none: the exit task."""
        if not self._has_record(name, "succeeded"):
            self._write(name, "", "succeeded", {})

    def _note_died(self, none_runs: bool = False) -> None:
        """Write the records of tasks that died without one: killed, out of memory, or broken before their body ran.

        Of several shards the dead one is known as soon as all others have ended, or no task runs any more.
        """
        for name, failures in self._failures.items():
            records = {record["name"]: record for record in self.folder.record.tasks() if task_of(record) == name}
            died = failures - sum(record["status"] == "failed" for record in records.values())
            begun = {shard: records.get(_label(name, shard), {}).get("status") for shard in self._shards(name)}
            # one at work has begun a record; one that did not get that far has none
            open_ones = [shard for status in ("running", None) for shard in begun if begun[shard] == status]
            for shard in open_ones[:died] if none_runs or len(open_ones) <= died else ():
                error = left_without_a_word(name, f"Its last lines are in {self.folder.kfp_log}.")
                self._write(name, shard, "failed", {"error": error})

    def _has_record(self, name: str, status: str) -> bool:
        return any(record["status"] == status and task_of(record) == name for record in self.folder.record.tasks())

    def _shards(self, name: str) -> list[str]:
        """The shards of a task inside a loop; else an empty string for the one there is."""
        planner = self.folder.record.object(PLAN)["planners"].get(name)
        for planned in self.folder.artifacts.glob(f"*/{planner}/executor_output.json") if planner else []:
            return [str(shard) for shard in json.loads(planned.read_text())["parameterValues"]["Output"]]
        return [""]

    def _write(self, name: str, shard: str, status: str, told: dict[str, Any]) -> None:
        record = {"name": _label(name, shard), "shard": shard, "status": status, "seconds": 0.0, "cpu_seconds": 0.0}
        record |= {"rows": {}, "calls": 0, "cached_calls": 0, "tokens": 0, "error": None, **told}
        self.folder.record.write_object(f"{TASKS}/{record['name']}.json", record)


def _label(name: str, shard: str) -> str:
    """How the record of a task is called: `caption-s00000`, or `ingest` where there is no shard."""
    return f"{name}-{shard.partition('-')[0]}" if shard else name
