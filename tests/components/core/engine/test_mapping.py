"""The engine: many records at once, each finished once, in order, in flat memory."""

from __future__ import annotations

import asyncio
import io
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core.data.rows import Failure, Question, Row, Summary
from components.core.data.settings import WorkSettings
from components.core.engine.mapping import Engine
from components.core.engine.progress import Progress
from components.core.errors import BudgetExceeded, RecordError, TeacherUnavailable, TooManyFailures
from components.core.stores.keyvalue import SqliteKeyValue
from components.core.teachers.ledger import Usage


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """An engine over one table, and what it wrote."""

    def __init__(self, folder: Path, key: str = "key", is_whole: bool = True, **work: float) -> None:
        self.store = SqliteKeyValue(folder / "records.sqlite")
        self.written: list[tuple[str, Row]] = []
        self.counted: dict[str, float] = {}
        self.progress = Progress("test", None, Usage(), logging.getLogger("test"), io.StringIO())
        self.engine = Engine(
            stage="test",
            key=key,
            tables={"summaries": Summary},
            records=self.store,
            settings=WorkSettings.model_validate(work),
            progress=self.progress,
            is_whole=is_whole,
            write=lambda table, row, part: self.written.append((table, row)),
            count=lambda name, amount: self.counted.update({name: self.counted.get(name, 0) + amount}),
        )

    @property
    def ids(self) -> list[str]:
        return [row.id for _, row in self.written]


def summaries(count: int) -> list[Summary]:
    return [Summary(video_id=f"v{number:03}", text="x") for number in range(count)]


async def echo(summary: Summary) -> list[Row]:
    await asyncio.sleep(random.random() * 0.003)
    return [summary]


async def test_rows_are_written_in_the_order_of_the_records(tmp_path: Path) -> None:
    bench = Bench(tmp_path, concurrency=8)
    await bench.engine.map(summaries(100), echo)
    assert bench.ids == [f"v{number:03}" for number in range(100)]


async def test_no_more_records_than_allowed_are_in_progress_and_none_is_read_far_ahead(tmp_path: Path) -> None:
    bench = Bench(tmp_path, concurrency=4)
    busy = most = read = furthest = 0

    def source() -> Iterator[Summary]:
        nonlocal read, furthest
        for summary in summaries(200):
            read += 1
            furthest = max(furthest, read - len(bench.written))
            yield summary

    async def process(summary: Summary) -> list[Row]:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        await asyncio.sleep(0.001)
        busy -= 1
        return [summary]

    await bench.engine.map(source(), process)
    assert most == 4
    assert furthest <= 4 * 4 + 1


async def test_finished_records_are_not_processed_again(tmp_path: Path) -> None:
    first, second = Bench(tmp_path), Bench(tmp_path)
    await first.engine.map(summaries(10), echo)

    async def refuse(summary: Summary) -> list[Row]:
        raise AssertionError(f"{summary.id} was processed twice")

    await second.engine.map(summaries(10), refuse)
    assert second.written == first.written
    assert second.progress.reused == 10


async def test_new_settings_new_content_or_a_new_key_process_again(tmp_path: Path) -> None:
    await Bench(tmp_path).engine.map(summaries(3), echo)
    other_settings, other_content, other_key = Bench(tmp_path, key="other"), Bench(tmp_path), Bench(tmp_path)
    await other_settings.engine.map(summaries(3), echo)
    await other_content.engine.map([summary.model_copy(update={"text": "y"}) for summary in summaries(3)], echo)
    await other_key.engine.map(summaries(3), echo, key=lambda summary: [summary.digest(), "captions"])
    assert [bench.progress.reused for bench in (other_settings, other_content, other_key)] == [0, 0, 0]


async def test_a_record_of_an_older_schema_is_made_again(tmp_path: Path) -> None:
    await Bench(tmp_path).engine.map(summaries(2), echo)
    store = SqliteKeyValue(tmp_path / "records.sqlite")
    async for entry in store.entries():
        await store.put(entry.key, b'{"counts": {}, "rows": [["summaries", {"colour": "red"}]]}', replace=True)
    bench = Bench(tmp_path)
    await bench.engine.map(summaries(2), echo)
    assert (bench.ids, bench.progress.reused) == (["v000", "v001"], 0)


async def test_a_failed_record_is_kept_apart_and_tried_again_next_time(tmp_path: Path) -> None:
    async def process(summary: Summary) -> list[Row]:
        if summary.id == "v001":
            raise RecordError("v001 is unreadable.", "Replace it.")
        return [summary]

    bench = Bench(tmp_path)
    await bench.engine.map(summaries(3), process)
    failure = bench.written[1][1]
    assert isinstance(failure, Failure)
    assert (failure.id, failure.error, failure.reason) == ("v001", "RecordError", "v001 is unreadable. Replace it.")
    assert bench.progress.failed == 1
    again = Bench(tmp_path)
    await again.engine.map(summaries(3), echo)
    assert again.ids == ["v000", "v001", "v002"]
    assert again.progress.reused == 2


async def test_too_many_failures_stop_the_stage(tmp_path: Path) -> None:
    tried = 0

    async def process(summary: Summary) -> list[Row]:
        nonlocal tried
        tried += 1
        if int(summary.id[1:]) % 2:
            raise RecordError("odd.")
        return [summary]

    bench = Bench(tmp_path, concurrency=2, max_failure_rate=0.2)
    with pytest.raises(TooManyFailures, match=r"of 20 records of test failed, more than the limit of 20%"):
        await bench.engine.map(summaries(500), process)
    assert tried < 40


