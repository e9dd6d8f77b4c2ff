"""The running server: the OpenAI client's own calls, errors in their shape, the log, and a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from components.core.errors import TeacherUnavailable
from components.sandbox.teacher.launch import running_teacher
from tests.components.sandbox.teacher.clip import CAPTION, LINES
from tests.components.sandbox.teacher.drawing import chat, still

SUMMARY = chat("summary", {"caption": LINES})


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teacher") / "calls.jsonl"


@pytest.fixture(scope="module")
def base_url(log: Path) -> Iterator[str]:
    with running_teacher(log=log, workers=1) as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    _set_faults(base_url)
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        yield client
    _set_faults(base_url)


def _set_faults(base_url: str, *faults: str) -> dict[str, Any]:
    body = json.dumps({"faults": faults}).encode()
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/faults", data=body, timeout=30) as answer:
        return dict(json.load(answer))


def test_frames_are_captioned_over_http(client: openai.OpenAI) -> None:
    frames = [(i / 2, still("red", "circle") if i < 4 else still("blue", "cross")) for i in range(8)]
    reply = client.chat.completions.create(
        model="builtin-captioner", **chat("caption_events", {"duration_s": 4.0}, frames)
    )
    assert json.loads(reply.choices[0].message.content or "") == {
        "events": [
            {"start_s": 0.0, "end_s": 2.0, "text": "a red circle"},
            {"start_s": 2.0, "end_s": 4.0, "text": "a blue cross"},
        ]
    }
    assert reply.usage is not None and reply.usage.prompt_tokens > 100 and reply.choices[0].finish_reason == "stop"


def test_models_are_listed_by_role(client: openai.OpenAI) -> None:
    assert {"builtin-captioner", "builtin-judge"} <= {model.id for model in client.models.list()}


def test_equal_requests_have_equal_replies_and_digests(client: openai.OpenAI, log: Path) -> None:
    replies = [client.chat.completions.create(model="builtin-summarizer", **SUMMARY) for _ in range(2)]
    entries = [json.loads(line) for line in log.read_text().splitlines()][-2:]
    assert replies[0].choices == replies[1].choices
    assert entries[0]["digest"] == entries[1]["digest"]
    assert entries[0]["role"] == "summarizer" and entries[0]["schema"] == "summary" and entries[0]["status"] == 200


@pytest.mark.parametrize(
    ("model", "request_of", "status"),
    [
        ("gpt-5", SUMMARY, 404),
        ("builtin-summarizer", chat("summary", {"captions": LINES}), 400),
        ("builtin-summarizer", chat("poem", {"caption": LINES}), 400),
        ("builtin-captioner", chat("caption_events", {"duration_s": 4.0}), 400),
        ("builtin-captioner", chat("caption_events", {"duration_s": 4.0}, [(0.0, "data:image/jpeg;base64,AAAA")]), 400),
    ],
)
def test_requests_that_cannot_be_answered_get_an_openai_error(
    client: openai.OpenAI, model: str, request_of: dict[str, Any], status: int
) -> None:
    with pytest.raises(openai.APIStatusError) as refusal:
        client.chat.completions.create(model=model, **request_of)
    assert refusal.value.status_code == status
    assert refusal.value.body and "message" in dict(refusal.value.body)


def test_a_request_without_a_schema_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="json_schema"):
        client.chat.completions.create(model="builtin-judge", messages=[{"role": "user", "content": "Hello"}])


def test_faults_are_set_and_lifted_while_it_runs(client: openai.OpenAI, base_url: str) -> None:
    assert _set_faults(base_url, "http_429=1@summarizer")["faults"] == ["http_429=1.0@summarizer"]
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="builtin-summarizer", **SUMMARY)
    _set_faults(base_url, "http_500=1")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="builtin-summarizer", **SUMMARY)
    _set_faults(base_url, "truncation=1")
    assert client.chat.completions.create(model="builtin-summarizer", **SUMMARY).choices[0].finish_reason == "length"
    _set_faults(base_url, "hang=1")
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="builtin-summarizer", **SUMMARY, timeout=0.3)
    _set_faults(base_url)
    assert client.chat.completions.create(model="builtin-summarizer", **SUMMARY).choices[0].finish_reason == "stop"


def test_a_leaking_summary_is_not_hidden_by_a_heedful_writer(client: openai.OpenAI, base_url: str) -> None:
    _set_faults(base_url, "answer_in_summary=1")
    summary = json.loads(
        client.chat.completions.create(model="builtin-summarizer", **SUMMARY).choices[0].message.content or ""
    )["summary"]
    payload = {"caption": CAPTION, "summary": summary, "types": [], "count": 12}
    reply = client.chat.completions.create(model="builtin-question_writer", **chat("questions", payload))
    assert LINES[0] in summary
    assert len(json.loads(reply.choices[0].message.content or "")["questions"]) == 12


def test_it_survives_the_loss_of_a_worker(client: openai.OpenAI, base_url: str) -> None:
    import psutil

    request_of = chat("caption_events", {"duration_s": 1.0}, [(0.0, still("white", "square"))])
    client.chat.completions.create(model="builtin-captioner", **request_of)
    children = [
        child for child in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(child.cmdline())
    ]
    assert children
    for child in children:
        child.kill()
    for _ in range(3):
        try:
            reply = client.chat.completions.create(model="builtin-captioner", **request_of)
            break
        except openai.InternalServerError:
            continue
    assert "a white square" in (reply.choices[0].message.content or "")


def test_an_unknown_fault_keeps_it_from_starting_and_says_why() -> None:
    with pytest.raises(TeacherUnavailable, match="no fault named 'laziness'"), running_teacher(faults=["laziness=1"]):
        pass


def test_sigterm_ends_it_with_code_0(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "components.sandbox.teacher", "--port", "0", "--port-file", str(tmp_path / "port")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("http://127.0.0.1:")
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, sys, time
        from components.sandbox.teacher.launch import running_teacher
        with running_teacher(workers=1) as url:
            print(url, flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        address = starter.stdout.readline().strip().removesuffix("/v1")
        starter.kill()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _answers(address):
        time.sleep(0.1)
    assert not _answers(address)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
