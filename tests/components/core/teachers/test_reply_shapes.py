"""The forms in which real servers answer: each ends right, in at most two calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import ReplyError, TeacherUnavailable
from components.core.teachers.prompts import Prompt
from components.core.teachers.roles import RoleSettings
from tests.components.builtin_roles import builtin_role
from tests.components.core.teachers.frames import with_frames
from tests.components.core.teachers.loopback import Answer, loopback, refuses, replies, says
from tests.components.core.teachers.test_client import GOOD, JUDGE, Verdict, ask, script, teachers

TEXT = json.dumps({"match": True})
FRAMES = {second / 2: f"jpeg {second}".encode() for second in range(16)}


def images_of(body: dict[str, Any]) -> list[str]:
    """The times of the images in a request."""
    content = body["messages"][1]["content"]
    assert sum(part["type"] == "image_url" for part in content) * 2 + 1 == len(content)
    return [part["text"] for part in content[1:] if part["type"] == "text"]


def takes(most: int, refusal: Answer) -> Any:
    """A server that takes so many images."""
    return lambda body, number: GOOD if len(images_of(body)) <= most else refusal


@pytest.mark.parametrize(
    "answer",
    [
        says(f"```json\n{TEXT}\n```"),
        says(f"Here you are:\n```\n{TEXT}\n```\nIs there anything else?"),
        says(f"<think>It could be {{no}} or {{yes}}.</think>\n\n{TEXT}"),
        says(f"It could be {{no}}, well.</think>{TEXT}"),
        says(f"Sure! {TEXT} Hope that helps."),
        replies({"content": None, "reasoning_content": TEXT}),
        replies({"content": "", "reasoning": f"I should say {TEXT}"}),
        replies({"content": TEXT, "reasoning_content": "Hm, {perhaps} not."}),
        replies({"content": None, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": TEXT}}]}),
        replies({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"match": True}}}]}),
        replies({"content": None, "function_call": {"name": "f", "arguments": TEXT}}, finish_reason="function_call"),
        replies({"content": [{"type": "text", "text": '{"match":'}, {"type": "text", "text": " true}"}]}),
        says({"match": True}, finish_reason=None),
        says("\ufeff" + TEXT),
    ],
    ids=[
        *("fenced", "fenced amid prose", "thinking before", "thinking without its opening", "amid prose"),
        *("reasoning_content", "reasoning", "reasoning beside content", "tool call", "tool call with an object"),
        *("function call", "parts", "finish_reason null", "byte order mark"),
    ],
)
async def test_wrapped_replies_are_understood_at_once(tmp_path: Path, answer: Answer) -> None:
    with loopback(script(answer)) as server:
        async with teachers(tmp_path, server.url) as client:
            assert await ask(client) is True
            assert client.ledger.total.invalid_calls == 0
            assert await ask(client) is True
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (replies({"content": None, "refusal": "I can't help with that."}), "I can't help with that"),
        (replies({"content": [{"type": "refusal", "refusal": "No, thanks."}]}), "No, thanks"),
        (says("I'm sorry, but I can't assist with that request."), "can't assist"),
        (says('{"match": tr', finish_reason="content_filter"), "content_filter"),
        (says({"match": True}, finish_reason="content_filter"), "content_filter"),
        (says("", finish_reason="SAFETY"), "safety"),
        (refuses(400, "The response was filtered.", "content_filter"), "was filtered"),
        (refuses(400, "Unknown parameter: 'guided_json'."), "guided_json"),
    ],
    ids=["refusal", "refusal as a part", "apology", "filter", "filter with JSON", "safety", "400 filter", "400"],
)
async def test_a_refusal_fails_its_record_at_once_and_says_so(tmp_path: Path, answer: Answer, said: str) -> None:
    with loopback(lambda body, number: answer if number == 0 else GOOD) as server:
        async with teachers(tmp_path, server.url) as client:
            with pytest.raises(ReplyError, match=said) as caught:
                await ask(client)
            assert "not JSON" not in str(caught.value)
            assert len(server.requests) == 1
            assert await ask(client) is True


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, "At most 8 image(s) may be provided in one prompt."),
        refuses(400, "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."),
        refuses(400, "The decoder prompt (length 9000) is longer than the maximum model length of 8192."),
        refuses(413, "Request body too large"),
        Answer(b"<html><body><h1>413 Request Entity Too Large</h1></body></html>", status=413),
        refuses(422, "inputs tokens + max_new_tokens must be <= 8193. Given: 9000"),
    ],
    ids=["too many images", "context too long", "prompt too long", "413", "413 of a proxy", "422"],
)
async def test_a_request_refused_for_its_size_is_sent_with_every_second_image(tmp_path: Path, refusal: Answer) -> None:
    prompt = with_frames("Describe.", {}, FRAMES)
    with loopback(takes(8, refusal)) as server:
        async with teachers(tmp_path, server.url) as client:
            reply = await client.ask(JUDGE, prompt, Verdict)
            assert (reply.images, reply.cached, len(server.requests)) == (8, False, 2)
            assert images_of(server.requests[1]) == [f"t={second:.2f}s" for second in range(8)]
            again = await client.ask(JUDGE, prompt, Verdict)
            assert (again.images, again.cached, again.key) == (8, True, reply.key)


async def test_what_was_taken_is_where_later_requests_of_the_role_begin(tmp_path: Path) -> None:
    other = builtin_role("captioner")
    with loopback(takes(4, refuses(400, "Too many images in request"))) as server:
        async with teachers(tmp_path, server.url) as client:
            sizes = []
            for number, role in enumerate([JUDGE, JUDGE, other]):
                await client.ask(role, with_frames("Describe.", {"number": number}, FRAMES), Verdict)
                sizes.append([len(images_of(body)) for body in server.requests])
                server.requests.clear()
            few = await client.ask(JUDGE, with_frames("Describe.", {}, dict(list(FRAMES.items())[:3])), Verdict)
    assert sizes == [[16, 8, 4], [4], [16, 8, 4]]
    assert few.images == 3


async def test_a_text_that_is_too_long_fails_its_record_with_what_the_server_said(tmp_path: Path) -> None:
    refusal = refuses(400, "maximum context length is 8192 tokens", "context_length_exceeded")
    with loopback(script(refusal)) as server:
        async with teachers(tmp_path, server.url) as client:
            with pytest.raises(ReplyError, match="maximum context length is 8192"):
                await ask(client)
            with pytest.raises(ReplyError, match="maximum context length is 8192"):
                await client.ask(JUDGE, with_frames("Describe.", {}, dict(list(FRAMES.items())[:4])), Verdict)
    assert [str(body).count("image_url'") // 2 for body in server.requests] == [0, 4, 2, 1]


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (refuses(402, "Insufficient Balance"), "Insufficient Balance"),
        (refuses(402), "funds"),
        (refuses(429, "You exceeded your current quota.", "insufficient_quota"), "exceeded your current quota"),
        (refuses(401, "Incorrect API key provided: very-secret."), "TEACHER_KEY"),
        (refuses(404, "The model `m` does not exist."), "does not exist"),
        (Answer(status=307, headers={"location": "https://elsewhere.test/v1"}), "elsewhere.test"),
    ],
    ids=["402", "402 without a word", "no quota", "401", "404", "redirect"],
)
async def test_what_no_retry_mends_stops_the_stage_at_once_with_what_the_server_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Answer, said: str
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "very-secret")
    with loopback(script(refusal)) as server:
        async with teachers(tmp_path, server.url, api_key_env="TEACHER_KEY") as client:
            with pytest.raises(TeacherUnavailable, match=said) as caught:
                await ask(client)
    assert len(server.requests) == 1
    assert "very-secret" not in str(caught.value)


async def test_a_rate_limit_that_speaks_of_quota_is_waited_out(tmp_path: Path) -> None:
    limit = refuses(429, "You exceeded your current quota, please check your plan.", "RESOURCE_EXHAUSTED")
    with loopback(script(limit, GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            assert await ask(client) is True
    assert len(server.requests) == 2


async def test_an_error_under_status_200_is_the_error_it_names(tmp_path: Path) -> None:
    busy = Answer(json.dumps({"error": {"message": "Provider overloaded", "code": 429}}).encode())
    long = Answer(json.dumps({"error": {"message": "context length exceeded", "code": 400}}).encode())
    with loopback(script(busy, long)) as server:
        async with teachers(tmp_path, server.url) as client:
            with pytest.raises(ReplyError, match="context length exceeded"):
                await ask(client)
    assert len(server.requests) == 2


async def test_inference_options_are_sent_and_belong_to_the_key(tmp_path: Path) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"top_p": 0.9},
        {"reasoning_effort": "low"},
        {"extra_body": {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}},
        {"extra_body": {"max_tokens": None, "max_completion_tokens": 99, "response_format": None}},
    ]
    with loopback(script(GOOD)) as server:
        async with teachers(tmp_path, server.url) as client:
            keys = set()
            for given in options:
                role = builtin_role("judge", **given)
                keys.add((await client.ask(role, Prompt("Judge.", {}), Verdict)).key)
                assert role.digest() == RoleSettings.model_validate_json(role.to_json()).digest()
    plain, top_p, effort, extra, renamed = server.requests
    assert len(keys) == len(options)
    assert {"top_p", "reasoning_effort", "top_k"} & plain.keys() == set()
    assert (top_p["top_p"], effort["reasoning_effort"], extra["top_k"]) == (0.9, "low", 20)
    assert extra["chat_template_kwargs"] == {"enable_thinking": False}
    assert renamed["max_completion_tokens"] == 99 and not {"max_tokens", "response_format"} & renamed.keys()


def test_the_model_and_the_messages_are_no_inference_options() -> None:
    with pytest.raises(ValueError, match="messages, model cannot be set here"):
        builtin_role("judge", extra_body={"model": "other", "messages": []})
