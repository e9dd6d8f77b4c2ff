"""Where the launcher keeps runs and what outlives them, and the files of a run that are its own.

What is in the record (run.json, plan, task records, logs, report) core/engine/record.py writes and reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.core.engine.record import HEADER, LOGS, REPORT, TASKS, RunRecord
from components.core.errors import InputError
from components.core.processes import is_held
from components.core.stores.addresses import address_of

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
        return self.path / "cache"

    def cache_of(self, runner: str) -> Path:
        """The entries of one runner: what ran on the laptop proves nothing of an image."""
        return self.cache / ("kfp" if runner == "subprocess" else f"kfp-{runner}")

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
        found = sorted(path.parent for path in self.path.glob(f"*/{HEADER}"))
        return RunFolder(found[-1]) if found else None


@dataclass(frozen=True)
class RunFolder:
    """One run of the launcher: its record, and beside that the launcher's own files."""

    path: Path

    def create(self) -> RunFolder:
        """Make the sub-folders; returns itself."""
        for folder in (self.path / TASKS, self.logs, self.artifacts, self.report.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self._reserve.open("wb") as file:
            file.write(bytes(RESERVE_BYTES))
        return self

    @property
    def record(self) -> RunRecord:
        """What is written down of the run."""
        return RunRecord(address_of(self.path))

    @property
    def _reserve(self) -> Path:
        """Room on the disk for the last run.json, which has to say that the disk is full."""
        return self.path / ".reserve"

    def free_reserve(self) -> None:
        """Give back the room that was kept for the last run.json, before it is written."""
        self._reserve.unlink(missing_ok=True)

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
    def artifacts(self) -> Path:
        """What KFP's tasks write."""
        return self.path / "artifacts"

    @property
    def resolved(self) -> Path:
        """Every setting of the run."""
        return self.path / "resolved.yaml"

    @property
    def job(self) -> Path:
        """What the worker is told."""
        return self.path / "job.json"

    @property
    def refusal(self) -> Path:
        """Why the worker would not begin."""
        return self.path / "refused.json"

    @property
    def pipeline(self) -> Path:
        """The compiled pipeline."""
        return self.path / "pipeline.yaml"

    @property
    def logs(self) -> Path:
        """Where the record keeps logs; those of KFP, MLflow and the teacher lie beside them."""
        return self.path / LOGS

    @property
    def kfp_log(self) -> Path:
        return self.logs / "kfp.log"

    @property
    def report(self) -> Path:
        """The page, as a person is told of it."""
        return self.path / REPORT
