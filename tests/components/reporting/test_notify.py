"""How a run ended reaches webhooks, and a webhook that does not take it ends nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.core.engine.context import Context
from components.core.engine.record import RunRecord, TaskError, TaskRecord, utc_now
from components.core.engine.run_summary import NOTHING_TO_DO
from components.core.errors import SettingsError
from components.reporting.finish import finish
from pipelines.launch.cluster.surroundings import context_of
from pipelines.profile import load_profile
from pipelines.rewatch import PIPELINE

OUTLINE = PIPELINE.outline.model_dump_json()
SETTINGS = json.dumps({"webhooks": ["REWATCH_WEBHOOK"]})
DECISION = "Not promoted: 61.0% against 60.0% of the champion (version 3)."


class Chat(ThreadingHTTPServer):
    """A chat server: what it was sent, and how it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Chat)
        self.sent: list[dict[str, Any]] = []
        self.status = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/s3cret"


class _Chat(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        self.server.sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    with Chat() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("REWATCH_WEBHOOK", server.address)
        yield server
        server.shutdown()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    context = Context(run_id="7f3a", run_root=str(tmp_path / "7f3a"), state_root=str(tmp_path / "state"))
    for name, value in context.environment().items():
        monkeypatch.setenv(name, value)
    return RunRecord(context.run_root)


def write(run: RunRecord, name: str, status: str = "succeeded", **more: object) -> None:
    told = {"name": name, "status": status, "stage": "any", "started": utc_now(), **more}
    run.write_task(TaskRecord.model_validate(told))


def test_what_became_of_the_model_is_told_with_the_reason_and_links(chat: Chat, run: RunRecord) -> None:
    write(run, "promote", info={"verdict": "kept", "decision": DECISION})
    write(run, "caption", calls=7, cost=0.25)
    run.write("report/index.html", b"<html>")
    assert finish(SETTINGS, OUTLINE, "SUCCEEDED")["status"] == "succeeded"
    (sent,) = chat.sent
    assert sent["event"] == "kept" and sent["reason"] == DECISION
    assert sent["links"] == {"report": run.uri("report/index.html")}
    assert sent["text"].splitlines() == [f"rewatch 7f3a: kept. {DECISION}", f"report: {run.uri('report/index.html')}"]
    assert (sent["calls"], sent["cost"]) == (7, 0.25)


def test_a_failure_is_told_with_its_cause_and_steers_no_terminal(chat: Chat, run: RunRecord) -> None:
    error = TaskError(type="GateFailed", what="Coverage is 0.4 \x1b[2J.", remedy="Caption at a higher rate.")
    write(run, "gate-captions", "failed", error=error)
    finish(SETTINGS, OUTLINE, "FAILED", "Task exit-handler-1 failed.")
    assert chat.sent[0]["event"] == "failed"
    assert "Coverage is 0.4" in chat.sent[0]["text"] and "\x1b" not in chat.sent[0]["text"]


def test_a_run_that_had_nothing_to_do_is_told_only_to_who_asks_for_it(chat: Chat, run: RunRecord) -> None:
    write(run, "prerequisites", info={NOTHING_TO_DO: "No video at s3://b/v is new."})
    finish(SETTINGS, OUTLINE, "SUCCEEDED")
    assert chat.sent == []
    finish(json.dumps({"webhooks": ["REWATCH_WEBHOOK"], "notify_of": ["nothing_new"]}), OUTLINE, "SUCCEEDED")
    assert chat.sent[0]["reason"] == "No video at s3://b/v is new."


@pytest.mark.parametrize("trouble", ["refuses", "fails", "is gone", "is no address", "is not set"])
def test_a_webhook_that_does_not_take_it_ends_nothing_and_is_told_without_its_address(
    trouble: str, chat: Chat, run: RunRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(run, "promote", info={"verdict": "kept", "decision": DECISION})
    chat.status = {"refuses": 404, "fails": 500}.get(trouble, 200)
    addresses = {"is gone": "http://127.0.0.1:1/hooks/s3cret", "is no address": "s3cret", "is not set": ""}
    monkeypatch.setenv("REWATCH_WEBHOOK", addresses.get(trouble, chat.address))
    both = json.dumps({"webhooks": ["REWATCH_WEBHOOK", "OTHER_WEBHOOK"]})
    with Chat() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTHER_WEBHOOK", other.address)
        assert finish(both, OUTLINE, "SUCCEEDED")["status"] == "succeeded"
        other.shutdown()
        assert len(other.sent) == 1
    said = "".join(capsys.readouterr())
    assert "the webhook in REWATCH_WEBHOOK was not told" in said and "s3cret" not in said
    assert len(chat.sent) == {"refuses": 1, "fails": 2}.get(trouble, 0)


def test_an_address_in_the_settings_is_refused_and_a_pod_without_the_variable_is_told_of() -> None:
    with pytest.raises(SettingsError, match="an address is a secret"):
        load_profile("laptop", ["reporting.webhooks=['https://chat/hooks/s3cret']"])
    with pytest.raises(SettingsError, match="names REWATCH_WEBHOOK, which no pod is given"):
        context_of(load_profile("cluster", ["reporting.webhooks=[REWATCH_WEBHOOK]"]))
