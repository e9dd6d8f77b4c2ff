"""The teachers' client against a real server that misbehaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from components.core.errors import BudgetExceeded, ReplyError, SettingsError, TeacherUnavailable
from components.core.stores.keyvalue import SqliteKeyValue
from components.core.teachers.budget import Budget, RunBudget
from components.core.teachers.client import Teachers
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.ledger import Ledger
from components.core.teachers.prompts import Prompt, ReplyModel
from components.core.teachers.roles import RoleSettings
from tests.components.builtin_roles import builtin_role
from tests.components.core.teachers.frames import with_frames
from tests.components.core.teachers.loopback import Answer, loopback, refuses, says

JUDGE = builtin_role("judge", price_in=1.0, price_out=2.0)


class Verdict(ReplyModel):
    """A reply of one field."""

    schema_name: ClassVar[str] = "answer_match"

    match: bool


GOOD = says({"match": True})


@asynccontextmanager
async def teachers(folder: Path, url: str, *, budget_tokens: int = 0, **settings: Any) -> AsyncIterator[Teachers]:
    calls = SqliteKeyValue(folder / "calls.sqlite")
    budget = RunBudget(Budget(tokens=budget_tokens), str(folder / "spend"), "test") if budget_tokens else None
    ledger = Ledger(folder / "ledger.jsonl", budget)
    client = Teachers({"builtin": EndpointSettings(base_url=url, **settings)}, calls, ledger)
    try:
        yield client
    finally:
        await client.close()
        calls.close()


def script(*answers: Answer) -> Callable[[dict[str, Any], int], Answer]:
    """Give the answers in turn, the last one for ever."""
    return lambda body, number: answers[min(number, len(answers) - 1)]


async def ask(client: Teachers, number: int = 0, role: RoleSettings = JUDGE) -> bool:
    reply = await client.ask(role, Prompt("Judge.", {"number": number}), Verdict)
    return reply.value.match


async def test_a_stored_reply_is_never_bought_twice(tmp_path: Path) -> None:
    with loopback(script(GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            first = await client.ask(JUDGE, Prompt("Judge.", {"number": 1}), Verdict)
        async with teachers(tmp_path, server.url) as client:
            second = await client.ask(JUDGE, Prompt("Judge.", {"number": 1}), Verdict)
            usage = client.ledger.total
    assert len(server.requests) == 1
    assert (first.cached, second.cached, first.key) == (False, True, second.key)
    assert (usage.calls, usage.cached_calls, usage.tokens, usage.cost) == (0, 1, 0, 0.0)


async def test_identical_requests_in_flight_are_sent_once(tmp_path: Path) -> None:
    with loopback(script(says({"match": True}, after_s=0.1))) as server:
        async with teachers(tmp_path, server.url) as client:
            assert await asyncio.gather(*[ask(client) for _ in range(20)]) == [True] * 20
            assert (client.ledger.total.calls, client.ledger.total.cached_calls) == (1, 19)
    assert len(server.requests) == 1


async def test_a_joined_request_outlives_the_cancellation_of_its_sender(tmp_path: Path) -> None:
    with loopback(script(says({"match": True}, after_s=0.1))) as server:
        async with teachers(tmp_path, server.url) as client:
            sender = asyncio.create_task(ask(client))
            await asyncio.sleep(0.05)
            joined = asyncio.create_task(ask(client))
            await asyncio.sleep(0.01)
            sender.cancel()
            assert await joined is True


async def test_the_request_is_what_an_openai_compatible_server_expects(tmp_path: Path) -> None:
    role = builtin_role("captioner", temperature=0.5, max_tokens=77)
    prompt = with_frames("Describe.", {"duration_s": 8}, {0.5: b"jpeg", 12.25: b"more"})
    with loopback(script(GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            await client.ask(role, prompt, Verdict, sample=3)
    body = server.requests[0]
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("builtin-captioner", 0.5, 77, 3)
    schema = body["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"], schema["schema"]["additionalProperties"]) == ("answer_match", True, False)
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Describe."}
    assert [part.get("text", "image") for part in user["content"]] == [
        '{"duration_s":8}', "t=0.50s", "image", "t=12.25s", "image",
    ]  # fmt: skip
    assert user["content"][2]["image_url"]["url"] == "data:image/jpeg;base64,anBlZw=="


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (says("I would say yes."), "not JSON"),
        (says({"match": "perhaps"}), "match"),
        (says({"match": True, "because": "so"}), "because"),
        (says('{"match": tr', finish_reason="length"), "cut at"),
        (says({"match": True}, finish_reason="length"), "cut at"),
        (Answer(b'{"choices": []}'), "not JSON"),
    ],
    ids=["prose", "wrong schema", "extra field", "truncated", "cut though it parses", "no choices"],
)
async def test_an_invalid_reply_is_asked_for_again_with_the_error(tmp_path: Path, bad: Answer, complaint: str) -> None:
    with loopback(script(bad, GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            assert await ask(client) is True
            assert (client.ledger.total.calls, client.ledger.total.invalid_calls) == (2, 1)
    correction = server.requests[1]["messages"]
    assert len(correction) == len(server.requests[0]["messages"]) + 2
    assert complaint in correction[-1]["content"]


async def test_a_caller_can_refuse_a_reply_that_is_impossible(tmp_path: Path) -> None:
    def must_match(verdict: Verdict) -> None:
        if not verdict.match:
            raise ValueError("it must match")

    with loopback(script(says({"match": False}), GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            reply = await client.ask(JUDGE, Prompt("Judge.", {}), Verdict, check=must_match)
    assert reply.value.match
    assert "it must match" in server.requests[1]["messages"][-1]["content"]


async def test_a_stored_reply_that_fails_a_stricter_check_is_bought_anew_once(tmp_path: Path) -> None:
    def must_not_match(verdict: Verdict) -> None:
        if verdict.match:
            raise ValueError("it must not match")

    with loopback(script(GOOD, says({"match": False}))) as server:
        async with teachers(tmp_path, server.url) as client:
            await client.ask(JUDGE, Prompt("Judge.", {}), Verdict)
            for _ in range(3):
                reply = await client.ask(JUDGE, Prompt("Judge.", {}), Verdict, check=must_not_match)
                assert not reply.value.match
    assert len(server.requests) == 2


async def test_a_reply_that_stays_invalid_is_an_error_and_is_not_stored(tmp_path: Path) -> None:
    with loopback(script(*[says("garbage")] * 3, GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            with pytest.raises(ReplyError, match="after 3 attempts"):
                await ask(client)
            assert await ask(client) is True
    assert len(server.requests) == 4


async def test_raw_control_characters_in_strings_are_accepted(tmp_path: Path) -> None:
    class Text(ReplyModel):
        schema_name: ClassVar[str] = "prose"
        text: str

    with loopback(script(says('{"text": "one\ntwo"}'))) as server:
        async with teachers(tmp_path, server.url) as client:
            reply = await client.ask(JUDGE, Prompt("Write.", {}), Text)
    assert reply.value.text == "one\ntwo"


@pytest.mark.parametrize(
    "trouble",
    [refuses(429, retry_after="0.1"), refuses(503), refuses(500), Answer(hang_up=True), Answer(b"<html>")],
    ids=["429", "503", "500", "hang up", "not JSON"],
)
async def test_passing_trouble_is_retried(tmp_path: Path, trouble: Answer) -> None:
    with loopback(script(trouble, GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            assert await ask(client) is True
            assert client.ledger.total.calls == 1
    assert len(server.requests) == 2


async def test_a_hanging_call_is_sent_again_after_its_timeout(tmp_path: Path) -> None:
    role = JUDGE.model_copy(update={"timeout_s": 0.2})
    with loopback(script(says({"match": True}, after_s=5), GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            assert await ask(client, role=role) is True
    assert len(server.requests) == 2


async def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with loopback(script(refuses(429, retry_after="0.8"), GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            started = time.monotonic()
            await ask(client)
    assert time.monotonic() - started >= 0.8
    assert len(server.requests) == 2


async def test_a_refused_request_fails_its_record_only(tmp_path: Path) -> None:
    with loopback(lambda body, number: refuses(400) if '"number":7' in str(body) else GOOD) as server:
        async with teachers(tmp_path, server.url) as client:
            with pytest.raises(ReplyError, match="HTTP 400"):
                await ask(client, 7)
            assert await ask(client, 8) is True
    assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "remedy"), [(401, "TEACHER_KEY"), (404, "model")])
async def test_what_no_retry_mends_stops_the_stage_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, remedy: str
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "very-secret")
    with loopback(script(refuses(status))) as server:
        async with teachers(tmp_path, server.url, api_key_env="TEACHER_KEY") as client:
            with pytest.raises(TeacherUnavailable, match=remedy) as caught:
                await ask(client)
    assert len(server.requests) == 1
    assert server.headers[0]["authorization"] == "Bearer very-secret"
    assert "very-secret" not in str(caught.value)


async def test_calls_in_flight_stay_within_the_admitted_number(tmp_path: Path) -> None:
    with loopback(script(says({"match": True}, after_s=0.01))) as server:
        async with teachers(tmp_path, server.url, concurrency=4, max_concurrency=4) as client:
            await asyncio.gather(*[ask(client, number) for number in range(60)])
    assert server.most_at_once == 4


async def test_a_spent_budget_stops_paid_calls_but_not_stored_ones(tmp_path: Path) -> None:
    with loopback(script(GOOD)) as server:
        async with teachers(tmp_path, server.url, budget_tokens=30) as client:
            await ask(client, 0)
            await ask(client, 1)
            with pytest.raises(BudgetExceeded, match="30 tokens"):
                await ask(client, 2)
            assert await ask(client, 0) is True
    assert len(server.requests) == 2


async def test_an_endpoint_that_is_not_configured_is_named(tmp_path: Path) -> None:
    async with teachers(tmp_path, "http://127.0.0.1:1/v1") as client:
        with pytest.raises(SettingsError, match=r"vllm.*configured: builtin"):
            await ask(client, role=builtin_role("judge", endpoint="vllm"))


async def test_a_missing_key_is_named_and_never_guessed(tmp_path: Path) -> None:
    async with teachers(tmp_path, "http://127.0.0.1:1/v1", api_key_env="NO_SUCH_KEY") as client:
        with pytest.raises(SettingsError, match="NO_SUCH_KEY"):
            await ask(client)


async def test_the_ledger_books_every_call_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "very-secret")
    with loopback(script(says("garbage"), GOOD)) as server:
        async with teachers(tmp_path, server.url, api_key_env="TEACHER_KEY") as client:
            await ask(client)
            await ask(client)
            usage = client.ledger.total
    text = (tmp_path / "ledger.jsonl").read_text()
    assert len(text.splitlines()) == 3
    assert "very-secret" not in text
    assert (usage.tokens_in, usage.tokens_out) == (20, 10)
    assert usage.cost == pytest.approx(20 * 1.0 / 1e6 + 10 * 2.0 / 1e6)


async def test_replies_know_their_lineage(tmp_path: Path) -> None:
    prompt = Prompt("Judge.", {"number": 1})
    with loopback(script(GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            first = await client.ask(JUDGE, prompt, Verdict)
            second = await client.ask(JUDGE, Prompt("Judge.", {"number": 2}), Verdict)
    lineage = first.lineage(["v1"], second)
    assert (lineage.parents, lineage.teacher, lineage.prompt_digest) == (("v1",), "builtin-judge@1", prompt.digest)
    assert lineage.request_keys == (first.key, second.key)
