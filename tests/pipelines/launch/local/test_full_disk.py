"""A disk that fills up while a run is under way: one clear message, and a run.json that says so."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core.data.outline import Outline
from components.core.engine import record
from components.core.engine.run import run_task
from components.core.errors import DiskFull, InputError, as_disk_full
from pipelines.launch.local import launcher
from pipelines.launch.local.folders import RunFolder, RunsRoot
from pipelines.launch.local.progress import RunWatcher
from tests.components.core.engine.toy.stage import STAGE
from tests.pipelines.launch.local.test_launcher import a_run

SMALL_DISK = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
MOUNT = "mount -t tmpfs -o size=6m tmpfs "
RUN = """
import sys
from pathlib import Path
from components.core.errors import RewatchError
from pipelines.launch.status import print_run
from tests.pipelines.launch.local.test_launcher import a_run
folder, videos = Path(sys.argv[1]), Path(sys.argv[2])
run = a_run(folder, videos, said := [])
try:
    code = run.start()
except RewatchError as error:
    code, said = error.exit_code, [*said, error.what, error.remedy]
print("\\n".join(said))
print_run(run.runs.latest().record)
print("code", code)
"""


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*SMALL_DISK, MOUNT + "/mnt"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"x")
    return folder


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_a_disk_that_a_task_fills_is_named_and_run_json_says_failed(tmp_path: Path, videos: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "run.py").write_text(RUN)
    command = f"{MOUNT} '{disk}' && exec '{sys.executable}' '{tmp_path}/run.py' '{disk}' '{videos}'"
    environment = {**os.environ, "FAKE_FILL": "1", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([*SMALL_DISK, command], capture_output=True, text=True, env=environment, check=False)
    # Lines behind a bar quote the end of KFP's log, in which a task that had no room may leave its own.
    said = [line for line in (done.stderr + done.stdout).splitlines() if not line.lstrip().startswith("|")]
    assert "Traceback" not in "\n".join(said), done.stderr
    assert "There is no room left to write" in done.stdout
    assert "Free space" in done.stdout
    assert ": failed" in done.stdout
    assert done.stdout.splitlines()[-1] == "code 2"


class FullDisk:
    """A file system that takes nothing more, until room is made by removing the reserve."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, run: RunFolder) -> None:
        self.run, self.write = run, record.write_atomically
        monkeypatch.setattr(record, "write_atomically", self)

    def __call__(self, path: Path, data: bytes) -> None:
        if (self.run.path / ".reserve").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self.write(path, data)


def test_how_a_run_ended_is_told_on_room_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunsRoot(tmp_path).new_run()
    watcher = RunWatcher(run, {"run_id": run.id, "profile": "laptop"}, print, Outline())
    watcher.write("running")
    FullDisk(monkeypatch, run)
    (run.path / "tasks" / "ingest.json").write_text(json.dumps({"name": "ingest", "status": "succeeded"}))
    assert [ended["name"] for ended in watcher.poll()] == ["ingest"], "a full disk does not stop the watch"
    watcher.write("failed", error={"what": "There is no room left."})
    assert run.record.object("run.json")["status"] == "failed"
    assert run.record.object("run.json")["tasks"][0]["name"] == "ingest"
    assert not list(run.path.glob(".run.json*")), "nothing half written is left"


@pytest.mark.parametrize("broken", ["kfp.log", "job.json", "teacher"])
def test_a_launcher_that_cannot_start_a_run_leaves_it_failed(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    run = a_run(tmp_path, videos, [])

    def refuse(*_: object) -> Any:
        if broken == "teacher":
            raise InputError("The teacher did not start.", "Correct it.")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), broken)

    if broken == "teacher":
        monkeypatch.setattr(launcher, "endpoints_of", refuse)
    else:
        monkeypatch.setattr(type(run), {"kfp.log": "_watch", "job.json": "_write_job"}[broken], refuse)
    expected = InputError if broken == "teacher" else DiskFull
    with pytest.raises(expected) as told:
        run.start()
    latest = run.runs.latest()
    assert latest is not None
    told_in_record = latest.record.object("run.json")
    assert (told_in_record["status"], told_in_record["error"]["what"]) == ("failed", told.value.what)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("odd"), False),
    ],
)
def test_a_full_disk_is_told_from_other_errors(error: Exception, full: bool) -> None:
    assert (as_disk_full(error) is not None) == full


def test_a_task_on_a_full_disk_says_so_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("REWATCH_ENDPOINTS", "{}")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "part.parquet")

    monkeypatch.setattr("components.core.engine.run._finish_output", refuse)
    with pytest.raises(SystemExit) as ended:
        run_task(STAGE, settings='{"records": 0}', inputs={}, output=str(tmp_path / "out"), name="toy")
    assert ended.value.code == 2
    error = json.loads((tmp_path / "run" / "tasks" / "toy.json").read_text())["error"]
    assert error["type"] == "DiskFull" and "part.parquet" in error["what"] and "Free space" in error["remedy"]
    assert "Traceback" not in capsys.readouterr().err


def test_a_task_whose_record_cannot_be_written_ends_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "toy.json")

    monkeypatch.setattr("components.core.engine.record.RunRecord.write_task", refuse)
    with pytest.raises(SystemExit) as ended:
        run_task(STAGE, settings='{"records": 0}', inputs={}, output=str(tmp_path / "out"), name="toy")
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "no room left" in printed and "Traceback" not in printed
