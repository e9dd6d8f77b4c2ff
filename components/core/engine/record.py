"""The run on disk: one place that writes it and reads it, in a local folder and in S3 alike.

    run.json                 how the run stands (run_summary.py); rewritten as tasks end, on a cluster at the end
    plan.json                the names of its tasks, in their order, and the one it was told to stop after
    tasks/<task>.json        how a task went: status, seconds, rows, calls, tokens, error
    logs/<task>.jsonl        what it said, one JSON object per line
    ledger/<task>.jsonl      one line per teacher call
    gates/<gate>.json        what a gate decided, with its Data Docs in gates/<gate>/
    report/index.html        the page

Files are written to a folder of this machine. Where the run lies in S3 that is a copy in the scratch space, and what is
written there is published: small files at once, logs every minute and when their task ends.
"""

from __future__ import annotations

import json
import logging
import resource
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.core.data.manifest import write_atomically
from components.core.engine.context import Context
from components.core.errors import InputError
from components.core.stores.addresses import local
from components.core.stores.files import is_s3, storage_for

HEADER, PLAN, REPORT = "run.json", "plan.json", "report/index.html"
TASKS, LOGS, LEDGER, GATES = "tasks", "logs", "ledger", "gates"
SECONDS_PER_PUBLICATION = 60.0
READERS = 16
"""Objects read from S3 at once."""


class TaskError(BaseModel):
    """Why a task failed."""

    model_config = ConfigDict(extra="forbid")

    type: str
    what: str
    remedy: str = ""
    exit_code: int = 1


class TaskRecord(BaseModel):
    """How a task went."""

    model_config = ConfigDict(extra="forbid")

    name: str
    task: str = ""
    """Its name in the DAG: `name` without the shard's number."""

    stage: str
    shard: str = ""
    run_id: str = ""
    status: Literal["running", "succeeded", "failed"]
    started: str
    """UTC time, ISO 8601."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """User and system time of this process and its children, start of the interpreter included."""

    rows: dict[str, int] = Field(default_factory=lambda: {"ok": 0, "rejected": 0, "failed": 0})
    records: dict[str, int] = Field(default_factory=dict)
    """Records by how they were finished: done, reused, failed."""

    failures_are_final: bool = False
    """The stage's word for it (Stage)."""

    calls: int = 0
    cached_calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    by_role: dict[str, dict[str, float]] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    info: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)
    output: str = ""
    digest: str = ""
    settings_digest: str = ""
    error: TaskError | None = None


class Written(NamedTuple):
    """A JSON file of the run, and the version of its content."""

    name: str
    version: str
    content: dict[str, Any]


