"""Busy servers and outages over real HTTP, a hundred times as fast as life: a second here is a hundred there."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import ReplyError, TeacherUnavailable
from components.core.teachers.client import Teachers
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.ledger import Ledger
from components.core.teachers.prompts import Prompt
from tests.components.builtin_roles import builtin_role
from tests.components.core.teachers.loopback import Answer, loopback, refuses, says
from tests.components.core.teachers.test_client import GOOD, JUDGE, Verdict, ask, teachers

SPEED = 100
TIMEOUT_S = JUDGE.timeout_s / SPEED
PATIENCE_S = EndpointSettings(base_url="http://127.0.0.1:9").patience_s / SPEED
FAST_JUDGE = JUDGE.model_copy(update={"timeout_s": TIMEOUT_S})


class Forgetful:
    """A store that keeps nothing."""

    async def get(self, key: str) -> bytes | None:
        return None

    async def put(self, key: str, value: bytes, *, replace: bool = False) -> bytes:
        return value


def ask_until(url: str, stop: threading.Event, number: int, results: list[Any]) -> None:
    """One task: 32 records at once, as a stage has, until it is told to stop or an error ends it."""

    async def work() -> None:
        client = Teachers({"builtin": EndpointSettings(base_url=url, patience_s=PATIENCE_S)}, Forgetful(), Ledger())

        async def records(worker: int) -> None:
            for index in range(10_000):
                await client.ask(FAST_JUDGE, Prompt("Judge.", {"record": [number, worker, index]}), Verdict)
                results.append(True)

        running = [asyncio.create_task(records(worker)) for worker in range(32)]
        while not stop.is_set() and not any(task.done() for task in running):
            await asyncio.wait(running, timeout=0.1, return_when=asyncio.FIRST_EXCEPTION)
        results.extend(task.exception() for task in running if task.done())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await client.close()

    asyncio.run(work())


def share_of_slots(call_s: float, tasks: int = 20, trips: int = 8) -> float:
    """The share of 32 slots' time that was worked while so many tasks asked for as long as so many calls take."""
    stop, results = threading.Event(), []
    with loopback(lambda body, number: says({"match": True}, after_s=call_s), slots=32) as server:
        threads = [
            threading.Thread(target=ask_until, args=(server.url, stop, number, results), daemon=True)
            for number in range(tasks)
        ]
        for thread in threads:
            thread.start()
        while not server.requests:
            time.sleep(0.01)
        began, worked_s = time.monotonic(), server.slot_seconds
        time.sleep(trips * call_s)
        share = (server.slot_seconds - worked_s) / (32 * (time.monotonic() - began))
        unheard, most_at_once = server.unheard, server.most_at_once
        stop.set()
        for thread in threads:
            thread.join(30)
    print(f"{call_s} s a call: {share:.3f} of the slots' time, at most {most_at_once} calls at once")
    assert [result for result in results if result is not True] == []
    assert unheard == 0
    assert most_at_once < 8 * 32
    return share


@pytest.mark.parametrize("call_s", [0.64, 1.5])
def test_twenty_tasks_share_32_slots_and_none_stops(call_s: float) -> None:
    """The best of three: a machine that is busy with other things leaves slots idle, and nothing makes them busier."""
    assert any(share_of_slots(call_s) >= 0.95 for _ in range(3))


async def ask_all(client: Teachers, count: int, at_once: int) -> list[Any]:
    """Ask `count` different questions, so many at once; what became of each."""
    free = asyncio.Semaphore(at_once)

    async def one(number: int) -> Any:
        async with free:
            return await ask(client, number, FAST_JUDGE)

    return await asyncio.gather(*[one(number) for number in range(count)], return_exceptions=True)


async def go_through_an_outage(folder: Path, during: Answer | None, at_once: int, lasts_s: float) -> tuple[float, int]:
    """How long 20 records take when the endpoint goes away before the first, and how often it was asked in vain."""
    folder.mkdir()
    with loopback(lambda body, number: GOOD) as server:
        async with teachers(folder, server.url, patience_s=2 * lasts_s) as client:
            assert await ask_all(client, 20, at_once) == [True] * 20
            server.answer_with(during)
            began = time.monotonic()
            asking = asyncio.create_task(ask_all(client, 40, at_once))
            await asyncio.sleep(lasts_s)
            server.answer_with(GOOD)
            assert await asking == [True] * 40
            lasted_s = time.monotonic() - began
            assert client.ledger.total.calls == 40
    return lasted_s, len(server.requests) - 40


