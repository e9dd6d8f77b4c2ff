"""What a task leaves in its pod's termination log: why it ended, and whether trying again would end the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.data.settings import StageSettings
from components.core.engine import pod
from components.core.engine.run import run_task
from components.core.engine.stage import Stage, Task
from components.core.errors import BudgetExceeded, DiskFull, InputError, StoreUnavailable, TeacherUnavailable


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A termination log, as Kubernetes mounts one."""
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setattr(pod, "TERMINATION_LOG", path)
    monkeypatch.setattr(pod, "PROCESS", tmp_path / "task.pid")
    return path


def run(work: Callable[[Task[StageSettings]], None], output: Path) -> None:
    stage = Stage(name="toy", settings=StageSettings, inputs=(), tables={}, run=work)
    run_task(stage, settings="{}", inputs={}, output=str(output))


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (InputError("There is no such prefix."), True),
        (BudgetExceeded("The budget is spent."), True),
        (StoreUnavailable("S3 could not be asked."), False),
        (TeacherUnavailable("It does not answer."), False),
        (DiskFull.of("a file"), False),
        (OSError(28, "No space left on device"), False),
        (RuntimeError("a bug, or the machine"), False),
        (KeyboardInterrupt(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_end_the_same_again_is_final(
    tmp_path: Path, log: Path, error: BaseException, is_final: bool
) -> None:
    def work(task: Task[StageSettings]) -> None:
        raise error

    with pytest.raises(SystemExit):
        run(work, tmp_path / "out")
    told = log.read_text()
    assert told.startswith(pod.FINAL if is_final else "rewatch: toy: ")
    assert "toy: " in told
    assert "\n" not in told


def test_the_process_to_ask_to_stop_is_named_while_it_works(tmp_path: Path, log: Path) -> None:
    named = []
    run(lambda task: named.append(pod.PROCESS.read_text()), tmp_path / "out")
    assert named == [str(os.getpid())]
    assert not pod.PROCESS.exists()
    assert log.read_text() == ""


def test_a_long_reason_is_cut_to_what_kubernetes_keeps(log: Path) -> None:
    pod.tell_pod(InputError("x"), "ä" * 5000)
    assert 2000 < log.stat().st_size <= 4096
