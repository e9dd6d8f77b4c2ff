"""`kill -9` in the middle of a run: the next run pays for nothing twice and ends with the same data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from components.core.data.manifest import read_manifest
from components.core.data.settings import WorkSettings
from tests.full.conftest import ROOT, latest, run, run_arguments

pytestmark = pytest.mark.full

IN_FLIGHT = 2 * WorkSettings().concurrency
"""Calls that two shards may have under way when they are killed: one for each record at work."""


def kill_during(task: str, runs: Path, videos: Path) -> None:
    """Start a run and kill the launcher as soon as a task's log shows that it is at work."""
    before = set(runs.glob("*/run.json"))
    launcher = subprocess.Popen(
        run_arguments(runs, videos), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        started = [path.parent for path in set(runs.glob("*/run.json")) - before]
        if started and list((started[0] / "logs").glob(f"{task}*.jsonl")):
            break
        assert launcher.poll() is None, f"the run ended before {task} could be killed"
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    time.sleep(1.0)


def requests(runs: Path) -> Counter[str]:
    """How often the teacher was asked each request, over all runs of the folder."""
    logs = runs.glob("*/logs/teacher-requests.jsonl")
    return Counter(json.loads(line)["digest"] for log in logs for line in log.read_text().splitlines())


def test_three_kills_lose_nothing_and_repeat_only_calls_in_flight(
    corpus: Path, whole_run: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    for task in ("caption", "rewatch-questions", "sft"):
        kill_during(task, runs, corpus)
    assert run(runs, corpus).returncode == 0
    asked = requests(runs)
    repeated = sum(count - 1 for count in asked.values())
    print(f"{repeated} of {sum(asked.values())} requests repeated")
    assert repeated <= 2 * IN_FLIGHT < sum(asked.values()) / 2, "two of the kills strike while teachers are asked"
    assert asked.keys() == requests(whole_run).keys()
    killed, clean = latest(runs), latest(whole_run)
    for name in ("captions", "questions", "trajectories"):
        digests = [read_manifest(Path(record["datasets"][name])).digest for record in (killed, clean)]
        assert digests[0] == digests[1], name
    for name in ("sft", "grpo"):
        digests = [read_manifest(Path(record["models"][name])).digest for record in (killed, clean)]
        assert digests[0] == digests[1], name
