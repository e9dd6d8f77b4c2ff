"""How a run of a cluster stands: what KFP's API says of its nodes, and what tasks wrote down in the bucket.

Neither knows all. The API knows each node's state and times, of tasks too that died before they could write, that wait,
or that KFP's cache answered for; the record knows rows, calls and causes. So each tells of a task what the other lacks
(merging.py), and KFP's state of the run decides how it ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from components.core.engine.record import TASKS, RunRecord
from components.core.engine.run_summary import cause_in, left_without_a_word, nothing_to_do_in
from components.core.errors import InputError
from pipelines.ir.prune import Planned, plan_of
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.merging import STATES, Run, time_of
from pipelines.launch.local.progress import Record, last_message

RUN_STATES = {**STATES, "CANCELING": "cancelling", "CANCELED": "cancelled"}
ENDED = ("succeeded", "failed", "cancelled", "skipped")
WAITS_LONG_S = 120.0
"""After which a pod that has not started is told of."""


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
    stuck: str = ""
    """Tasks that have waited long for a pod to start."""
    waiting: str = ""
    """That they do, for how long, and how to learn why."""

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
    _plan: list[Planned] | None = None
    _versions: dict[str, str] = field(default_factory=dict)
    _records: dict[str, Record] = field(default_factory=dict)

    def look(self) -> Standing:
        """How it stands now.

        Raises:
            InputError: KFP cannot be asked, or knows no such run.
        """
        run = self.api.run(self.run_id)
        if self._plan is None:
            self._plan = _planned(self.api, run)
        note = self._read_records()
        nodes = (run.run_details.task_details if run.run_details else None) or []
        status = RUN_STATES.get(str(run.state), "waiting")
        records = list(self._records.values())
        nothing = nothing_to_do_in(records)
        if not records and not note and Run(self._plan, nodes, [], status=status).must_have_written():
            note = f"No task wrote to {self.record.root}; was the run started with another launch.state?"
        merged = Run(self._plan, nodes, records, status=status, readable=not note, had_nothing_to_do=bool(nothing))
        tasks = merged.tasks()
        failed = [record for record in records if record.get("status") == "failed"]
        error = cause_in(failed) or self._untold(tasks, run)
        ended = time_of(run.finished_at)
        began = time_of(run.created_at) or datetime.now(UTC)
        return Standing(
            self.run_id,
            str(run.display_name),
            status,
            tasks,
            ((ended or datetime.now(UTC)) - began).total_seconds(),
            error if status in ("failed", "cancelled") or failed else {},
            note,
            nothing,
            *(self._waiting(merged) if status not in ENDED else ()),
        )

    def last_words(self) -> Iterator[tuple[str, str]]:
        """What tasks that are at work said last: the name of each record, and the words, which may be empty."""
        for name, record in self._records.items():
            if record.get("status") == "running":
                yield name.removesuffix(".json"), last_message(self.record, name.removesuffix(".json"))

    def _read_records(self) -> str:
        """Read what changed in the bucket; returns why that cannot be done, "" where it can."""
        try:
            for name, version, content in self.record.written(TASKS, self._versions):
                self._versions[name], self._records[name] = version, content
        except InputError as error:
            return error.what
        return ""

    def _waiting(self, run: Run) -> tuple[str, str]:
        """Tasks whose pods cannot start, and what is said of that: KFP tells that they wait, Kubernetes alone why."""
        waits = [(name, since) for name, since in run.pods_that_wait() if since > WAITS_LONG_S]
        names, longest = " and ".join(dict.fromkeys(name for name, _ in waits)), max((it for _, it in waits), default=0)
        return names, (
            f"a pod of {names} has waited {longest / 60:.0f} minutes for its node, image or volume: "
            f"`kubectl describe pods -A -l pipeline/runid={self.run_id}`"
        ) if names else ""

    def _untold(self, tasks: Sequence[Record], run: Any) -> dict[str, Any]:
        """The error of a run of which no task wrote one down."""
        failed = next((task["name"] for task in tasks if task["status"] == "failed"), "")
        what = " ".join(str(run.error.message if run.error else "").split())
        remedy = (
            f"Kubernetes may know: `kubectl get pods,events -A -l pipeline/runid={self.run_id}`; "
            "KFP keeps what it printed as the task's artifact executor-logs."
        )
        said = left_without_a_word(failed or "that failed", remedy)
        return {**said, "what": what or said["what"], "task": failed}


def _planned(api: KfpApi, run: Any) -> list[Planned]:
    """The tasks of the run's pipeline, in their order."""
    spec = run.pipeline_spec
    if not spec and (reference := run.pipeline_version_reference):
        call = api.pipelines.pipeline_service_get_pipeline_version
        spec = api.ask(call, reference.pipeline_id, reference.pipeline_version_id).pipeline_spec
    spec = spec or {}
    ir = spec.get("pipeline_spec", spec)
    return plan_of(ir) if "root" in ir else []
