"""What ranks are to do, and what they leave behind, in the folder that they share with whoever follows them.

job.json             the task, to be built anew in every rank
alive                a lock, held for as long as the ranks may live
stop                 there as soon as they are to stop, after the step that they are in
result.json          what rank 0 found out, once all is done
error-<rank>.json    what a rank says it failed of; one that died says nothing
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from components.core import errors
from components.core.errors import RewatchError, TrainingError

if TYPE_CHECKING:
    from components.core.engine.stage import Task

JOB, ALIVE, STOP, RESULT = "job.json", "alive", "stop", "result.json"
ERRORS = "error-*.json"


@dataclass(frozen=True)
class Job:
    """A task of training, as it travels to ranks."""

    module: str
    """Of the stage."""
    name: str
    shard: str
    settings: str
    """JSON."""
    inputs: Mapping[str, list[str]]
    """Folders, by input."""
    output: str

    @classmethod
    def of(cls, task: Task[Any]) -> Self:
        """What the task is to do."""
        return cls(
            module=task.stage.module,
            name=task.name,
            shard=task.shard,
            settings=task.settings.to_json(),
            inputs={name: [str(path) for path in task.paths(name)] for name in task.inputs},
            output=str(task.output),
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The job of a folder."""
        return cls(**json.loads((folder / JOB).read_text()))

    def write(self, folder: Path) -> None:
        """Put it where ranks find it."""
        (folder / JOB).write_text(json.dumps(asdict(self)))

    def within(self, folder: Path) -> Self:
        """The same job with its relative paths in a folder."""
        inputs = {name: [str(folder / path) for path in paths] for name, paths in self.inputs.items()}
        return replace(self, inputs=inputs, output=str(folder / self.output))

    @property
    def device(self) -> str:
        """What the settings say of the device."""
        return str(json.loads(self.settings)["device"])


def leave_error(folder: Path, rank: int, error: RewatchError) -> None:
    """Say what a rank failed of."""
    said = {"type": type(error).__name__, "what": error.what, "remedy": error.remedy}
    (folder / f"error-{rank}.json").write_text(json.dumps(said))


def read_result(folder: Path) -> dict[str, Any] | None:
    """What rank 0 found out; None where it did not come to an end."""
    path = folder / RESULT
    return json.loads(path.read_text()) if path.is_file() else None


def raise_error(folder: Path) -> None:
    """Raise what a rank says it failed of, if one says so."""
    for path in sorted(folder.glob(ERRORS)):
        said = json.loads(path.read_text())
        raise getattr(errors, said["type"], TrainingError)(said["what"], said["remedy"])


def take_over(task: Task[Any], result: Mapping[str, Any]) -> None:
    """What rank 0 found out becomes the task's own, for its record and manifest."""
    from components.core.teachers.ledger import Usage

    task.metrics |= result["metrics"]
    task.info |= result["info"]
    if result["by_role"]:
        task.ledger.budget = None  # the rank that paid has said so
        for role, usage in result["by_role"].items():
            task.ledger.by_role[role] = Usage(**usage)
            for name, amount in usage.items():
                setattr(task.ledger.total, name, getattr(task.ledger.total, name) + amount)
