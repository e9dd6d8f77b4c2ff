"""A task's whole life: settings, inputs, work, manifest last, record always, one line on error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.core.data.datasets import Dataset, DatasetWriter
from components.core.data.manifest import Manifest, read_manifest
from components.core.data.rows import Question, Summary
from components.core.data.settings import StageSettings
from components.core.engine.run import run_task
from components.core.engine.stage import Stage, Task
from tests.components.core.engine.toy.stage import STAGE
from tests.components.core.teachers.loopback import Answer, Loopback, loopback, refuses, says

GOOD = says({"question": "How many?"})


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_RUN_ID", "r1")
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    return tmp_path / "run"


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REWATCH_ENDPOINTS", json.dumps({"builtin": {"base_url": url, "patience_s": 2.0}}))


def record(run_dir: Path, name: str = "toy") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((run_dir / "tasks" / f"{name}.json").read_text())
    return read


def run(output: Path, settings: str = "{}", inputs: dict[str, Any] | None = None, **more: Any) -> None:
    run_task(STAGE, settings=settings, inputs=inputs or {}, output=str(output), **more)


def test_a_task_leaves_a_dataset_a_manifest_and_a_record(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata: dict[str, Any] = {}
    with loopback(lambda body, number: GOOD) as server:
        use(monkeypatch, server.url)
        run(tmp_path / "out", metadata=metadata, shard="s00001-abc", name="write-questions")
    dataset = Dataset(tmp_path / "out")
    assert len(list(dataset.rows("questions", "s00001"))) == 10
    told, manifest = record(run_dir, "write-questions-s00001"), dataset.manifest
    assert (told["status"], told["rows"]) == ("succeeded", {"ok": 20, "rejected": 0, "failed": 0})
    assert (told["calls"], told["cached_calls"], told["tokens"]) == (10, 0, 150)
    assert told["by_role"]["question_writer"]["calls"] == 10
    assert (told["run_id"], told["digest"], told["output"]) == ("r1", manifest.digest, str(tmp_path / "out"))
    assert told["metrics"] == {"asked": 10, "letters": 90}
    assert told["cpu_seconds"] > 0 and told["error"] is None
    assert metadata == {"digest": manifest.digest, "rows_ok": 20, "rows_rejected": 0, "rows_failed": 0}
    assert manifest.teachers == {"question_writer": "builtin-question_writer@1"}
    assert len(manifest.prompt_digests) == 1
    assert len((run_dir / "ledger" / "write-questions-s00001.jsonl").read_text().splitlines()) == 10
    lines = [json.loads(line) for line in (run_dir / "logs" / "write-questions-s00001.jsonl").read_text().splitlines()]
    assert "done in" in lines[-1]["message"]


def test_a_second_run_asks_nothing_and_gives_the_same_dataset_and_metrics(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loopback(lambda body, number: GOOD) as server:
        use(monkeypatch, server.url)
        run(tmp_path / "one")
        first = record(run_dir)
        run(tmp_path / "two")
        second = record(run_dir)
    assert len(server.requests) == 10
    assert (second["calls"], second["records"]) == (0, {"done": 10, "reused": 10, "failed": 0})
    assert (second["digest"], second["metrics"]) == (first["digest"], first["metrics"])


def test_one_more_record_costs_one_more_call(tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(lambda body, number: GOOD) as server:
        use(monkeypatch, server.url)
        run(tmp_path / "one", '{"records": 10}')
        run(tmp_path / "two", '{"records": 11}')
    assert len(server.requests) == 11


def test_upstream_digests_link_a_dataset_to_what_it_was_made_from(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = []
    for number in range(2):
        with DatasetWriter(tmp_path / f"in{number}", {"summaries": Summary}, f"s0000{number}") as writer:
            writer.write("summaries", Summary(video_id=f"v{number}", text=f"dull {number}"))
            parts.append(writer.close(Manifest(stage="test", digest="")))
    with loopback(lambda body, number: GOOD) as server:
        use(monkeypatch, server.url)
        run(tmp_path / "out", inputs={"written": [str(tmp_path / "in0"), str(tmp_path / "in1")]})
    manifest = read_manifest(tmp_path / "out")
    assert [upstream.digest for upstream in manifest.upstream] == [part.digest for part in parts]
    assert manifest.rows == {"ok": 2, "rejected": 2, "failed": 0}


def fails(capsys: pytest.CaptureFixture[str], code: int, output: Path, settings: str = "{}", **more: Any) -> str:
    """Run a task that must fail with a code; its one line on the console."""
    with pytest.raises(SystemExit) as caught:
        run(output, settings, **more)
    assert caught.value.code == code
    printed = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(printed)
    assert not (output / "manifest.json").exists()
    return printed[-1]


def test_an_unknown_setting_is_one_line_and_exit_code_2(
    tmp_path: Path, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(capsys, 2, tmp_path / "out", '{"recrods": 3}')
    assert "did you mean 'records'" in line
    assert record(run_dir)["error"]["type"] == "SettingsError"
    assert not (tmp_path / "out").exists()


def test_a_missing_input_is_one_line_that_names_its_task(
    tmp_path: Path, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = fails(capsys, 1, tmp_path / "out", inputs={"written": str(tmp_path / "nowhere")})
    assert "Run the task that writes 'written' first" in line


@pytest.mark.parametrize("place", ["/proc/rewatch/out", "{file}/out"], ids=["read-only", "below a file"])
def test_an_output_that_cannot_be_written_is_one_line_and_exit_code_2(
    tmp_path: Path, run_dir: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "file").write_text("")
    line = fails(capsys, 2, Path(place.format(file=tmp_path / "file")))
    assert "cannot be written" in line
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("named", "missing", "keys"),
    [
        ({}, "no endpoint and no model", "teachers.question_writer.endpoint and teachers.question_writer.model"),
        ({"model": "m"}, "no endpoint,", "teachers.default.endpoint for every role"),
        ({"endpoint": "vllm"}, "no model,", "teachers.default.model for every role"),
    ],
)
def test_a_role_that_nobody_answers_for_is_refused_before_any_work(
    tmp_path: Path, run_dir: Path, capsys: pytest.CaptureFixture[str], named: dict[str, str], missing: str, keys: str
) -> None:
    section = json.dumps({"writer": {"role": "question_writer", **named}})
    line = fails(capsys, 2, tmp_path / "out", section)
    assert f"The role 'question_writer' has {missing}" in line and keys in line
    assert "--settings, under writer" in line and "REWATCH_ENDPOINTS" in line
    assert not (tmp_path / "out").exists()


def test_an_unreachable_teacher_is_one_line_and_exit_code_2(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, "http://127.0.0.1:9/v1")
    started = time.monotonic()
    line = fails(capsys, 2, tmp_path / "out")
    assert time.monotonic() - started < 8
    assert "TeacherUnavailable" in line and "http://127.0.0.1:9/v1" in line


def test_a_teacher_that_answers_garbage_is_one_line(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with loopback(lambda body, number: says("la la la")) as server:
        use(monkeypatch, server.url)
        line = fails(capsys, 2, tmp_path / "out")
    assert "All 10 records of toy failed; the last one, v009" in line
    assert record(run_dir)["rows"]["failed"] == 10


def test_garbage_about_one_record_quarantines_that_record(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(body: dict[str, Any], number: int) -> Answer:
        return says("la la la") if "text 7" in str(body) else GOOD

    with loopback(answer) as server:
        use(monkeypatch, server.url)
        run(tmp_path / "out")
    (failure,) = Dataset(tmp_path / "out").failures()
    assert (failure.record_id, failure.error) == ("v007", "ReplyError")
    assert "stayed invalid after 2 attempts" in failure.reason


def test_a_bug_leaves_its_traceback_in_the_log_and_one_line_on_the_console(
    tmp_path: Path, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(task: Task) -> None:
        raise KeyError("events")

    stage = Stage("broken", StageSettings, (), {}, broken)
    with pytest.raises(SystemExit) as caught:
        run_task(stage, settings="{}", inputs={}, output=str(tmp_path / "out"))
    assert caught.value.code == 1
    assert "KeyError: 'events'" in (printed := capsys.readouterr().err)
    assert "Traceback" not in printed
    assert "Traceback" in (run_dir / "logs" / "broken.jsonl").read_text()


def test_a_models_digest_covers_its_files_but_not_the_clock_times_of_its_curves(tmp_path: Path, run_dir: Path) -> None:
    def train(task: Task) -> None:
        (task.output / "model.safetensors").write_bytes(b"weights" if task.output.name != "other" else b"others")
        (task.output / "training.jsonl").write_text(json.dumps({"step": 0, "cpu_update": time.process_time()}))
        (task.checkpoints("key").folder / "step").write_text("7")
        task.metrics["loss"] = task.wait(measured())

    async def measured() -> float:
        return 0.5

    stage = Stage("train", StageSettings, (), {}, train)
    for name in ("one", "two", "other"):
        run_task(stage, settings="{}", inputs={}, output=str(tmp_path / name))
    one, two, other = (read_manifest(tmp_path / name) for name in ("one", "two", "other"))
    assert one.digest == two.digest != other.digest
    assert one.metrics == {"loss": 0.5}
    assert (tmp_path / "state" / "checkpoints" / "key" / "step").read_text() == "7"


def start(output: Path, records: int, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, "-m", "tests.components.core.engine.toy", "--output", str(output)]
    return subprocess.Popen(
        [*command, "--settings", json.dumps({"records": records, "work": {"concurrency": 8}})],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )


def wait_for(server: Loopback, requests: int) -> None:
    deadline = time.monotonic() + 60
    while len(server.requests) < requests:
        assert time.monotonic() < deadline, "the task never got so far"
        time.sleep(0.005)


def test_kill_9_at_any_moment_loses_no_row_and_buys_no_stored_reply_twice(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, in_flight = 300, 8
    with loopback(lambda body, number: says({"question": "How many?"}, after_s=0.004)) as server:
        use(monkeypatch, server.url)
        for moment in (20, 120, 210):
            task = start(tmp_path / "out", records)
            wait_for(server, moment)
            task.send_signal(signal.SIGKILL)
            task.wait(60)
            assert not (tmp_path / "out" / "manifest.json").exists()
        assert start(tmp_path / "out", records).wait(60) == 0
        asked = [request["messages"][1]["content"] for request in server.requests]
    repeated = len(asked) - len(set(asked))
    assert len(set(asked)) == records
    assert repeated <= 3 * in_flight, "only calls in flight at a kill may be repeated"
    rows: list[Question] = list(Dataset(tmp_path / "out").rows("questions"))
    assert sorted(row.video_id for row in rows) == [f"v{number:03}" for number in range(records)]


def test_what_was_asked_before_a_task_is_told_to_stop_is_stored_and_never_bought_again(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = 12
    with loopback(lambda body, number: says({"question": "How many?"}, after_s=1.5)) as server:
        use(monkeypatch, server.url)
        task = start(tmp_path / "out", records)
        wait_for(server, 5)
        task.terminate()
        assert task.wait(60) == 130
        assert server.at_once == 0 and len(server.requests) < records
        assert "in flight are stored" in (run_dir / "logs" / "toy.jsonl").read_text()
        assert start(tmp_path / "out", records).wait(60) == 0
        asked = [request["messages"][1]["content"] for request in server.requests]
    assert len(asked) == len(set(asked)) == records


@pytest.mark.parametrize(
    "before", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")], ids=["", "where a shell had Ctrl-C ignored"]
)
def test_a_terminated_task_says_that_it_was_interrupted(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch, before: Sequence[str]
) -> None:
    with loopback(lambda body, number: says({"question": "?"}, after_s=0.02)) as server:
        use(monkeypatch, server.url)
        task = start(tmp_path / "out", 3000, before)
        wait_for(server, 10)
        task.terminate()
        assert task.wait(60) == 130, record(run_dir)["error"]
    assert record(run_dir)["error"]["type"] == "Interrupted"


def test_a_refused_key_is_never_printed(
    tmp_path: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "very-secret")
    with loopback(lambda body, number: refuses(401)) as server:
        endpoints = {"builtin": {"base_url": server.url, "api_key_env": "TEACHER_KEY"}}
        monkeypatch.setenv("REWATCH_ENDPOINTS", json.dumps(endpoints))
        assert "TEACHER_KEY" in fails(capsys, 2, tmp_path / "out")
    left = "".join(path.read_text() for path in run_dir.rglob("*") if path.is_file())
    assert "very-secret" not in left


def test_a_data_task_imports_nothing_heavy(tmp_path: Path, run_dir: Path) -> None:
    """What that saves is measured by a bench."""
    command = [sys.executable, "-m", "tests.components.core.engine.quick", str(tmp_path / "out")]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    imported = set(json.loads((tmp_path / "out" / "modules.json").read_text()))
    assert "components.core.engine.run" in imported and record(run_dir, "quick")["rows"]["ok"] == 10
    assert not imported & {"torch", "pandas", "mlflow", "kfp", "great_expectations", "openai", "boto3"}


def test_every_stage_has_a_command_line_that_lists_its_settings() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tests.components.core.engine.toy", "--help"], capture_output=True, text=True, check=True
    )
    assert "records: How many records to make." in shown.stdout
    assert "--written" in shown.stdout
