"""Text from models and files, wherever it reaches a terminal or a log line: shown, never obeyed."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.data.outline import Outline
from components.core.engine.task_log import close_log, open_log
from components.core.engine.terminal import printable, say
from pipelines.cli import main
from pipelines.launch.local.ending import tell_failure
from pipelines.launch.local.folders import RunsRoot
from pipelines.launch.local.progress import RunWatcher
from pipelines.launch.status import print_run, print_runs

HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\n a red\u202e circle\u2028 \x9b31m \x85\ud800 \U000e0041 end"
SHOWN = r"\u001b[2J\u001b]0;owned\u0007\u000d\u000a a red\u202e circle\u2028 \u009b31m \u0085\ud800 \udb40\udc41 end"


def steers(text: str) -> list[str]:
    """Characters that a terminal would obey or could not show, line ends aside."""
    kinds = {letter: unicodedata.category(letter) for letter in text.replace("\n", "")}
    return [
        letter for letter, kind in kinds.items() if kind in ("Cc", "Cs", "Zl", "Zp") or letter in "\u202e\U000e0041"
    ]


def test_what_steers_a_terminal_is_shown_as_an_escape() -> None:
    assert printable(HOSTILE) == SHOWN


@given(st.text())
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert steers(shown) == [] and len(shown.splitlines()) <= 1
    shown.encode()


@given(st.text())
def test_the_escapes_are_those_of_json(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == json.loads(json.dumps(text))


@pytest.mark.parametrize("text", ["a red circle", "ein roter Kreis über", "赤い円", "دائرة حمراء", "👨‍👩‍👧", "a\\b"])
def test_words_of_any_language_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_a_tasks_log_and_console_hold_no_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log("caption", tmp_path / "caption.jsonl")
    log.warning("invalid reply: %s", HOSTILE)
    close_log(log)
    line = (tmp_path / "caption.jsonl").read_text()
    console = capsys.readouterr().err
    for text in (line, console):
        assert len(text.splitlines()) == 1 and steers(text) == [] and "a red" in text
    assert json.loads(line)["message"] == f"invalid reply: {HOSTILE}"


def test_what_a_run_says_of_its_tasks_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunsRoot(tmp_path).new_run()
    error = {"type": "ReplyError", "what": HOSTILE, "remedy": HOSTILE}
    failed = {"name": f"caption{HOSTILE}", "status": "failed", "error": error}
    (run.path / "tasks" / "caption.json").write_text(json.dumps(failed))
    (run.path / "tasks" / "sft.json").write_text(json.dumps({"name": "sft", "status": "running"}))
    for name in ("caption", "sft"):
        (run.logs / f"{name}.jsonl").write_text(json.dumps({"message": HOSTILE}, ensure_ascii=True) + "\n")
    watcher = RunWatcher(run, {"run_id": run.id, "profile": "laptop", "videos": f"/films/{HOSTILE}"}, say, Outline())
    watcher.poll()
    for line in watcher.running():
        say(line)
    told = {"task": "caption", "record": "caption", **error}
    watcher.write("failed", error=told)
    tell_failure(run, told, say, f"rewatch run --videos {HOSTILE}")
    print_runs(str(tmp_path))
    print_run(run.record)
    printed = capsys.readouterr().out
    assert printed.count("a red") >= 9
    assert steers(printed) == []


def test_a_log_line_cut_or_split_by_strange_separators_does_not_end_the_launcher(tmp_path: Path) -> None:
    run = RunsRoot(tmp_path).new_run()
    (run.path / "tasks" / "sft.json").write_text(json.dumps({"name": "sft", "status": "running"}))
    (run.logs / "sft.jsonl").write_text(json.dumps({"message": "one\u2028two\x85"}, ensure_ascii=False) + '\n{"mess')
    [line] = RunWatcher(run, {}, print, Outline()).running()
    assert "one" in line and "two" in line


def test_an_error_of_the_command_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--set", "captioning.\x1b[31m=1"]) == 2
    printed = capsys.readouterr().err
    assert r"\u001b[31m" in printed or r"\x1b[31m" in printed
    assert steers(printed) == []


def test_a_reader_who_leaves_does_not_end_the_work() -> None:
    code = """
import sys
from components.core.engine.terminal import say
for _ in range(20000):
    say("x" * 80)
sys.stderr.write("done")
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"done"
        assert process.wait(30) == 0
