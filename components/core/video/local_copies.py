"""One local copy per video, for as long as somebody reads it or is known to read it again.

A decoder seeks, so it needs a file; what lies in S3 is fetched once, by the first who asks, and all who ask meanwhile
share the copy. No more than `limit` copies are on disk at once: who asks for another waits until one is free. A copy
that is free stays until its room is needed, because windows of one video follow each other; whoever reads a video
again later, after a teacher's reply say, says so with `expect`, and it stays until then. Work in the order of videos so
fetches each of them once.

Copies lie in a folder of this process, which holds a lock on it: the kernel lets go of it when the process dies,
`kill -9` included, and the next process that makes copies there removes the folder.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import shutil
import tempfile
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from components.core.processes import is_held, lifeline
from components.core.stores.files import existing_file, is_s3, storage_for

PREFIX = "copies-"
LOCK = "in-use"


class _ClosedError(Exception):
    """Nobody waits for the copy any more."""


@dataclass
class _Copy:
    path: Path
    fetching: asyncio.Task[None]
    readers: int = 0


class LocalCopies:
    """Local copies of objects in S3; local files stand for themselves. All methods belong to one event loop.

    Args:
        scratch: where the process's folder is made, once something has to be copied.
        limit: copies on disk at once.
    """

    def __init__(self, scratch: Path, limit: int) -> None:
        self._scratch, self._limit = scratch, limit
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._to_come: Counter[str] = Counter()
        self._waiting: list[asyncio.Future[None]] = []
        self._folder: Path | None = None
        self._lock: IO[str] | None = None
        self._made = 0
        self._closed = False

    @asynccontextmanager
    async def lease(self, uri: str) -> AsyncIterator[Path]:
        """The file behind `uri`, there for as long as the block lasts.

        Raises:
            MissingObject: it is not there, or may not be read.
            InputError: the store cannot be asked.
        """
        if not is_s3(uri):
            yield existing_file(uri)
            return
        copy = await self._shared(uri)
        try:
            await asyncio.shield(copy.fetching)
            yield copy.path
        finally:
            copy.readers -= 1
            self._look_again()

    def expect(self, uri: str, reads: int) -> None:
        """Count so many reads of `uri` that are still to come (less than 0 takes back): till then its copy stays."""
        self._to_come[uri] += reads
        if self._to_come[uri] <= 0:
            del self._to_come[uri]
            self._look_again()

    async def close(self) -> None:
        """End what is being fetched, and remove the folder with all copies."""
        self._closed = True
        fetching = [copy.fetching for copy in self._copies.values()]
        await asyncio.gather(*fetching, return_exceptions=True)
        self._copies.clear()
        if self._folder is not None and self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
            self._folder = self._lock = None

    async def _shared(self, uri: str) -> _Copy:
        """The copy of `uri`, with one reader more; waits for room where it has to be fetched."""
        while (copy := self._copies.get(uri)) is None and not self._has_room():
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        if copy is None:
            path = self._new_path(uri)
            copy = self._copies[uri] = _Copy(path, asyncio.create_task(asyncio.to_thread(self._fetch, uri, path)))
            copy.fetching.add_done_callback(lambda fetching: self._fetched(uri, fetching))
        self._copies.move_to_end(uri)
        copy.readers += 1
        return copy

    def _has_room(self) -> bool:
        """Whether another copy may be made; one that is free gives way, the least recently used first."""
        if len(self._copies) < self._limit:
            return True
        for uri, copy in self._copies.items():
            if not copy.readers and uri not in self._to_come and copy.fetching.done():
                self._drop(uri)
                return True
        return False

    def _fetched(self, uri: str, fetching: asyncio.Task[None]) -> None:
        if fetching.cancelled() or fetching.exception() is not None:
            self._drop(uri)  # those who wait for it are told why; who asks next tries again
        self._look_again()

    def _drop(self, uri: str) -> None:
        self._copies.pop(uri).path.unlink(missing_ok=True)

    def _look_again(self) -> None:
        """Wake those who wait for room, in the order they came."""
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def _fetch(self, uri: str, path: Path) -> None:
        def go_on(_: int) -> None:
            if self._closed:
                raise _ClosedError

        storage_for(uri).download(uri, path, go_on)

    def _new_path(self, uri: str) -> Path:
        if self._folder is None:
            self._folder, self._lock = own_folder(self._scratch)
        self._made += 1
        # The end of its own name, for messages and kinds of file: a key may be longer than a name, or be "..".
        name = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(uri).name)[-80:]
        return self._folder / f"{self._made}-{name}"


def own_folder(scratch: Path) -> tuple[Path, IO[str]]:
    """A new folder below `scratch` and the lock that holds it; folders of processes that are gone are removed."""
    scratch.mkdir(parents=True, exist_ok=True)
    # One process at a time: a folder that is there and not yet locked is being made, not left behind.
    with lifeline(scratch / ".making-copies"):
        for folder in scratch.glob(f"{PREFIX}*"):
            if not is_held(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch))
        lock = (folder / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock
