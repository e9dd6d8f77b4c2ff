"""The manifest of a dataset: written last, so that its existence means the dataset is complete.

It names everything the content depends on (inputs, settings, code, teachers, prompts, reader), which is what lets the
report walk from a model back to the corpus without asking the orchestrator.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pydantic import Field, ValidationError

from components.core.data.rows import Strict
from components.core.errors import DatasetError

MANIFEST_NAME = "manifest.json"
TRAINING_LOG_NAME = "training.jsonl"
"""A model's training curves. They hold clock times, so a model's digest leaves them out."""


class TableInfo(Strict):
    """One table of a dataset."""

    row: str
    """Class of the rows."""

    version: int = 1
    """Version of that row's schema."""

    ok: int = 0
    rejected: int = 0
    digest: str = ""
    """sha256 over the sorted digests of its good rows."""

    rejected_digest: str = ""
    """The same over its rejected rows."""

    parts: tuple[str, ...] = ()


class Upstream(Strict):
    """A dataset or model this one was made from."""

    name: str
    path: str
    digest: str


class Manifest(Strict):
    """What a dataset or model is, and what it was made from."""

    format: int = 1
    stage: str
    task: str = ""
    """Name in the DAG of the task that wrote it, such as `gate-captions`."""

    shard: str = ""
    run_id: str = ""
    created: str = ""
    """UTC time, ISO 8601."""

    digest: str
    """Content digest: equal for equal rows, whatever their order, file names or run."""

    tables: dict[str, TableInfo] = Field(default_factory=dict)
    rows: dict[str, int] = Field(default_factory=dict)
    """Counts by outcome over all tables: ok, rejected, failed."""

    upstream: tuple[Upstream, ...] = ()
    settings_digest: str = ""
    code_digest: str = ""
    """Identity of the work (identity.py): the code it reaches and the releases of what that imports."""

    teachers: dict[str, str] = Field(default_factory=dict)
    """`model@revision` by role."""

    prompt_digests: tuple[str, ...] = ()
    reader: str = ""
    """Frame reader and version, where frames were read."""

    metrics: dict[str, float] = Field(default_factory=dict)
    info: dict[str, str] = Field(default_factory=dict)


def folder_digest(folder: Path, leave_out: frozenset[str] = frozenset()) -> str:
    """sha256 of every file in a folder, by relative path, such as a model's weights and configuration."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in leave_out:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old content or the new, never a part, even after a kill."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Complete a dataset or model by writing its manifest."""
    write_atomically(folder / MANIFEST_NAME, manifest.model_dump_json(indent=1).encode())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a complete dataset or model.

    Raises:
        DatasetError: if the folder is missing, unfinished, or of an unknown format.
    """
    path = folder / MANIFEST_NAME
    if not folder.is_dir():
        raise DatasetError(f"There is no dataset at {folder}.", "Run the task that writes it first.")
    if not path.is_file():
        raise DatasetError(
            f"The dataset at {folder} has no {MANIFEST_NAME}, so the task that writes '{folder.name}' did not finish.",
            "Run that task again; what it already paid for is kept.",
        )
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DatasetError(
            f"{path} is not a manifest of this version ({error.error_count()} problems).",
            "Write the dataset again with this version.",
        ) from error
