"""What must survive a kill: small values by key, in SQLite on one machine or as S3 objects on a cluster.

A value is durable once `put` returns. Writes are committed in groups: while one commit is under way the next writes
gather, so that a thousand small writes cost a few commits. SQLite runs in WAL mode with `synchronous=FULL`; several
processes may share one file. Of two writers of one key the first wins, and the second is told what the first wrote.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from components.core.errors import InputError
from components.core.storage import S3Storage, is_s3

BUSY_TIMEOUT_S = 60.0
S3_CONNECTIONS = 32

Result = TypeVar("Result")


class KeyValue(Protocol):
    """Durable small values by key."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        ...

    async def put(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        """Store a value durably; returns what is now stored: the older value where there was one, unless `replace`."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a value if it is there."""
        ...

    async def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with `prefix`, sorted."""
        ...

    def close(self) -> None:
        """Release connections; nothing is lost without it."""
        ...


class SqliteKeyValue:
    """One table in one SQLite file.

    Reads happen on the caller's thread (some 10 µs); commits on one thread of its own, so that a slow disk or another
    process's lock never stops the event loop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"commit-{path.stem}")
        self._waiting: list[tuple[str, bytes, bool, asyncio.Future[bytes]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _connect(path)
            self._reader = _connect(path)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"The state at {path} cannot be opened ({error}).", "Check the state root.") from error

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        with self._lock:
            found = self._reader.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    async def put(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        """Store a value durably; see `KeyValue.put`."""
        stored: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, value, replace, stored))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.get_running_loop().create_task(self._commit_waiting())
        return await stored

    async def delete(self, key: str) -> None:
        """Remove a value if it is there."""
        delete = ("DELETE FROM entries WHERE key = ?", (key,))
        await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.execute, *delete)

    async def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with `prefix`, sorted."""
        query = "SELECT key FROM entries WHERE substr(key, 1, ?) = ? ORDER BY key"
        with self._lock:
            return [row[0] for row in self._reader.execute(query, (len(prefix), prefix))]

    def close(self) -> None:
        """Wait for the commit under way and close the file."""
        self._thread.shutdown(wait=True)
        with self._lock:
            self._reader.close()
        self._writer.close()

    async def _commit_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                values = await loop.run_in_executor(self._thread, self._commit, [entry[:3] for entry in batch])
            except sqlite3.Error as error:
                failure = InputError(f"The state at {self.path} cannot be written ({error}).", "Free the disk.")
                for *_, stored in batch:
                    if not stored.done():
                        stored.set_exception(failure)
                continue
            for value, (*_, stored) in zip(values, batch, strict=True):
                if not stored.done():
                    stored.set_result(value)

    def _commit(self, batch: list[tuple[str, bytes, bool]]) -> list[bytes]:
        values = []
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for key, value, replace in batch:
                verb = "REPLACE" if replace else "IGNORE"
                added = self._writer.execute(f"INSERT OR {verb} INTO entries VALUES (?, ?)", (key, value))
                if added.rowcount == 0:
                    stored = self._writer.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
                    value = bytes(stored[0])
                values.append(value)
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise
        return values


class S3KeyValue:
    """One object per key under an `s3://bucket/prefix`.

    A conditional put lets the first writer win where the store honours it; a store that ignores the condition keeps the
    last writer's reply, which costs nothing but a reply that was bought twice at the same moment.
    """

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self._storage = S3Storage()
        self._threads = ThreadPoolExecutor(max_workers=S3_CONNECTIONS, thread_name_prefix="s3")

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        return await self._in_thread(self._storage.read_if_exists, f"{self.root}/{key}")

    async def put(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        """Store a value durably; see `KeyValue.put`."""
        uri = f"{self.root}/{key}"
        if replace:
            await self._in_thread(self._storage.write, uri, value)
            return value
        if await self._in_thread(self._storage.write_if_absent, uri, value):
            return value
        return await self.get(key) or value

    async def delete(self, key: str) -> None:
        """Remove a value if it is there."""
        await self._in_thread(self._storage.delete, f"{self.root}/{key}")

    async def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with `prefix`, sorted."""
        found = await self._in_thread(lambda uri: list(self._storage.list(uri)), f"{self.root}/{prefix}")
        return sorted(item.uri.removeprefix(f"{self.root}/") for item in found)

    def close(self) -> None:
        """Wait for the requests under way."""
        self._threads.shutdown(wait=True)

    async def _in_thread(self, call: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


def open_key_value(root: str, name: str) -> KeyValue:
    """The store `name` under a state root, which is a folder or an `s3://` prefix."""
    if is_s3(root):
        return S3KeyValue(f"{root.rstrip('/')}/{name}")
    return SqliteKeyValue(Path(root) / f"{name}.sqlite")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    return connection
