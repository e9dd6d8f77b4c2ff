"""Digests of code and files, for keys of finished records and for manifests.

A finished record depends on its stage's own folder and on `core`, where readers and matching live: after an edit its
work is done again, from the stored replies. Documentation and the KFP interface (`component.py`, `__main__.py`) change
no result and are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

COMPONENTS = Path(__file__).resolve().parents[1]
NOT_RESULTS = frozenset({"component.py", "__main__.py"})


@cache
def stage_digest(stage_folder: Path) -> str:
    """sha256 of a stage's Python sources."""
    return _digest_of_files(stage_folder, _sources(stage_folder))


@cache
def code_digest(stage_folder: Path) -> str:
    """sha256 of a stage's sources and of `components/core`."""
    core = COMPONENTS / "core"
    return hashlib.sha256(f"{stage_digest(stage_folder)}{_digest_of_files(core, _sources(core))}".encode()).hexdigest()


def folder_digest(folder: Path, leave_out: frozenset[str] = frozenset()) -> str:
    """sha256 of every file in a folder, by relative path, such as a model's weights and configuration."""
    return _digest_of_files(folder, (path for path in folder.rglob("*") if path.name not in leave_out))


def _sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.py") if path.name not in NOT_RESULTS]


def _digest_of_files(root: Path, files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(files):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.relative_to(root).as_posix()}\0{digest}\n".encode())
    return total.hexdigest()
