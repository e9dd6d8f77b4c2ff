"""Busy servers and outages over real HTTP, a hundred times as fast as life: a second here is a hundred there."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

from components.core.teachers.client import Teachers
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.ledger import Ledger
from components.core.teachers.prompts import Prompt
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
    assert [result for result in results if result is not True] == []
    assert unheard == 0
    assert most_at_once < 8 * 32
    return share


async def ask_all(client: Teachers, count: int, at_once: int) -> list[Any]:
    """Ask `count` different questions, so many at once; what became of each."""
    free = asyncio.Semaphore(at_once)

    async def one(number: int) -> Any:
        async with free:
            return await ask(client, number, FAST_JUDGE)

    return await asyncio.gather(*[one(number) for number in range(count)], return_exceptions=True)


OUTAGES = [None, refuses(503), refuses(502), refuses(500), Answer(b"<html>"), Answer(hang_up=True)]
"""What a server does while it is away: refused connections, errors, nonsense, hang-ups."""


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
