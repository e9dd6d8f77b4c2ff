"""Starting and ending a built-in teacher as a child process: for the launcher and for tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.core.errors import TeacherUnavailable

_ROOT = Path(__file__).resolve().parents[3]


@contextlib.contextmanager
def running_teacher(
    log: Path | None = None, faults: Sequence[str] = (), seed: int = 0, workers: int = 2, patience_s: float = 60.0
) -> Iterator[str]:
    """A teacher that answers for as long as the block runs.

    Args:
        log: file for its request log.
        faults: `name=probability[@role]`, as on its command line.
        patience_s: how long to wait until it answers.

    Yields:
        its base URL, such as `http://127.0.0.1:43121/v1`.

    Raises:
        TeacherUnavailable: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="teacher-") as folder:
        port_file, complaints = Path(folder, "port"), Path(folder, "stderr")
        command = [sys.executable, "-m", "components.sandbox.teacher", "--port", "0", "--port-file", str(port_file)]
        command += ["--seed", str(seed), "--workers", str(workers), "--parent-pid", str(os.getpid())]
        command += ["--log", str(log)] if log else []
        command += [word for fault in faults for word in ("--fault", fault)]
        paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        # One thread per worker: numpy's own threads would only compete with the other worker.
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with complaints.open("w") as stderr:
            child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            yield _wait_until_healthy(child, port_file, complaints, patience_s)
        finally:
            _end(child)


def _wait_until_healthy(child: subprocess.Popen[bytes], port_file: Path, complaints: Path, patience_s: float) -> str:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if child.poll() is not None:
            said = complaints.read_text().strip().splitlines()
            reason = said[-1] if said else f"it ended with code {child.returncode}"
            raise TeacherUnavailable(f"The built-in teacher did not start: {reason}", "Correct what it names.")
        if port_file.exists():
            address = f"http://127.0.0.1:{port_file.read_text()}"
            if _is_healthy(address):
                return f"{address}/v1"
        time.sleep(0.02)
    raise TeacherUnavailable(
        f"The built-in teacher gave no sign within {patience_s:.0f} s.", "Try again on a quieter machine."
    )


def _is_healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
