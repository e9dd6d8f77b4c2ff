"""Busy servers and outages: no task stops and no record is lost. How little time they cost is measured by a bench."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from components.core.errors import ReplyError, TeacherUnavailable
from tests.components.builtin_roles import builtin_role
from tests.components.core.teachers.crowds import OUTAGES, PATIENCE_S, ask_all, go_through_an_outage, share_of_slots
from tests.components.core.teachers.loopback import loopback, refuses, says
from tests.components.core.teachers.test_client import GOOD, JUDGE, ask, teachers


def test_of_twenty_tasks_that_share_32_slots_none_stops() -> None:
    assert share_of_slots(0.64, trips=4) > 0


async def test_an_outage_costs_no_record_and_few_requests(tmp_path: Path) -> None:
    """For one record or 16 at once."""
    cases = [(during, 16) for during in OUTAGES] + [(None, 1)]
    outages = [
        go_through_an_outage(tmp_path / str(number), during, at_once, lasts_s=4.0)
        for number, (during, at_once) in enumerate(cases)
    ]
    for lasted_s, asked in await asyncio.gather(*outages):
        assert lasted_s > 4.0 and asked < 100


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
    assert 3.0 <= lasted_s < 60
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
    assert 4 <= len(server.requests) < 8, "without more time each of the three would be sent for ever"
