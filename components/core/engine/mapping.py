"""The engine: maps a stage over records, many at once, each paid for once.

A record's key covers its content, the stage's settings and the code of the stage's work. A record finished under
that key before, in this run or any other, is not processed again: its rows are read from the state. The rest run
concurrently, and their rows are written in the order of the records, so that a dataset does not depend on timing.
Memory holds a window of records, however many there are.

A `RecordError` becomes a `Failure` row and is tried again by the next run; every other error ends the task. Whether
too many records failed is for the gate to judge, which sees all shards: one shard may hold nothing but the one bad
record of a good corpus. A task stops by itself only where going on would waste money: when most of many records failed,
or all of all. A spent budget cancels nothing that is paid for: the records in progress go on until they would buy
more, and what they finish on the way is kept.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from components.core.data.rows import Failure, Row, canonical_json, digest_of
from components.core.data.settings import WorkSettings
from components.core.engine.progress import Progress
from components.core.errors import BudgetExceeded, RecordError, TooManyFailures
from components.core.stores.keyvalue import KeyValue


class Record(Protocol):
    """What a stage is mapped over: a row, or several bundled with an id and a digest of their own."""

    @property
    def id(self) -> str:
        """Names the record in failures and logs."""
        ...

    def digest(self) -> str:
        """sha256 of all its content that the result depends on."""
        ...


RecordType = TypeVar("RecordType", bound=Record)
Item = TypeVar("Item")
Result = TypeVar("Result")
current_counts: ContextVar[Counter[str] | None] = ContextVar("current_counts", default=None)
"""What is being counted for the record in progress."""

Outcomes = Sequence[Row] | Sequence[tuple[str, Row]]


async def in_order(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], concurrency: int
) -> AsyncGenerator[Result, None]:
    """`await work(item)` of every item, so many at once, in the order of the items; memory holds a window of them.

    The first error ends it. A spent budget lets end what is in progress; every other error cancels that.
    """
    slots = asyncio.Semaphore(concurrency)
    running: deque[asyncio.Task[Result]] = deque()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended_by: list[asyncio.Task[Result]] = []

    async def in_a_slot(item: Item) -> Result:
        async with slots:
            return await work(item)

    def watch(task: asyncio.Task[Result]) -> None:
        if not task.cancelled() and task.exception() is not None and not ended.done():
            ended.set_result(None)
            ended_by.append(task)

    try:
        for item in items:
            running.append(asyncio.create_task(in_a_slot(item)))
            running[-1].add_done_callback(watch)
            if len(running) >= concurrency * 4:
                await asyncio.wait((running[0], ended), return_when=asyncio.FIRST_COMPLETED)
            while running and running[0].done() and not ended_by:
                yield running.popleft().result()
            if ended_by:
                break
        while running and not ended_by:
            await asyncio.wait((running[0], ended), return_when=asyncio.FIRST_COMPLETED)
            if not ended_by:
                yield running.popleft().result()
        for task in ended_by:
            task.result()
    except BudgetExceeded:
        await asyncio.gather(*running, return_exceptions=True)
        raise
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@dataclass
class Engine:
    """What `map` needs from a task.

    Args:
        stage: the stage's name, for messages.
        key: where its finished records are filed, by its code and settings (`identity.filed_under`).
        tables: row type by table.
        records: the store of finished records.
        settings: concurrency and limits.
        progress: told of every finished record.
        is_whole: whether the records are all there are, not one shard's.
        write: takes a table's name, one row, and the part it belongs to.
        count: takes what was counted while a record was processed, also when that was in an earlier run.
    """

    stage: str
    key: str
    tables: dict[str, type[Row]]
    records: KeyValue
    settings: WorkSettings
    progress: Progress
    is_whole: bool
    write: Callable[[str, Row, str], None]
    count: Callable[[str, float], None]
    _last_failure: Failure | None = None

    async def map(
        self,
        records: Iterable[RecordType],
        process: Callable[[RecordType], Awaitable[Outcomes]],
        key: Callable[[RecordType], Any] | None = None,
        part: Callable[[RecordType], str] | None = None,
    ) -> None:
        """Process every record and write its rows, in order; see `Task.map`.

        Raises:
            TooManyFailures: if the share of failed records passes the limit, or nothing but failures is left.
            BudgetExceeded: once what was in flight has ended.
            RewatchError: what `process` raised, unless it concerns one record only.
        """
        work = functools.partial(self._finish, process=process, key=key, part=part)
        async with aclosing(in_order(records, work, self.settings.concurrency)) as results:
            async for finished in results:
                self._take(finished)
        if self.is_whole and self.progress.done and self.progress.failed == self.progress.done:
            raise self._too_many(f"All {self.progress.done} records of {self.stage} failed")

    async def _finish(
        self,
        record: RecordType,
        process: Callable[[RecordType], Awaitable[Outcomes]],
        key: Callable[[RecordType], Any] | None,
        part: Callable[[RecordType], str] | None,
    ) -> _Finished:
        where = part(record) if part is not None else ""
        content = record.digest() if key is None else key(record)
        address = f"{self.key}/{digest_of(content)}"
        stored = await self.records.get(address)
        if stored is not None and (finished := self._decode(stored)) is not None:
            return replace(finished, part=where)
        counted: Counter[str] = Counter()
        current_counts.set(counted)
        try:
            outcomes = await process(record)
        except RecordError as error:
            reason = str(error)
            failure = Failure(record_id=record.id, stage=self.stage, error=type(error).__name__, reason=reason)
            return _Finished([("", failure)], failed=True, part=where)
        rows = [outcome if isinstance(outcome, tuple) else (self._table_of(outcome), outcome) for outcome in outcomes]
        finished = _Finished(rows, counts=dict(counted), part=where)
        await self.records.put(address, _encode(finished), replace=True)
        return finished

    def _take(self, finished: _Finished) -> None:
        for table, row in finished.rows:
            self.write(table, row, finished.part)
            if isinstance(row, Failure):
                self._last_failure = row
        for name, amount in finished.counts.items():
            self.count(name, amount)
        self.progress.advance(failed=finished.failed, reused=finished.reused)
        done, failed = self.progress.done, self.progress.failed
        if done >= self.settings.failure_rate_after and failed > self.settings.max_failure_rate * done:
            raise self._too_many(
                f"{failed} of {done} records of {self.stage} failed, more than the limit of "
                f"{self.settings.max_failure_rate:.0%}"
            )

    def _too_many(self, what: str) -> TooManyFailures:
        last = self._last_failure
        return TooManyFailures(
            f"{what}; the last one, {last.id}: {last.reason}" if last else f"{what}.",
            "The log names them all: mend the cause and run again, what is finished is kept.",
        )

    def _table_of(self, row: Row) -> str:
        if isinstance(row, Failure):
            return ""
        tables = [table for table, row_type in self.tables.items() if row_type is type(row)]
        if len(tables) != 1:
            raise TypeError(f"a {type(row).__name__} belongs to {len(tables)} tables of {self.stage}; name the table")
        return tables[0]

    def _decode(self, stored: bytes) -> _Finished | None:
        """A record as it was finished before; None if its rows are not of today's schema."""
        value = json.loads(stored)
        try:
            rows = [
                (table, (self.tables[table] if table else Failure).model_validate(values))
                for table, values in value["rows"]
            ]
        except (ValidationError, KeyError):
            return None
        return _Finished(rows, counts=value["counts"], reused=True)


@dataclass
class _Finished:
    rows: list[tuple[str, Row]]
    counts: dict[str, float] = field(default_factory=dict)
    failed: bool = False
    reused: bool = False
    part: str = ""


def _encode(finished: _Finished) -> bytes:
    rows = [[table, row.model_dump(mode="json")] for table, row in finished.rows]
    return canonical_json({"rows": rows, "counts": finished.counts}).encode()
