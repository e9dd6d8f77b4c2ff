"""`kill -9` of the launcher, at several moments: nothing of its process tree remains, and nobody is asked any more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.launch.local.folders import RunsRoot
from pipelines.launch.status import print_run, print_runs

SOON_S = 60.0
"""On a busy machine; on a quiet one all are gone within a tenth of a second."""
MOMENT_S = 120.0
"""By then a launcher on a busy machine is where it shall be killed."""


class Asked(ThreadingHTTPServer):
    """A teacher that counts how often it is asked."""

    daemon_threads = True
    times = 0


class _Count(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Asked)
        self.server.times += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def teacher() -> Iterator[Asked]:
    server = Asked(("127.0.0.1", 0), _Count)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def tree(mark: str) -> dict[int, str]:
    """Command lines of the processes whose environment holds a mark, by process id; the dead have no environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def wait_until(happens: Callable[[], bool], seconds: float, step_s: float = 0.005) -> bool:
    deadline = time.monotonic() + seconds
    while not happens() and time.monotonic() < deadline:
        time.sleep(step_s)
    return happens()


def started_by(pid: int) -> Iterator[str]:
    """Command lines of a process's children, and of theirs: a few files, where `tree` reads some of every process."""
    with suppress(OSError):  # it has ended meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                yield from started_by(int(child))


def runs(word: str) -> Callable[[int, Asked], bool]:
    return lambda launcher, teacher: any(word in line for line in started_by(launcher))


MOMENTS: dict[str, Callable[[int, Asked], bool]] = {
    "the worker starts": runs("pipelines.launch.local.worker"),
    "the tracker starts": runs("pipelines.launch.local.mlflow_parent"),
    "the built-in teacher starts": runs("components.sandbox.teacher"),
    "a task imports": runs("executor_main"),
    "a task asks": lambda launcher, teacher: teacher.times > 10,
}


@pytest.mark.parametrize(
    ("moment", "after_s"),
    [
        ("the worker starts", 0.0),
        pytest.param("the worker starts", 0.5, marks=pytest.mark.full),  # it still is when a task imports
        pytest.param("the tracker starts", 0.3, marks=pytest.mark.full),  # it still is when the teacher starts
        ("the built-in teacher starts", 0.1),
        ("a task imports", 0.0),
        ("a task asks", 0.0),
    ],
)
def test_nothing_of_a_killed_launcher_remains_and_no_call_is_bought(
    tmp_path: Path, teacher: Asked, moment: str, after_s: float
) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"x")
    extras = moment in ("the tracker starts", "the built-in teacher starts")
    script = f"""
import sys
from dataclasses import replace
from pathlib import Path
from pipelines.profile import load_profile
from tests.pipelines.launch.local.test_launcher import a_run
run = a_run(Path({str(tmp_path)!r}), Path({str(tmp_path / "videos")!r}), [])
if {extras!r}:
    run = replace(run, tracking=True, profile=load_profile("laptop"))
sys.exit(run.start())
"""
    launcher = subprocess.Popen(
        [sys.executable, "-c", script],
        # The path reaches decoders too, whose environment is otherwise emptied.
        env={
            **os.environ,
            "PATH": f"{os.environ['PATH']}:/{mark}",
            "FAKE_ASK": f"http://127.0.0.1:{teacher.server_port}/",
        },
    )
    try:
        assert wait_until(lambda: MOMENTS[moment](launcher.pid, teacher), MOMENT_S), "the moment never came"
        time.sleep(after_s)
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        assert wait_until(lambda: not tree(mark), SOON_S, 0.05), tree(mark)
        asked = teacher.times
        time.sleep(0.3)
        assert teacher.times == asked
    finally:
        launcher.kill()
        for process in tree(mark):
            os.kill(process, signal.SIGKILL)
    assert json.loads(next((tmp_path / "runs").glob("*/run.json")).read_text())["status"] == "running"


def test_sigterm_ends_a_run_like_an_interrupt_and_leaves_word_of_it(tmp_path: Path, teacher: Asked) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"x")
    script = f"""
import sys
from pathlib import Path
from tests.pipelines.launch.local.test_launcher import a_run
sys.exit(a_run(Path({str(tmp_path)!r}), Path({str(tmp_path / "videos")!r}), []).start())
"""
    asking = {"PATH": f"{os.environ['PATH']}:/{mark}", "FAKE_ASK": f"http://127.0.0.1:{teacher.server_port}/"}
    launcher = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **asking})
    assert wait_until(lambda: teacher.times > 0, MOMENT_S)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(SOON_S) == 130
    assert wait_until(lambda: not tree(mark), SOON_S, 0.05), tree(mark)
    assert json.loads(next((tmp_path / "runs").glob("*/run.json")).read_text())["status"] == "interrupted"


def test_a_killed_run_is_called_killed_while_another_is_at_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from components.core.data.outline import Outline
    from components.core.processes import lifeline
    from pipelines.launch.local.progress import RunWatcher

    root = RunsRoot(tmp_path)
    dead, alive = root.new_run(), root.new_run()
    for run in (dead, alive):
        RunWatcher(run, {"run_id": run.id, "profile": "laptop"}, print, Outline()).write("running")
    with lifeline(alive.lifeline):
        print_runs(str(tmp_path))
        print_run(dead.record)
        print_run(alive.record)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.strip()] == ["killed", "running", "killed", "running"]