async def test_few_failures_among_few_records_do_not_stop_it_but_nothing_else_does(tmp_path: Path) -> None:
    async def process(summary: Summary) -> list[Row]:
        if summary.id != "v000":
            raise RecordError(f"{summary.id} is bad.")
        return [summary]

    await Bench(tmp_path / "some").engine.map(summaries(3), process)
    with pytest.raises(TooManyFailures, match=r"All 2 records of test failed; the last one, v002: v002 is bad\."):
        await Bench(tmp_path / "none").engine.map(summaries(3)[1:], process)


async def test_a_shard_in_which_all_of_few_records_failed_ends_with_them_on_record(tmp_path: Path) -> None:
    """Shards are drawn by hash: one of them may hold nothing but the one bad record of a good corpus."""

    async def process(summary: Summary) -> list[Row]:
        raise RecordError("bad.")

    bench = Bench(tmp_path, is_whole=False)
    await bench.engine.map(summaries(3), process)
    assert [type(row) for _, row in bench.written] == [Failure] * 3
    with pytest.raises(TooManyFailures, match="more than the limit of 50%"):
        await Bench(tmp_path, is_whole=False).engine.map(summaries(500), process)


async def test_a_spent_budget_waits_for_the_calls_in_flight_and_keeps_what_they_made(tmp_path: Path) -> None:
    async def process(summary: Summary) -> list[Row]:
        if summary.id == "v002":
            raise BudgetExceeded("spent.", "Raise it.")
        await asyncio.sleep(0.1)
        if summary.id > "v005":
            raise BudgetExceeded("spent.", "Raise it.")
        return [summary]

    bench = Bench(tmp_path, concurrency=8)
    with pytest.raises(BudgetExceeded):
        await asyncio.wait_for(bench.engine.map(summaries(100), process), 60)
    again = Bench(tmp_path)
    await again.engine.map(summaries(6), echo)
    assert again.progress.reused == 5


async def test_an_outage_stops_the_stage_at_once_and_keeps_what_is_finished(tmp_path: Path) -> None:
    cancelled = waiting = 0
    all_wait = asyncio.Event()

    async def process(summary: Summary) -> list[Row]:
        nonlocal cancelled, waiting
        if summary.id == "v005":
            await all_wait.wait()
            raise TeacherUnavailable("down.", "Start it.")
        if summary.id > "v005":
            waiting += 1
            if waiting == 9:
                all_wait.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled += 1
                raise
        return [summary]

    bench = Bench(tmp_path, concurrency=10)
    with pytest.raises(TeacherUnavailable):
        await asyncio.wait_for(bench.engine.map(summaries(100), process), 60)
    assert cancelled >= 9
    again = Bench(tmp_path)
    await again.engine.map(summaries(100), echo)
    assert again.progress.reused == 5


async def test_an_error_behind_a_slow_record_does_not_wait_for_it(tmp_path: Path) -> None:
    async def process(summary: Summary) -> list[Row]:
        if summary.id == "v000":
            await asyncio.sleep(3600)
        raise TeacherUnavailable("down.")

    with pytest.raises(TeacherUnavailable):
        await asyncio.wait_for(Bench(tmp_path).engine.map(summaries(2), process), 60)


async def test_a_bug_in_a_stage_is_not_taken_for_a_bad_record(tmp_path: Path) -> None:
    async def process(summary: Summary) -> list[Row]:
        raise KeyError("events")

    with pytest.raises(KeyError):
        await Bench(tmp_path).engine.map(summaries(5), process)


async def test_a_row_of_no_table_is_a_bug(tmp_path: Path) -> None:
    async def process(summary: Summary) -> list[Row]:
        return [Question.model_construct(question_id="q")]

    with pytest.raises(TypeError, match="Question belongs to 0 tables"):
        await Bench(tmp_path).engine.map(summaries(1), process)


async def test_no_records_at_all_are_no_error(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.engine.map([], echo)
    assert bench.written == []


def test_progress_tells_rate_time_left_tokens_and_cost() -> None:
    clock, usage = Clock(), Usage()
    progress = Progress("caption", 100, usage, logging.getLogger("test"), io.StringIO(), clock)
    for number in range(25):
        clock.now += 2.0
        progress.advance(failed=number == 3)
    usage.calls, usage.tokens_in, usage.cost = 25, 5000, 1.5
    assert progress.line() == "25/100 records, 1 failed, 0.5/s, 2:30 left, 25 calls (+0 stored), 5000 tokens, cost 1.50"


def test_without_a_terminal_there_is_a_line_every_30_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    progress = Progress("caption", None, Usage(), logging.getLogger("test"), io.StringIO(), clock)
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            clock.now += 1.0
            progress.advance()
    assert [record.getMessage() for record in caplog.records] == [f"{done}/? records, 1.0/s" for done in (30, 60, 90)]


def test_on_a_terminal_there_is_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock, screen = Clock(), Terminal()
    progress = Progress("caption", 4, Usage(), logging.getLogger("test"), screen, clock)
    for _ in range(2):
        clock.now += 1.0
        progress.advance()
    assert "[############............] caption: 2/4 records" in screen.getvalue()
