"""A folder of this machine, and its copy in S3: what is published outlives the machine, whole or not there at all.

Training writes its checkpoints to a folder. Where the state root is a folder, they lie there and this does nothing.
Where it is in S3, the folder is in the scratch space, which is empty in a new pod; what was published is found again:

    <home>/000120-steps/step-000072/weights.safetensors.<digest>   files, named by their content
    <home>/000120-steps/step-000072.published.json                 their names, sizes and digests: written last

Small files are brought at once, so that the folder can be looked through; the large ones when they are asked for, so
that a pod does not fetch gigabytes of checkpoints that it will not go on from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.core.stores.s3 import S3Storage

PUBLISHED = ".published.json"
SMALL_BYTES = 1 << 20

Index = dict[str, dict[str, Any]]
"""Size and sha256 of each file of a published folder, by its path in it; of a published file, by an empty one."""


class Mirror:
    """A folder, and where it is published.

    Args:
        folder: on this machine; created if missing.
        home: `s3://` prefix of its copy; empty for a folder that outlives this machine by itself.
    """

    def __init__(self, folder: Path, home: str = "") -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._home = home.rstrip("/")
        self._storage = S3Storage() if home else None
        self._known: dict[str, Index] = {}

    def find(self) -> None:
        """Bring the small files of all that was published; what is here already stays as it is.

        Raises:
            InputError: the bucket cannot be read.
        """
        if self._storage is None:
            return
        for stored in self._storage.list(f"{self._home}/"):
            if stored.uri.endswith(PUBLISHED):
                name = stored.uri.removeprefix(f"{self._home}/").removesuffix(PUBLISHED)
                self._known[name] = json.loads(self._storage.read(stored.uri))
                self._bring(name, SMALL_BYTES)

    def complete(self, path: Path) -> None:
        """Bring what is still missing of something published.

        Raises:
            OSError: a file is not what was published.
            InputError: the bucket cannot be read.
        """
        self._bring(self._name(path), None)

    def publish(self, path: Path) -> None:
        """Copy a file or a whole folder; nobody sees it before all of it is there.

        Raises:
            InputError: the bucket cannot be written.
        """
        if self._storage is None:
            return
        name = self._name(path)
        before = self._known.get(name, {})
        index: Index = {}
        for file in _files(path):
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            part = file.relative_to(path).as_posix() if path.is_dir() else ""
            index[part] = {"size": file.stat().st_size, "sha256": digest}
            if before.get(part) != index[part]:
                self._storage.upload(file, self._uri(name, part, digest))
        self._storage.write(f"{self._home}/{name}{PUBLISHED}", json.dumps(index, indent=1).encode())
        self._known[name] = index
        for part, told in before.items():
            if index.get(part) != told:
                self._storage.delete(self._uri(name, part, told["sha256"]))

    def withdraw(self, path: Path) -> None:
        """Remove something published, and here."""
        name = self._name(path)
        if self._storage is not None:
            self._storage.delete(f"{self._home}/{name}{PUBLISHED}")
            for part, told in self._known.pop(name, {}).items():
                self._storage.delete(self._uri(name, part, told["sha256"]))
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _bring(self, name: str, limit: int | None) -> None:
        for part, told in self._known.get(name, {}).items():
            path = self.folder / name / part if part else self.folder / name
            if path.exists() or (limit is not None and told["size"] > limit):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            assert self._storage is not None, "nothing is known of a folder without a home"
            partial = path.with_name(f".{path.name}.partial")
            self._storage.download(self._uri(name, part, told["sha256"]), partial)
            with partial.open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != told["sha256"]:
                    partial.unlink()
                    raise OSError(f"{self._uri(name, part, told['sha256'])} is not what was published")
            partial.replace(path)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _uri(self, name: str, part: str, digest: str) -> str:
        return f"{self._home}/{name}{f'/{part}' if part else ''}.{digest[:16]}"


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from sorted(file for file in path.rglob("*") if file.is_file())
