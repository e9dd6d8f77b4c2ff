"""Local folders and S3 (s3.py) behind one small interface.

A URI is a local path, `file://…` (addresses.py) or `s3://bucket/key`, its key as it is. Which buckets may be read is
for the caller to restrict (`buckets`): names in events and manifests are not trusted.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from components.core.data.manifest import write_atomically
from components.core.errors import InputError, MissingObject
from components.core.stores.addresses import address_of, local


@dataclass(frozen=True)
class StoredObject:
    """One file or object."""

    uri: str
    size_bytes: int
    version: str
    """Changes when the content does: modification time in nanoseconds, or the object's entity tag."""
    problem: str = ""
    """Why it cannot be read, where listing already shows it: a link to nothing, a pipe, a closed folder."""
    written_s: float = 0.0
    """When it was last written, in seconds since 1970; 0 where it cannot be read."""


class Storage(Protocol):
    """Where files lie."""

    def list(self, uri: str) -> Iterator[StoredObject]:
        """Every file below a folder or prefix, in order of URI; the file itself if `uri` names one.

        A folder that cannot be listed has a URI that ends in a slash, and a problem.

        Raises:
            MissingObject: nothing local is there; below a prefix there may be nothing.
        """
        ...

    def exists(self, uri: str) -> bool:
        """Whether a file or object is there."""
        ...

    def read(self, uri: str) -> bytes:
        """The whole content."""
        ...

    def write(self, uri: str, data: bytes) -> None:
        """Replace the content; a reader sees the old or the new, never a part."""
        ...

    def delete(self, uri: str) -> None:
        """Remove a file or object if it is there."""
        ...

    def open(self, uri: str) -> AbstractContextManager[IO[bytes]]:
        """The content as a stream, for as long as the context lasts.

        Raises:
            MissingObject: on entering, if it is not there or may not be read.
        """
        ...

    def download(self, uri: str, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """Copy the content to a file of this machine; raises as `open`.

        Args:
            progress: called with the number of bytes that came; what it raises ends the copying.
        """
        ...


def is_s3(uri: str) -> bool:
    """Whether a URI names an object in S3."""
    return uri.startswith("s3://")


def storage_for(uri: str, buckets: tuple[str, ...] = ()) -> Storage:
    """The storage that holds a URI.

    Raises:
        InputError: for a scheme other than a path, file or s3.
    """
    if is_s3(uri):
        from components.core.stores.s3 import s3_storage

        return s3_storage(buckets)
    if "://" in uri and not uri.startswith("file://"):
        raise InputError(f"'{uri}' is of a scheme that is not supported.", "Use a local folder or s3://bucket/prefix.")
    return LocalStorage()


class LocalStorage:
    """Files on this machine."""

    def list(self, uri: str) -> Iterator[StoredObject]:
        """Every file below a folder, hidden ones left out. Links are followed, and every folder is listed once."""
        root = local(uri)
        try:
            is_folder = stat.S_ISDIR(root.stat().st_mode)
        except (OSError, ValueError) as error:  # ValueError: no name that a file could have
            raise MissingObject(f"There is no file or folder at {root}.", "Correct the path.") from error
        yield from sorted(_below(root), key=lambda item: item.uri) if is_folder else [_stored(root)]

    def exists(self, uri: str) -> bool:
        """Whether a file is there."""
        return local(uri).is_file()

    def read(self, uri: str) -> bytes:
        """The whole content."""
        try:
            return local(uri).read_bytes()
        except OSError as error:
            raise InputError(f"{uri} cannot be read ({error.strerror}).", "Check the path.") from error

    def write(self, uri: str, data: bytes) -> None:
        """Replace the content atomically."""
        try:
            write_atomically(local(uri), data)
        except OSError as error:
            raise InputError(
                f"{uri} cannot be written ({error.strerror}).", "Choose a folder you can write."
            ) from error

    def delete(self, uri: str) -> None:
        """Remove a file if it is there."""
        local(uri).unlink(missing_ok=True)

    @contextmanager
    def open(self, uri: str) -> Iterator[IO[bytes]]:
        """The file, opened."""
        with existing_file(uri).open("rb") as file:
            yield file

    def download(self, uri: str, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """Copy the file, in one go."""
        shutil.copyfile(existing_file(uri), path)


def existing_file(uri: str) -> Path:
    """The local file that a URI names.

    Raises:
        MissingObject: it is not there, or may not be read.
    """
    path = local(uri)
    try:
        is_there = path.is_file()
    except OSError as error:
        raise MissingObject(f"{uri} cannot be read ({error.strerror}).", "Check the path.") from error
    if not is_there:
        raise MissingObject(f"There is no file at {uri}.", "It was there when it was ingested: put it back.")
    return path


def _below(root: Path) -> Iterator[StoredObject]:
    """Every file below a folder; folders behind links come last, so that what has a place of its own is found there."""
    folders, linked = [root], deque[Path]()
    seen: set[tuple[int, int]] = set()
    while folders or linked:
        folder = folders.pop() if folders else linked.popleft()
        try:
            status = folder.stat()
            names = [] if (status.st_dev, status.st_ino) in seen else sorted(path.name for path in folder.iterdir())
        except OSError as error:
            yield StoredObject(f"{address_of(folder)}/", 0, "", f"The folder cannot be listed ({error.strerror}).")
            continue
        seen.add((status.st_dev, status.st_ino))
        for path in (folder / name for name in names if not name.startswith(".")):
            if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder on the way is closed
                yield _stored(path)
            elif path.is_symlink():
                linked.append(path)
            else:
                folders.append(path)


def _stored(path: Path) -> StoredObject:
    address = address_of(path)
    try:
        status = path.stat()
    except OSError as error:
        why = f"It is a link to nothing ({error.strerror})." if path.is_symlink() else f"It is gone ({error.strerror})."
        return StoredObject(address, 0, "", why)
    if not stat.S_ISREG(status.st_mode):
        return StoredObject(address, 0, "", "It is no file but a pipe, a socket or a device.")
    return StoredObject(address, status.st_size, str(status.st_mtime_ns), written_s=status.st_mtime)
