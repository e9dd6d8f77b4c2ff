"""One record for each task of a run, from Argo's nodes as KFP's API lists them and from what tasks wrote down.

KFP 2.17 tells Argo's nodes without their place in the tree, by display name alone: `caption` is one node per shard, the
executor of that task, and `caption-driver` decides about it. So a task is counted, and its shards are told apart only
where they wrote a record. A task that succeeded without a record of this run ran in no pod: KFP took it from its cache.

The list of nodes may stand still while the run goes on: once a run's object is larger than 1 MiB Argo keeps the nodes
compressed (pipelines/ir/limits.py), which the API does not read, and the list stays what it was, even after the end. So
the list is believed where it says that something ended. That a task ended is known, too, from its record, and from
whatever was begun after it: a task that was passed without a word was in KFP's cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from components.core.engine.run_summary import task_of
from pipelines.ir.prune import Planned
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
OPEN = ("waiting", "running")
DONE = ("succeeded", "cached")
COUNTS = ("cpu_seconds", "calls", "cached_calls", "tokens", "cost")


class Run:
    """The tasks of a run at one moment.

    Args:
        plan: the DAG's tasks, in their order.
        nodes: what the API tells of Argo's nodes.
        records: what the tasks wrote down.
        status: of the run, by KFP.
        readable: whether `records` could be read at all.
        had_nothing_to_do: whether all but the first task was left out.
    """

    def __init__(
        self,
        plan: Sequence[Planned],
        nodes: Iterable[Any],
        records: Iterable[Record],
        *,
        status: str,
        readable: bool = True,
        had_nothing_to_do: bool = False,
    ) -> None:
        self.plan, self.status, self.readable = plan, status, readable
        self.nodes = list(nodes)
        self.has_ended = status not in (*OPEN, "cancelling")
        self.by_name: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            self.by_name[str(node.display_name)].append(node)
        self.written: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            self.written[task_of(record)].append(record)
        self.is_behind = self._is_behind()
        self.is_complete = status == "succeeded" and self.is_behind and not had_nothing_to_do
        """Whether every task was done, though the list says less."""
        begun = [task for task in plan if self._has_begun(task.name)]
        loops = {task.name: task.loop for task in plan}
        self.passed = {
            before for task in begun for before in task.after if not task.loop or loops.get(before) != task.loop
        }
        """Tasks all of whose shards are done, as something was begun that waits for them."""
        self.followed = {before for task in begun for before in task.after} - self.passed
        """Tasks some of whose shards are done for the same reason."""

    def tasks(self) -> list[Record]:
        """One record for each task, in the plan's order."""
        told = [self._task(task) for task in self.plan]
        if self.status == "failed" and not any(task["status"] == "failed" for task in told):
            done = {task["name"] for task in told if task["status"] in DONE}
            could = [it for it in self.plan if not it.is_exit and it.name not in done and it.after <= done]
            for task in told:
                if [task["name"]] == [it.name for it in could]:
                    task["status"] = "failed"  # nothing else could have begun
        return told

    def must_have_written(self) -> bool:
        """Whether a task succeeded that KFP never takes from its cache."""
        own = [task.name for task in self.plan if not task.is_cacheable and not task.is_exit]
        return any(_state(node) == "succeeded" for name in own for node in self.by_name[name])

    def pods_that_wait(self) -> Iterator[tuple[str, float]]:
        """Tasks one of whose pods has not started, each with the seconds since KFP wanted it."""
        if self.is_behind:
            return
        now = datetime.now(UTC)
        drivers = {f"{task.name}-driver": task.name for task in self.plan}
        silent = [name for task in self.plan if (name := task.name) and self._runs_in_silence(name)]
        for node in self.nodes:
            label, since = str(node.display_name).partition("(")[0], time_of(node.start_time)
            if _state(node) != "waiting" or not since:
                continue
            if name := drivers.get(label) or (" or ".join(silent) if label == "executor" else ""):
                yield name, (now - since).total_seconds()

    def _runs_in_silence(self, name: str) -> bool:
        """Whether KFP says that shards of a task are at work of which not all have written a word."""
        at_work = sum(_state(node) in OPEN for node in self.by_name[name])
        return at_work > sum(record.get("status") == "running" for record in self.written[name])

    def _is_behind(self) -> bool:
        """Whether the list of nodes tells less than there is."""
        if self.has_ended and (not self.nodes or any(_state(node) in OPEN for node in self.nodes)):
            return True
        return any(records and not self.by_name[name] for name, records in list(self.written.items()))

    def _has_begun(self, name: str) -> bool:
        nodes = [*self.by_name[name], *self.by_name[f"{name}-driver"]]
        return bool(self.written[name]) or any(_state(node) != "skipped" for node in nodes)

    def _shards(self, task: Planned) -> int:
        """How many shards a task has, as far as anything tells."""
        alike = [it.name for it in self.plan if it.loop and it.planner == task.planner] if task.loop else [task.name]
        return max(max(len(self.by_name[it]), len(self.written[it])) for it in (*alike, task.name))

    def _task(self, task: Planned) -> Record:
        """A task's record from those of its shards and its nodes. A node that ended goes before a record: a pod that
        was killed wrote `running` and nothing after it."""
        executors, drivers = self.by_name[task.name], self.by_name[f"{task.name}-driver"]
        records = self.written[task.name]
        states = [state for node in executors if (state := _state(node)) != "skipped"]
        if not states and executors and not records and not self.is_complete:
            states = ["skipped"]
        own = [str(record.get("status")) for record in records]
        is_failed = "failed" in states or any(_state(node) == "failed" for node in drivers)
        is_failed = is_failed or ("failed" in own and (self.is_behind or not states))
        total = max(len(states), len(own), 1 if task.name in self.passed or self.is_complete else 0)
        done = max(states.count("succeeded"), sum(own.count(status) for status in DONE))
        if task.name in self.followed and not states and not own:
            done = total = 1
        if (task.name in self.passed or self.is_complete) and not is_failed:
            done = total = max(total, self._shards(task))
        cached = max(0, done - sum(status != "cached" for status in own)) if self.readable and task.is_cacheable else 0
        at_work = bool(drivers or own or any(state in OPEN for state in states))
        status = self._status(states, total, done, cached, is_failed=is_failed, at_work=at_work)
        over = status not in OPEN or self.has_ended
        told: Record = {"name": task.name, "status": status, "total": total, "cached": cached}
        told["done"] = min(total, done + (max(states.count("failed"), own.count("failed")) if is_failed else 0))
        told["seconds"] = _seconds([*drivers, *executors], records, over)
        told["rows"] = _sum(record.get("rows") or {} for record in records)
        return told | _sum({key: record.get(key) or 0 for key in COUNTS} for record in records)

    def _status(
        self, states: Sequence[str], total: int, done: int, cached: int, *, is_failed: bool, at_work: bool
    ) -> str:
        if is_failed:
            return "failed"
        if total and done >= total:
            return "cached" if cached == done else "succeeded"
        if self.has_ended or "skipped" in states:
            return "skipped"
        return "running" if at_work else "waiting"


def time_of(value: Any) -> datetime | None:
    """A time that the API tells; it writes the beginning of 1970, or of our era, for one that has not come."""
    return value if isinstance(value, datetime) and value.year > 1970 else None


def _state(node: Any) -> str:
    return STATES.get(str(node.state), "skipped")


def _seconds(nodes: Sequence[Any], records: Sequence[Record], over: bool) -> float:
    """From the first start to the last end, or to now while one is at work."""
    starts = [start for node in nodes if (start := time_of(node.start_time))]
    ends = [end for node in nodes if (end := time_of(node.end_time))]
    for record in records:
        try:
            start = datetime.fromisoformat(str(record.get("started")))
        except ValueError:
            continue
        starts.append(start)
        if record.get("status") != "running":
            ends.append(start + timedelta(seconds=float(record.get("seconds") or 0)))
    if not starts or (over and not ends):
        return 0.0
    return max(0.0, ((max(ends) if over else datetime.now(UTC)) - min(starts)).total_seconds())


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for part in parts:
        for key, value in part.items():
            total[key] += value
    return {key: int(value) if value.is_integer() else round(value, 3) for key, value in total.items()}
