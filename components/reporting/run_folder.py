"""What a run's record says: how its tasks and gates went, and the run as a whole. Unreadable files are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from components.core.data.gate_result import RESULT_NAME, GateResult
from components.core.data.outline import Outline
from components.core.engine.record import GATES, HEADER, PLAN, RunRecord
from components.core.engine.run_summary import task_of
from components.reporting.ancestry import Ancestry


@dataclass(frozen=True)
class TaskCost:
    """What one task of the DAG took, its shards added up."""

    name: str
    status: str
    shards: int = 1
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    ok: int = 0
    rejected: int = 0
    failed: int = 0
    calls: int = 0
    cached_calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    error: str = ""
    outputs: tuple[str, ...] = ()
    """Folders that the task, or its shards, wrote."""

    @property
    def calls_per_row(self) -> float | None:
        """Calls, stored ones included, for each row kept."""
        calls = self.calls + self.cached_calls
        return calls / self.ok if calls and self.ok else None

    @property
    def cost_per_row(self) -> float | None:
        """Money for each row kept."""
        return self.cost / self.ok if self.cost and self.ok else None


@dataclass(frozen=True)
class RunFolderFacts:
    """The contents of a run's record that the report uses."""

    record: RunRecord | None
    header: dict[str, Any] = field(default_factory=dict)
    records: Sequence[dict[str, Any]] = ()
    plan: Sequence[str] = ()
    """Names of the pipeline's tasks in their order, where the launcher left it."""

    def costs(self) -> list[TaskCost]:
        """One entry per task that ended, in the pipeline's order; the report itself is still running."""
        by_name: dict[str, list[dict[str, Any]]] = {}
        ended = [record for record in self.records if record.get("status") != "running"]
        for record in sorted(ended, key=_ended):
            by_name.setdefault(task_of(record), []).append(record)
        place = {name: index for index, name in enumerate(self.plan)}
        names = sorted(by_name, key=lambda name: place.get(name, len(place)))
        return [_add_up(name, by_name[name]) for name in names]


def read_run_folder(record: RunRecord | None) -> RunFolderFacts:
    """Read a run's record; without one, nothing is known of tasks and gates."""
    if record is None:
        return RunFolderFacts(None)
    tasks = sorted(record.tasks(), key=lambda task: str(task.get("name")))
    return RunFolderFacts(record, record.object(HEADER), tasks, record.object(PLAN).get("tasks", []))


def gate_results(ancestry: Ancestry, run: RunRecord | None, outline: Outline) -> list[GateResult]:
    """What each gate decided: in this run if it ran, else beside the dataset that it passed before."""
    found: dict[str, GateResult] = {}
    gates = [output.name for output in outline.of_kind("gate")]
    beside = [artifact.path / RESULT_NAME for artifact in ancestry.artifacts]
    stored = [path.read_bytes() for path in beside if path.is_file()]
    stored += [data for gate in gates if run and (data := run.read(f"{GATES}/{gate}.json"))]
    for data in stored:
        try:
            result = GateResult.model_validate_json(data)
        except ValidationError:
            continue
        found[result.gate] = result
    return [found[gate] for gate in dict.fromkeys([*gates, *found]) if gate in found]


def _ended(record: dict[str, Any]) -> tuple[float, str]:
    """When a task ended; cached ones, which have no time of their own, come first, by name."""
    try:
        started = datetime.fromisoformat(str(record.get("started"))).timestamp()
    except ValueError:
        return 0.0, str(record.get("name"))
    return started + float(record.get("seconds") or 0), str(record.get("name"))


def _add_up(name: str, records: Sequence[dict[str, Any]]) -> TaskCost:
    states = {str(record.get("status")) for record in records}
    status = next((state for state in ("failed", "succeeded") if state in states), "cached")

    def total(key: str) -> float:
        return sum(float(record.get(key) or 0) for record in records)

    def rows(kind: str) -> int:
        return sum(int((record.get("rows") or {}).get(kind) or 0) for record in records)

    errors = [record["error"] for record in records if isinstance(record.get("error"), dict)]
    return TaskCost(
        name=name,
        status=status,
        shards=len(records),
        seconds=total("seconds"),
        cpu_seconds=total("cpu_seconds"),
        ok=rows("ok"),
        rejected=rows("rejected"),
        failed=rows("failed"),
        calls=int(total("calls")),
        cached_calls=int(total("cached_calls")),
        tokens=int(total("tokens")),
        cost=total("cost"),
        outputs=tuple(str(record["output"]) for record in records if record.get("output")),
        error=" ".join(f"{error.get('what', '')} {error.get('remedy', '')}".strip() for error in errors),
    )