class RunRecord:
    """One run, written down.

    Args:
        root: a folder, or an `s3://` prefix.
        scratch: folder for the copies of what lies in S3.
    """

    def __init__(self, root: str, scratch: str = "") -> None:
        self.is_remote = is_s3(root)
        self.root = root.rstrip("/") if self.is_remote else str(local(root).absolute())
        self.folder = Path(scratch) / "run" / self.root.rpartition("/")[2] if self.is_remote else Path(self.root)
        """Where its files are written on this machine."""

    @classmethod
    def of(cls, context: Context) -> RunRecord | None:
        """The record of the context's run; None where it has none."""
        return cls(context.run_root, context.scratch) if context.run_root else None

    def uri(self, name: str) -> str:
        """The address of a file or folder of the run."""
        return f"{self.root}/{name}"

    def path(self, name: str) -> Path:
        """Where to write a file or folder on this machine; `publish` it afterwards."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def continued(self, name: str) -> Path:
        """Where to append to a file: it holds what an earlier attempt at the task published."""
        path = self.path(name)
        if self.is_remote and not path.exists() and (earlier := self.read(name)) is not None:
            path.write_bytes(earlier)
        return path

    def write(self, name: str, data: bytes) -> None:
        """Replace a small file; a reader sees the old content or the new.

        Raises:
            OSError: the folder cannot be written.
            InputError: the bucket cannot be written.
        """
        write_atomically(self.path(name), data)
        self.publish(name)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none.

        Raises:
            InputError: it is there and cannot be read.
        """
        return storage_for(self.root).read(self.uri(name)) if self.exists(name) else None

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return storage_for(self.root).exists(self.uri(name))

    def publish(self, *names: str) -> None:
        """Make files, or whole folders, visible to whoever reads the run; where it is local they are already.

        Raises:
            InputError: the bucket cannot be written.
        """
        storage = storage_for(self.root)
        for name in names if self.is_remote else ():
            path = self.folder / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    storage.write(self.uri(file.relative_to(self.folder).as_posix()), file.read_bytes())

    @contextmanager
    def publishing(self, *names: str, log: logging.Logger, every_s: float = SECONDS_PER_PUBLICATION) -> Iterator[None]:
        """Publish growing files while the block runs, and once more after it. What cannot be published ends no task."""
        ended = threading.Event()

        def publish() -> None:
            try:
                self.publish(*names)
            except (InputError, OSError) as error:
                log.warning("%s could not be published: %s", ", ".join(names), error)

        def keep_publishing() -> None:
            while not ended.wait(every_s):
                publish()

        thread = threading.Thread(target=keep_publishing, daemon=True) if self.is_remote else None
        if thread is not None:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if thread is not None:
                thread.join()
                publish()

    def write_object(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a JSON file; raises as `write`. Halves of characters, as in names that are no text, are escaped."""
        text = json.dumps(content, indent=1, ensure_ascii=False)
        self.write(name, f"{text}\n".encode(errors="backslashreplace"))

    def write_task(self, record: TaskRecord) -> None:
        """Write how a task stands."""
        self.write(f"{TASKS}/{record.name}.json", record.model_dump_json(indent=1).encode())

    def tasks(self) -> list[dict[str, Any]]:
        """The records of all tasks, by name; one that another process is still writing is left out."""
        return [written.content for written in self.written(TASKS)]

    def object(self, name: str) -> dict[str, Any]:
        """The JSON object in a file; empty where there is none, or something else."""
        try:
            return _object(self.read(name) or b"")
        except InputError:
            return {}

    def written(self, folder: str, known: dict[str, str] | None = None) -> list[Written]:
        """The JSON objects in the files of a folder, in the order in which they were written.

        Args:
            known: version by name of those that need not be read again.
        """
        storage, prefix = storage_for(self.root), self.uri(f"{folder}/")
        if not self.is_remote and not local(prefix).is_dir():
            return []
        found = [stored for stored in storage.list(prefix) if stored.uri.endswith(".json") and not stored.problem]
        names = {stored.uri: stored.uri.rpartition("/")[2] for stored in found}
        new = [stored for stored in found if (known or {}).get(names[stored.uri]) != stored.version]

        def read(uri: str) -> dict[str, Any]:
            try:
                return _object(storage.read(uri))
            except InputError:
                return {}

        if self.is_remote and len(new) > 1:
            with ThreadPoolExecutor(READERS) as pool:
                contents = list(pool.map(read, [stored.uri for stored in new]))
        else:
            contents = [read(stored.uri) for stored in new]
        ordered = sorted(zip(new, contents, strict=True), key=lambda pair: (pair[0].written_s, pair[0].uri))
        return [Written(names[stored.uri], stored.version, content) for stored, content in ordered if content]


def utc_now() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class CpuClock:
    """CPU seconds of this process and the children it waited for, since the last reading by any clock.

    The first reading counts from the start of the interpreter, so that a task that is a process of its own owns up to
    its imports.
    """

    _accounted = 0.0

    def read(self) -> float:
        """CPU seconds since the last reading."""
        now = sum(
            usage.ru_utime + usage.ru_stime
            for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
        )
        spent, CpuClock._accounted = now - CpuClock._accounted, now
        return spent


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
