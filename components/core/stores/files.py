"""Local folders and S3 behind one small interface.

A URI is a local path, `file://…` (addresses.py) or `s3://bucket/key`, its key as it is. boto3 takes its endpoint and
credentials from its usual environment variables (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …). Which buckets may be
read is for the caller to restrict (`buckets`): names in events and manifests are not trusted (DESIGN §10).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

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

    def local_path(self, uri: str) -> AbstractContextManager[Path]:
        """The content as a local file, for as long as the context lasts.

        Raises:
            MissingObject: on entering, if it is not there or may not be read.
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
        return _s3_storage(buckets)
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
    def local_path(self, uri: str) -> Iterator[Path]:
        """The file itself."""
        try:
            is_there = self.exists(uri)
        except OSError as error:
            raise MissingObject(f"{uri} cannot be read ({error.strerror}).", "Check the path.") from error
        if not is_there:
            raise MissingObject(f"There is no file at {uri}.", "It was there when it was ingested: put it back.")
        yield local(uri)


class S3Storage:
    """Objects in S3 or a store that speaks its protocol.

    Args:
        buckets: the only buckets that may be used; empty means any.
    """

    def __init__(self, buckets: tuple[str, ...] = ()) -> None:
        import boto3
        from botocore.config import Config

        self._buckets = buckets
        retries: Any = {"mode": "adaptive", "max_attempts": 6}
        self._client: Any = boto3.client("s3", config=Config(retries=retries, max_pool_connections=64))

    def list(self, uri: str) -> Iterator[StoredObject]:
        """Every object below a prefix, markers of folders left out."""
        bucket, prefix = self._locate(uri)
        with _explained(uri):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    key = str(entry["Key"])
                    if not key.endswith("/"):
                        tag, written_s = entry["ETag"].strip('"'), entry["LastModified"].timestamp()
                        yield StoredObject(f"s3://{bucket}/{key}", entry["Size"], tag, written_s=written_s)
                    if key == prefix:
                        return  # the object itself: the first in order, and others only begin like it

    def exists(self, uri: str) -> bool:
        """Whether an object is there."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            return _unless((404,), lambda: self._client.head_object(Bucket=bucket, Key=key)) is not None

    def read(self, uri: str) -> bytes:
        """The whole content."""
        content = self.read_if_exists(uri)
        if content is None:
            raise InputError(f"There is no object at {uri}.", "Correct the address.")
        return content

    def read_if_exists(self, uri: str) -> bytes | None:
        """The whole content, or None where there is no such object."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            found = _unless((404,), lambda: self._client.get_object(Bucket=bucket, Key=key))
            return None if found is None else bytes(found["Body"].read())

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        """Create an object unless it is there; False means another was first (409 or 412 of a conditional put)."""
        bucket, key = self._locate(uri)
        put = {"Bucket": bucket, "Key": key, "Body": data, "IfNoneMatch": "*"}
        with _explained(uri):
            return _unless((409, 412), lambda: self._client.put_object(**put)) is not None

    def delete(self, uri: str) -> None:
        """Remove an object if it is there."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            self._client.delete_object(Bucket=bucket, Key=key)

    @contextmanager
    def local_path(self, uri: str) -> Iterator[Path]:
        """A temporary copy, removed when the context ends."""
        bucket, key = self._locate(uri)
        folder = Path(tempfile.mkdtemp(prefix="rewatch-"))
        try:
            # The end of its own name, for messages and kinds of file: a key may be longer than a name, or be "..".
            path = folder / f"object-{re.sub(r'[^A-Za-z0-9._-]', '_', PurePosixPath(key).name)[-80:]}"
            with _explained(uri):
                self._client.download_file(bucket, key, str(path))
            yield path
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _locate(self, uri: str) -> tuple[str, str]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if self._buckets and bucket not in self._buckets:
            raise InputError(f"The bucket '{bucket}' is not allowed.", f"Allowed: {', '.join(self._buckets)}.")
        return bucket, key


@cache
def _s3_storage(buckets: tuple[str, ...]) -> S3Storage:
    return S3Storage(buckets)


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


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn what boto3 raises into one sentence and a remedy."""
    from botocore.exceptions import BotoCoreError, ClientError

    remedy = "Check the bucket's name, the credentials and the endpoint."
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        kind = MissingObject if status in (403, 404) else InputError
        raise kind(f"S3 refused {uri}: {code}.", remedy) from error
    except BotoCoreError as error:
        raise InputError(f"S3 could not be asked for {uri}: {error}.", remedy) from error


def _unless(statuses: tuple[int, ...], call: Callable[[], Any]) -> Any:
    """The call's result, or None where S3 answers with one of these statuses."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in statuses:
            return None
        raise
