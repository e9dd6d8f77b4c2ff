"""Where a run lives on disk, and the one file scripts read about it: `run.json`, always replaced atomically."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.core.errors import InputError
from components.core.processes import is_held

RESERVE_BYTES = 1 << 20
"""More than the run.json of a hundred shards."""


@dataclass(frozen=True)
class RunsRoot:
    """The folder that holds all runs and what outlives them: state, KFP's cache, MLflow's database."""

    path: Path

    @property
    def state(self) -> Path:
        """What must survive a kill: stored calls, finished records, checkpoints."""
        return self.path / "state"

    @property
    def cache(self) -> Path:
        """KFP's cache entries. Outside any run's folder: a cache in a new pipeline root would never hit."""
        return self.path / "cache" / "kfp"

    @property
    def scratch(self) -> Path:
        """What may be lost: copies of what lies in S3."""
        return self.path / "scratch"

    @property
    def tracking_database(self) -> Path:
        return self.path / "mlflow.db"

    @property
    def tracking_artifacts(self) -> Path:
        return self.path / "mlartifacts"

    def run(self, run_id: str) -> RunFolder:
        """The folder of `run_id`, whether it exists or not."""
        return RunFolder(self.path / run_id)

    def new_run(self) -> RunFolder:
        """A folder for a new run, named by the time in UTC; created.

        Raises:
            InputError: the runs folder cannot be written.
        """
        started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        for suffix in ("", *(f"-{n}" for n in range(2, 100))):
            folder = self.path / f"{started}{suffix}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise InputError(
                    f"The runs folder {self.path} cannot be written: {error.strerror}.",
                    "Give a writable folder with --runs.",
                ) from error
            return RunFolder(folder).create()
        raise InputError(f"A hundred runs started in one second under {self.path}.", "Wait a second.")

    def latest(self) -> RunFolder | None:
        """The newest run, or None where there is none."""
        found = sorted(path.parent for path in self.path.glob("*/run.json"))
        return RunFolder(found[-1]) if found else None


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    def create(self) -> RunFolder:
        """Make the sub-folders; returns itself."""
        for folder in (self.tasks, self.logs, self.artifacts, self.report.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self._reserve.open("wb") as file:
            file.write(bytes(RESERVE_BYTES))
        return self

    @property
    def _reserve(self) -> Path:
        """Room on the disk for the last run.json, which has to say that the disk is full."""
        return self.path / ".reserve"

    @property
    def lifeline(self) -> Path:
        """Held by the launcher as long as it lives (core/processes.py)."""
        return self.path / ".lifeline"

    @property
    def is_alive(self) -> bool:
        """Whether a launcher holds the run; one that calls itself running without was killed."""
        return is_held(self.lifeline)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def tasks(self) -> Path:
        return self.path / "tasks"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def resolved(self) -> Path:
        return self.path / "resolved.yaml"

    @property
    def job(self) -> Path:
        return self.path / "job.json"

    @property
    def pipeline(self) -> Path:
        return self.path / "pipeline.yaml"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def kfp_log(self) -> Path:
        return self.logs / "kfp.log"

    @property
    def report(self) -> Path:
        return self.path / "report" / "index.html"

    def conclude(self, content: Mapping[str, Any]) -> None:
        """Write the last run.json; where the disk is full, on the room that was kept for it.

        Raises:
            OSError: another process took that room, too.
        """
        self._reserve.unlink(missing_ok=True)
        write_json(self.record, content)

    def read(self) -> dict[str, Any]:
        """The contents of run.json.

        Raises:
            InputError: there is no such run, or its record is no JSON.
        """
        if not self.record.exists():
            raise InputError(f"There is no run {self.id!r} in {self.path.parent}.", "`rewatch status` lists the runs.")
        try:
            return dict(json.loads(self.record.read_text(encoding="utf-8")))
        except ValueError as error:
            raise InputError(f"{self.record} cannot be read ({error}).", f"Remove {self.path}.") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace `path` in one step, so that a reader never sees half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
