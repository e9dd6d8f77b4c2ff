"""Processes of a run: none outlives it, however it is killed, and each reaches this machine past a dead proxy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from components.core.processes import is_held, lifeline, reach_loopback
from components.core.teachers.endpoints import Endpoint, EndpointSettings

DEAD_PROXY = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
SOON_S = 60.0

HOLDER = (
    "import sys, time; from pathlib import Path; from components.core.processes import lifeline\n"
    + textwrap.dedent(
        """
    with lifeline(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
    """
    )
)
MEMBER = "import time; from components.core.processes import join_run; join_run(); print('joined', flush=True)\n"


def python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A Python process with a pipe to read from."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})


def said(process: subprocess.Popen[str]) -> str:
    """The next line that a process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lifeline `tmp_path/.lifeline`."""
    with python(HOLDER, str(tmp_path / ".lifeline")) as process:
        assert said(process) == "held"
        yield process
        process.kill()


@pytest.mark.parametrize(
    "busy",
    [
        "time.sleep(60)",
        "while True: pass",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "import sqlite3; sqlite3.connect(':memory:').execute('with recursive n(i) as "
        "(select 1 union all select i + 1 from n) select count(*) from n').fetchone()",
    ],
    ids=["waiting", "computing", "waiting for a child", "inside a library"],
)
def test_a_process_ends_the_moment_its_launcher_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str], busy: str
) -> None:
    with python(MEMBER + busy, REWATCH_LIFELINE=str(tmp_path / ".lifeline")) as member:
        assert said(member) == "joined"
        assert is_held(tmp_path / ".lifeline")
        holder.kill()
        assert member.wait(SOON_S) == -signal.SIGKILL
    assert not is_held(tmp_path / ".lifeline")


def test_a_process_that_starts_after_the_launcher_was_killed_ends_too(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    with python(MEMBER + "time.sleep(60)", REWATCH_LIFELINE=str(tmp_path / ".lifeline")) as late:
        assert late.wait(SOON_S + 10) == -signal.SIGKILL


def test_a_process_whose_runs_folder_was_removed_ends_too(tmp_path: Path) -> None:
    with python(MEMBER + "time.sleep(60)", REWATCH_LIFELINE=str(tmp_path / "gone" / ".lifeline")) as late:
        assert late.wait(SOON_S + 10) == -signal.SIGKILL


def test_a_lifeline_is_held_for_as_long_as_the_block_lasts(tmp_path: Path) -> None:
    path = tmp_path / ".lifeline"
    assert not is_held(path)
    with lifeline(path):
        assert is_held(path)
    assert not is_held(path)


def test_a_decoder_that_hangs_on_a_file_ends_with_the_task_that_asked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs.mp4")
    code = textwrap.dedent(
        """
        import sys, threading, time
        from pathlib import Path
        from components.core.video.process import DecoderProcess
        decoder = DecoderProcess()
        threading.Thread(target=decoder.probe, args=(Path(sys.argv[1]),), daemon=True).start()
        while decoder._process is None:
            time.sleep(0.01)
        print(decoder._process.pid, flush=True)
        time.sleep(60)
        """
    )
    with python(code, str(tmp_path / "hangs.mp4")) as task:
        decoder = int(said(task))
        time.sleep(1.5)  # it has started and waits for the file
        assert Path(f"/proc/{decoder}").exists()
        task.kill()
    assert ends(decoder)


def test_renderers_of_the_corpus_end_with_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "corpus", "--out", str(tmp_path / "corpus")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as renderer:
        deadline = time.monotonic() + 30
        while len(workers := children(renderer.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.0)
        renderer.kill()
    assert len(workers) >= 2
    assert all(ends(worker) for worker in workers)


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ends(pid: int) -> bool:
    """Whether a process that may be nobody's child of ours is soon gone, or a corpse that nobody buried."""
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("named", "spared"),
    [
        ({}, "localhost,127.0.0.1,::1,[::1]"),
        ({"no_proxy": "a.example"}, "a.example,localhost,127.0.0.1,::1,[::1]"),
        ({"NO_PROXY": "b, localhost", "no_proxy": "a"}, "a,b,localhost,127.0.0.1,::1,[::1]"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_loopback_joins_the_hosts_that_a_person_spared(named: dict[str, str], spared: str) -> None:
    environment = dict(named)
    reach_loopback(environment)
    reach_loopback(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == spared


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"choices": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def loopback() -> Iterator[str]:
    """The address of a server on this machine."""
    server = HTTPServer(("127.0.0.1", 0), _Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def by_urllib(address: str) -> bytes:
    # An opener of its own: the one that urlopen keeps holds the proxies of its first use.
    return bytes(urllib.request.build_opener().open(address, timeout=30).read())


def by_requests(address: str) -> bytes:
    import requests

    return bytes(requests.get(address, timeout=30).content)


def by_httpx(address: str) -> bytes:
    import httpx2

    return bytes(httpx2.get(address, timeout=30).content)


def by_boto(address: str) -> bytes:
    import boto3
    from botocore.config import Config

    key = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client(
        "s3", endpoint_url=address, config=Config(connect_timeout=30, retries={"max_attempts": 0}), **key
    )
    return bytes(client.get_object(Bucket="b", Key="k")["Body"].read())


@pytest.mark.parametrize("get", [by_urllib, by_requests, by_httpx, by_boto])
def test_every_client_that_we_use_reaches_loopback_past_a_dead_proxy(
    get: Callable[[str], bytes], loopback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    for name in PROXIES:
        monkeypatch.setenv(name, DEAD_PROXY)
    with pytest.raises(Exception, match=r"(?i)prox|refused|connect"):
        get(loopback)
    reach_loopback(os.environ)
    assert get(loopback) == b'{"choices": []}'


async def test_a_teacher_on_loopback_is_reached_past_a_dead_proxy(
    loopback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, DEAD_PROXY)
    endpoint = Endpoint("here", EndpointSettings(base_url=f"{loopback}/v1"))
    assert await endpoint.complete({"model": "m", "messages": []}, timeout_s=5) == {"choices": []}
    await endpoint.close()
