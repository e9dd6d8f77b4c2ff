"""How a run of a cluster stands: what KFP's API says of its nodes, and what tasks wrote down in the bucket.

Neither knows all. The API knows each node's state and times, of tasks too that died before they could write, that wait,
or that KFP's cache answered for; the record knows rows, calls and causes. A task that succeeded without a record of
this run ran in no pod: KFP took it from its cache.

KFP 2.17 tells Argo's nodes without their place in the tree, by display name alone: `caption` is one node per shard, the
executor of that task, and `caption-driver` decides about it. So a task is counted, and its shards are told apart only
where they wrote a record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from components.core.engine.record import TASKS, RunRecord
from components.core.engine.run_summary import cause_in, nothing_to_do_in, task_of
from components.core.errors import InputError
from pipelines.ir.prune import tasks_in
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.local.progress import Record

STATES = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "CANCELING": "running",
    "PAUSED": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "failed",
    "SKIPPED": "skipped",
}
"""KFP's words for the state of a node, and ours. It leaves unsaid what Argo calls omitted: skipped."""
RUN_STATES = {**STATES, "CANCELING": "cancelling", "CANCELED": "cancelled"}
ENDED = ("succeeded", "failed", "cancelled", "skipped")
COUNTS = ("cpu_seconds", "calls", "cached_calls", "tokens", "cost")


@dataclass(frozen=True)
class Standing:
    """How a run stands at one moment."""

    run_id: str
    name: str
    status: str
    tasks: list[Record]
    """One for each task of the DAG, in its order: a record of its shards, with how many are `done` of the `total`."""
    seconds: float
    error: Mapping[str, Any]
    """The first task that failed and why, as far as anybody wrote it down; empty where nothing failed."""
    note: str = ""
    """Why the record could not be read."""
    nothing_to_do: str = ""
    """Why the run did nothing, where it had nothing to do."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED


@dataclass
class ClusterRun:
    """One run, looked at again and again.

    Args:
        api: where KFP is asked.
        run_id: KFP's.
        record: what its tasks write down.
    """

    api: KfpApi
    run_id: str
    record: RunRecord
    _names: list[str] | None = None
    _versions: dict[str, str] = field(default_factory=dict)
    _records: dict[str, Record] = field(default_factory=dict)

    def look(self) -> Standing:
        """How it stands now.

        Raises:
            InputError: KFP cannot be asked, or knows no such run.
        """
        run = self.api.run(self.run_id)
        if self._names is None:
            self._names = _planned(self.api, run)
        note = self._read_records()
        nodes = (run.run_details.task_details if run.run_details else None) or []
        status = RUN_STATES.get(str(run.state), "waiting")
        records = list(self._records.values())
        tasks = merged(self._names, nodes, records, ended=status in ENDED, readable=not note)
        failed = [record for record in records if record.get("status") == "failed"]
        error = cause_in(failed) or _untold(tasks, run)
        ended = _time(run.finished_at)
        began = _time(run.created_at) or datetime.now(UTC)
        return Standing(
            self.run_id,
            str(run.display_name),
            status,
            tasks,
            ((ended or datetime.now(UTC)) - began).total_seconds(),
            error if status in ("failed", "cancelled") or failed else {},
            note,
            nothing_to_do_in(records),
        )

    def _read_records(self) -> str:
        """Read what changed in the bucket; returns why that cannot be done, "" where it can."""
        try:
            for name, version, content in self.record.written(TASKS, self._versions):
                self._versions[name], self._records[name] = version, content
        except InputError as error:
            return error.what
        return ""


def merged(
    names: Sequence[str], nodes: Iterable[Any], records: Iterable[Record], *, ended: bool, readable: bool = True
) -> list[Record]:
    """One record for each task.

    Args:
        names: of the DAG's tasks, in their order.
        nodes: what the API tells of Argo's nodes.
        records: what the tasks wrote down.
        ended: whether the run is over, so that nothing waits any more.
        readable: whether `records` could be read at all.
    """
    by_name: dict[str, list[Any]] = defaultdict(list)
    for node in nodes:
        by_name[str(node.display_name)].append(node)
    written: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        written[task_of(record)].append(record)
    return [
        _task(name, by_name[name], by_name[f"{name}-driver"], written[name], ended=ended, readable=readable)
        for name in names
    ]


def _task(
    name: str,
    executors: Sequence[Any],
    drivers: Sequence[Any],
    records: Sequence[Record],
    *,
    ended: bool,
    readable: bool,
) -> Record:
    """A task's record from those of its shards and its nodes. Nodes go before records: a pod that was killed wrote
    `running` and nothing after it."""
    states = [_state(node) for node in executors]
    if any(_state(node) == "failed" for node in drivers):
        states.append("failed")
    elif drivers and not executors:
        states.append("running")
    states = [state for state in states if state != "skipped"] or states[:1]
    done = sum(state in ("succeeded", "failed") for state in states)
    cached = states.count("succeeded") - len(records) if readable else 0
    status = _together(states, ended, all_cached=cached > 0 and not records)
    told: Record = {"name": name, "status": status, "done": done, "total": len(states), "cached": max(0, cached)}
    told["seconds"] = _seconds([*drivers, *executors])
    told["rows"] = _sum(record.get("rows") or {} for record in records)
    told |= _sum({key: record.get(key) or 0 for key in COUNTS} for record in records)
    return told


def _together(states: Sequence[str], ended: bool, *, all_cached: bool) -> str:
    if "failed" in states:
        return "failed"
    if states and all(state == "succeeded" for state in states):
        return "cached" if all_cached else "succeeded"
    if not states or all(state == "skipped" for state in states) or ended:
        return "skipped" if ended or states else "waiting"
    return "running"


def _state(node: Any) -> str:
    return STATES.get(str(node.state), "skipped")


def _seconds(nodes: Sequence[Any]) -> float:
    """From the first node's start to the last one's end, or to now while one is at work."""
    starts = [start for node in nodes if (start := _time(node.start_time))]
    if not starts:
        return 0.0
    ends = [_time(node.end_time) or datetime.now(UTC) for node in nodes if _time(node.start_time)]
    return max(0.0, (max(ends) - min(starts)).total_seconds())


def _time(value: Any) -> datetime | None:
    """A time that the API tells; it writes the beginning of 1970, or of our era, for one that has not come."""
    return value if isinstance(value, datetime) and value.year > 1970 else None


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for part in parts:
        for key, value in part.items():
            total[key] += value
    return {key: int(value) if value.is_integer() else round(value, 3) for key, value in total.items()}


def _untold(tasks: Sequence[Record], run: Any) -> dict[str, Any]:
    """The error of a run of which no task wrote one down."""
    failed = next((task["name"] for task in tasks if task["status"] == "failed"), "")
    what = " ".join(str(run.error.message if run.error else "").split())
    remedy = f"kubectl get pods,events -A -l pipeline/runid={run.run_id}"
    return {"what": what or "No task says why.", "remedy": f"Kubernetes may: `{remedy}`.", "task": failed}


def _planned(api: KfpApi, run: Any) -> list[str]:
    """The names of the tasks of the run's pipeline, in their order."""
    spec = run.pipeline_spec
    if not spec and (reference := run.pipeline_version_reference):
        call = api.pipelines.pipeline_service_get_pipeline_version
        spec = api.ask(call, reference.pipeline_id, reference.pipeline_version_id).pipeline_spec
    spec = spec or {}
    ir = spec.get("pipeline_spec", spec)
    return tasks_in(ir) if "root" in ir else []