async def test_an_outage_of_ten_minutes_costs_at_most_eleven_and_no_record(tmp_path: Path) -> None:
    """Sixty times as fast as life; refused connections, errors, nonsense and hang-ups, for one record or 16 at once."""
    lasts_s = 10.0
    kinds = [None, refuses(503), refuses(502), refuses(500), Answer(b"<html>"), Answer(hang_up=True)]
    cases = [(during, 16) for during in kinds] + [(None, 1)]
    for attempt in range(3):  # on a machine that is busy with other things all takes longer
        outages = [
            go_through_an_outage(tmp_path / f"{attempt}-{number}", during, at_once, lasts_s)
            for number, (during, at_once) in enumerate(cases)
        ]
        results = await asyncio.gather(*outages)
        print(", ".join(f"{lasted_s:.2f} s and {asked} requests in vain" for lasted_s, asked in results))
        cases = [case for case, (lasted_s, _) in zip(cases, results, strict=True) if lasted_s >= 1.1 * lasts_s]
        assert all(lasted_s > lasts_s and asked < 100 for lasted_s, asked in results)
        if not cases:
            break
    assert not cases


async def test_an_outage_beyond_the_patience_stops_the_stage_and_keeps_everything(tmp_path: Path) -> None:
    with loopback(lambda body, number: GOOD) as server:
        async with teachers(tmp_path, server.url, patience_s=3.0) as client:
            assert await ask_all(client, 10, 8) == [True] * 10
            server.answer_with(None)
            began = time.monotonic()
            results = await ask_all(client, 30, 8)
            lasted_s = time.monotonic() - began
        server.answer_with(GOOD)
        async with teachers(tmp_path, server.url) as client:
            assert await ask_all(client, 30, 8) == [True] * 30
    assert results[:10] == [True] * 10
    assert {type(result) for result in results[10:]} == {TeacherUnavailable}
    assert 3.0 <= lasted_s < 6.0
    assert server.url in str(results[10]) and "endpoints.builtin.patience_s" in str(results[10])
    assert len([body for body in server.requests if "Judge." in str(body)]) == 30


async def test_a_request_that_is_always_lost_fails_its_record_and_not_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among others, and alone in a rerun, where a trivial question tells that the endpoint is well."""
    monkeypatch.setattr("components.core.teachers.endpoints.LONGEST_BACKOFF_S", 0.5)
    with loopback(lambda body, number: refuses(500) if '"number":7' in str(body) else GOOD) as server:
        async with teachers(tmp_path, server.url, patience_s=PATIENCE_S) as client:
            results = await ask_all(client, 40, 8)
            assert [type(result) for result in results if result is not True] == [ReplyError]
            server.requests.clear()
        async with teachers(tmp_path, server.url, patience_s=PATIENCE_S) as client:
            with pytest.raises(ReplyError, match="HTTP 500"):
                await ask(client, 7)
    assert {body["max_tokens"] for body in server.requests} == {1, JUDGE.max_tokens}


async def test_a_request_that_always_hangs_fails_its_record_and_not_the_stage(tmp_path: Path) -> None:
    role = builtin_role("judge", timeout_s=0.2)
    with loopback(lambda body, number: says("", after_s=60 * ('"number":7' in str(body)))) as server:
        async with teachers(tmp_path, server.url, patience_s=1.0) as client:
            with pytest.raises(ReplyError, match="no answer within"):
                await ask(client, 7, role)
    assert len(server.requests) < 10


async def test_calls_that_take_longer_than_their_time_out_are_given_more(tmp_path: Path) -> None:
    role = builtin_role("judge", timeout_s=0.4)
    with loopback(lambda body, number: says({"match": True}, after_s=0.6)) as server:
        async with teachers(tmp_path, server.url, concurrency=4, max_concurrency=4) as client:
            for number in range(3):
                assert await ask(client, number, role) is True
    assert len(server.requests) == 4
