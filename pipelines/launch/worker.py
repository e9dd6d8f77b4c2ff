"""Compiles a pipeline, lints it and runs it on kfp.local, in a process of its own.

A process, because KFP prints some sixty lines per task, replaces `builtins.print` and the root logger's handlers while
tasks run at once, and leaves both broken. Its output goes to `logs/kfp.log`; what a person should know comes from
the task records. Tasks that KFP took from its cache write no record, so this process writes theirs.

    python -m pipelines.launch.worker runs/<run_id>/job.json
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from components.core.errors import RewatchError
from pipelines.launch.folders import RunFolder, write_json
from pipelines.platform import Platform

CACHE_HIT = re.compile(r"Task (?P<name>[\w-]+) cache hit \(key=(?P<key>\w+)\)")
TASK_FAILED = re.compile(r"Task '(?P<name>[\w-]+)' finished with status FAILURE")
COLOURS = re.compile(r"\x1b\[\d+m")
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def main(job_file: str) -> int:
    """Run the job; 0 when every task succeeded."""
    die_with_parent()
    job = json.loads(Path(job_file).read_text())
    folder = RunFolder(Path(job_file).parent)
    try:
        pipeline = compile_pipeline(job, folder)
    except RewatchError as error:
        write_json(folder.path / "refused.json", {"what": error.what, "remedy": error.remedy})
        return 2
    return run(pipeline, job, folder)


def die_with_parent() -> None:
    """When the launcher dies, even by `kill -9`, end this process and every task it started."""

    def end_group(*_: object) -> None:
        os.killpg(os.getpgrp(), signal.SIGKILL)

    signal.signal(signal.SIGTERM, end_group)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def compile_pipeline(job: dict[str, Any], folder: RunFolder) -> Any:
    """Build the job's pipeline, compile it to `pipeline.yaml`, keep what `until` needs, lint it, and load it.

    Raises:
        RewatchError: the linter refused it, or `until` names no task.
    """
    from kfp import compiler, components

    from pipelines.lint import check
    from pipelines.prune import keep_until, task_names

    module, _, builder = job["pipeline"].partition(":")
    pipeline = getattr(importlib.import_module(module), builder)(Platform.model_validate(job["platform"]))
    compiler.Compiler().compile(pipeline, str(folder.pipeline))
    if job.get("until"):
        keep_until(folder.pipeline, job["until"])
    check(folder.pipeline)
    write_json(folder.plan, {"tasks": task_names(folder.pipeline)})
    return components.load_component_from_file(str(folder.pipeline))


def run(pipeline: Any, job: dict[str, Any], folder: RunFolder) -> int:
    """Run the loaded pipeline under the job's runner; 0 when it succeeded, 1 when a task failed."""
    from kfp import local

    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addFilter(TaskObserver(folder, Path(job["cache"])))
    runner: Any = local.SubprocessRunner(use_venv=False)
    if job["runner"] == "docker":
        runner = local.DockerRunner(**job["docker"])
    local.init(
        runner,
        pipeline_root=str(folder.artifacts),
        enable_caching=True,
        cache_root=job["cache"],
        raise_on_error=True,
    )
    known = pipeline.pipeline_spec.root.input_definitions.parameters
    try:
        pipeline(**{name: value for name, value in job["arguments"].items() if name in known})
    except RuntimeError as error:
        print(f"pipeline failed: {error}", flush=True)
        return 1
    return 0


class TaskObserver(logging.Filter):
    """Reads KFP's own log records: which tasks came from the cache, and which failed without saying why.

    A filter on the root logger, not a handler: KFP clears the root logger's handlers around every task.
    """

    def __init__(self, folder: RunFolder, cache: Path) -> None:
        super().__init__()
        self.folder = folder
        self.cache = cache

    def filter(self, record: logging.LogRecord) -> bool:
        """Note what the record tells; every record passes."""
        message = COLOURS.sub("", record.getMessage())
        if hit := CACHE_HIT.match(message):
            self._note_cached(hit["name"], hit["key"])
        elif failed := TASK_FAILED.match(message):
            self._note_failed(failed["name"])
        return True

    def _note_cached(self, name: str, key: str) -> None:
        """Write the record of a cached task: the old task's, with no time and no calls of its own."""
        for entry in self.cache.glob(f"{key}*.json"):
            for value in json.loads(entry.read_text()).values():
                if isinstance(value, dict) and "uri" in value:
                    previous = self._record_of(Path(value["uri"]))
                    shard = str(previous.get("shard") or "")
                    record = {
                        "name": previous.get("name", name),
                        "shard": shard,
                        "status": "cached",
                        "seconds": 0.0,
                        "cpu_seconds": 0.0,
                        "rows": previous.get("rows") or {},
                        "calls": 0,
                        "cached_calls": 0,
                        "tokens": {"in": 0, "out": 0},
                        "error": None,
                        "output": value["uri"],
                        "digest": previous.get("digest", ""),
                        "metrics": previous.get("metrics") or {},
                        "made_by": previous.get("run_id", ""),
                    }
                    write_json(self.folder.tasks / _file_name(record["name"], shard), record)

    def _record_of(self, output: Path) -> dict[str, Any]:
        """The record that the task which made `output` wrote in its own run, or an empty one."""
        for run in (parent.parent for parent in output.parents if parent.name == "artifacts"):
            for path in (run / "tasks").glob("*.json"):
                record = json.loads(path.read_text())
                if record.get("output") == str(output) and record.get("status") == "succeeded":
                    return {"run_id": run.name, **record}
        return {}

    def _note_failed(self, name: str) -> None:
        """Write a record for a task that died without one: killed, out of memory, or broken before its body ran."""
        records = [json.loads(path.read_text()) for path in self.folder.tasks.glob("*.json")]
        if any(record["status"] == "failed" and record["name"] in name for record in records):
            return
        record = {
            "name": name,
            "shard": "",
            "status": "failed",
            "seconds": 0.0,
            "cpu_seconds": 0.0,
            "rows": {},
            "calls": 0,
            "cached_calls": 0,
            "tokens": {"in": 0, "out": 0},
            "error": {
                "type": "TaskDied",
                "what": f"The task {name} ended without a word: it was killed, ran out of memory, or could not start.",
                "remedy": f"Its last lines are in {self.folder.kfp_log}.",
            },
        }
        write_json(self.folder.tasks / _file_name(name, ""), record)


def _file_name(name: str, shard: str) -> str:
    return f"{name}-{shard}.json" if shard else f"{name}.json"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
