"""What must survive a kill: small values by key, in SQLite on one machine or as S3 objects on a cluster.

A value is durable once `put` returns. Writes are committed in groups: while one commit is under way the next writes
gather, so that a thousand small writes cost a few commits. SQLite runs in WAL mode with `synchronous=FULL`; several
processes may share one file. Of two writers of one key the first wins, and the second is told what the first wrote.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from components.core.errors import InputError, RewatchError
from components.core.stores.files import is_s3
from components.core.stores.s3 import S3Storage

BUSY_TIMEOUT_S = 60.0
S3_CONNECTIONS = 32
PAGE = 1000
"""Entries listed or deleted at a time."""

_DAMAGED = "Move {path} away and run again; `sqlite3 {path} .recover` gets back what can be read."
_REMEDIES = {
    "is full": "Free space on its disk and run again: what was stored is kept.",
    "disk I/O error": "Its disk is full or failing: mend that and run again, what was stored is kept.",
    "is locked": "Another process holds it: wait for that run, or end it.",
    "malformed": _DAMAGED,
    "not a database": _DAMAGED,
    "readonly": "Give yourself the right to write {path} and its folder.",
    "No space left": "Free space on its disk and run again: what was stored is kept.",
    "quota": "Free space on its disk and run again: what was stored is kept.",
    "MemoryError": "Free memory, or lower work.concurrency, and run again: what was stored is kept.",
    "closed": "The task was ending: run again, what was stored is kept.",
    "after shutdown": "The task was ending: run again, what was stored is kept.",
}
"""What to do, by words of SQLite's error."""
_LOOK_AT_THE_FOLDER = "Check that {path} and its folder can be read and written."

Result = TypeVar("Result")


class Entry(NamedTuple):
    """What a store holds under a key, without the value."""

    key: str
    size_bytes: int
    written_s: float
    """Seconds since 1970."""


class KeyValue(Protocol):
    """Durable small values by key."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        ...

    async def put(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        """Store a value durably; returns what is now stored: the older value where there was one, unless `replace`."""
        ...

    async def delete(self, *keys: str) -> None:
        """Remove values, at most `PAGE`, where they are there."""
        ...

    def entries(self) -> AsyncIterator[Entry]:
        """All entries in order of their keys, a page in memory at a time; those that are shown may be deleted."""
        ...

    async def reclaim(self) -> None:
        """Give the space of what was deleted back to the disk."""
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
        with self._explained("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _connect(path)
            self._reader = _connect(path)

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        with self._lock, self._explained("read"):
            found = self._reader.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    async def put(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        """Store a value durably; see `KeyValue.put`."""
        stored: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, value, replace, stored))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.get_running_loop().create_task(self._commit_waiting())
        return await stored

    async def delete(self, *keys: str) -> None:
        """Remove values where they are there, in one commit."""
        with self._explained("written"):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._delete, keys)

    async def entries(self) -> AsyncIterator[Entry]:
        """All entries in order of their keys, a page in memory at a time."""
        query = f"SELECT key, length(value), written FROM entries WHERE key > ? ORDER BY key LIMIT {PAGE}"
        last = ""
        while True:
            with self._lock, self._explained("read"):
                page = [Entry(*row) for row in self._reader.execute(query, (last,))]
            for entry in page:
                yield entry
            if len(page) < PAGE:
                return
            last = page[-1].key

    async def reclaim(self) -> None:
        """Rewrite the file without its holes."""
        with self._explained("written"):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._rewrite)

    def close(self) -> None:
        """Wait for the commit under way and close the file; what still waits to be written is refused."""
        self._thread.shutdown(wait=True)
        with self._lock:
            self._reader.close()
        self._writer.close()

    async def _commit_waiting(self) -> None:
        """Commit until nobody waits. Whatever ends a commit, everybody who waits for it is told."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            values: list[bytes] = []
            failure: BaseException | None = None
            try:
                with self._explained("written"):
                    values = await loop.run_in_executor(self._thread, self._commit, [entry[:3] for entry in batch])
            except BaseException as error:  # noqa: BLE001 - raised again by those who wait, or as a cancellation here
                failure = error
                if not isinstance(error, Exception):  # this is the end: nobody will come back for the rest
                    batch, self._waiting = batch + self._waiting, []
            for index, (*_, stored) in enumerate(batch):
                if stored.done():
                    continue
                if failure is None:
                    stored.set_result(values[index])
                elif isinstance(failure, asyncio.CancelledError):
                    stored.cancel()
                else:
                    stored.set_exception(failure)
            if failure is not None and not isinstance(failure, Exception):
                raise failure

    def _commit(self, batch: list[tuple[str, bytes, bool]]) -> list[bytes]:
        values = []
        with self._transaction():
            for key, value, replace in batch:
                verb = "REPLACE" if replace else "IGNORE"
                row = (key, value, time.time())
                added = self._writer.execute(f"INSERT OR {verb} INTO entries VALUES (?, ?, ?)", row)
                if added.rowcount == 0:
                    stored = self._writer.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
                    value = bytes(stored[0])
                values.append(value)
        return values

    def _delete(self, keys: tuple[str, ...]) -> None:
        with self._transaction():
            self._writer.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in keys])

    def _rewrite(self) -> None:
        self._writer.execute("VACUUM")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:  # a full disk has rolled back already
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        """Turn what SQLite, the disk or a closed store raises into one sentence and a remedy."""
        try:
            yield
        except RewatchError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            remedy = next((hint for words, hint in _REMEDIES.items() if words in reason), _LOOK_AT_THE_FOLDER)
            kind = InputError if isinstance(error, (sqlite3.Error, OSError)) else RewatchError
            raise kind(
                f"The state at {self.path} cannot be {verb} ({reason}).", remedy.format(path=self.path)
            ) from error


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

    async def delete(self, *keys: str) -> None:
        """Remove values where they are there, one by one: not every store that speaks S3 takes many at once."""
        await asyncio.gather(*(self._in_thread(self._storage.delete, f"{self.root}/{key}") for key in keys))

    async def entries(self) -> AsyncIterator[Entry]:
        """All entries in order of their keys, a page in memory at a time."""
        found = self._storage.list(f"{self.root}/")
        while page := await self._in_thread(lambda: list(islice(found, PAGE))):
            for item in page:
                yield Entry(item.uri.removeprefix(f"{self.root}/"), item.size_bytes, item.written_s)

    async def reclaim(self) -> None:
        """Nothing: what is deleted takes no space."""

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
    """Open a database, made if missing; SQLite itself does not wait for another process that makes it right now."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection)
            return connection
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    columns = "key TEXT PRIMARY KEY, value BLOB NOT NULL, written REAL NOT NULL DEFAULT 0"
    connection.execute(f"CREATE TABLE IF NOT EXISTS entries ({columns}) WITHOUT ROWID")
    with suppress(sqlite3.OperationalError):  # it has the column: only files from before it was kept do not
        connection.execute("ALTER TABLE entries ADD COLUMN written REAL NOT NULL DEFAULT 0")
