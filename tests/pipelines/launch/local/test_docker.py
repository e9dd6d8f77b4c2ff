"""How tasks run in containers. A server on loopback stands in for Docker's; the real one is asked by tests/full."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components.core.errors import InputError, RewatchError, SettingsError
from pipelines.launch.local.docker import (
    LABEL,
    DockerSettings,
    check_docker,
    container_arguments,
    containers_of,
    run_container,
)
from pipelines.launch.local.folders import RunsRoot
from pipelines.profile import load_profile

ENVIRONMENT = {"REWATCH_RUN_ID": "r", "MLFLOW_TRACKING_URI": "http://m", "MY_KEY": "k", "PATH": "/bin", "OTHER": "s"}


class Daemon(ThreadingHTTPServer):
    """As much of Docker as running a container takes; its containers end at once, with `code`."""

    daemon_threads = True
    code = 0
    forgets = False
    """Whether it no longer knows a container that has ended, as Docker does where it removes them itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Docker)
        self.containers: dict[str, dict[str, Any]] = {}
        self.removed: list[str] = []


class _Docker(BaseHTTPRequestHandler):
    server: Daemon

    def do_GET(self) -> None:
        path, query = self._path()
        if path == "/version":
            self._answer({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})
        elif path == "/images/json":
            self._answer([{"Id": "sha256:1", "RepoTags": ["here:1"]}])
        elif path.startswith("/images/"):
            self._answer({"Id": "sha256:1", "RepoTags": ["here:1"]})
        elif path == "/containers/json":
            (label,) = json.loads(query["filters"][0])["label"]
            name, _, value = label.partition("=")
            held = [it for it in self.server.containers.values() if it["Labels"].get(name) == value]
            self._answer(held)
        elif path.endswith("/logs"):
            said = b"its last words\n"
            self._answer(bytes([1, 0, 0, 0]) + len(said).to_bytes(4, "big") + said)
        else:
            known = path.split("/")[2] in self.server.containers
            self._answer({"Id": path.split("/")[2], "Config": {"Tty": False}}, 200 if known else 404)

    def do_POST(self) -> None:
        path, _ = self._path()
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        if path == "/containers/create":
            name = f"c{len(self.server.containers)}"
            self.server.containers[name] = {**body, "Id": name, "Labels": body.get("Labels") or {}}
            self._answer({"Id": name}, 201)
        elif path.endswith("/wait"):
            self._answer({"StatusCode": self.server.code, "message": "gone"}, 404 if self.server.forgets else 200)
        else:
            self._answer(b"", 204)

    def do_DELETE(self) -> None:
        name = self._path()[0].split("/")[2]
        self.server.containers.pop(name, None)
        self.server.removed.append(name)
        self._answer(b"", 204)

    def _path(self) -> tuple[str, dict[str, list[str]]]:
        url = urlsplit(self.path)
        path = url.path if not url.path.startswith("/v1") else "/" + url.path.split("/", 2)[2]
        return path, parse_qs(url.query)

    def _answer(self, content: object, status: int = 200) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture()
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    server = Daemon()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def run(**arguments: object) -> int:
    import docker

    client = docker.from_env()
    try:
        return run_container(client, "here:1", ["true"], {}, **arguments)
    finally:
        client.close()


@pytest.mark.parametrize("code", [0, 1, 2, 137])
def test_a_container_ends_as_it_ended_and_is_removed(
    daemon: Daemon, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.code = code
    assert run() == code
    assert capsys.readouterr().out == "its last words\n"
    assert daemon.removed == ["c0"]


def test_docker_is_not_told_to_remove_a_container_by_itself(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Docker, "do_DELETE", lambda self: self._answer(b"", 204))
    run(labels={LABEL: "/runs"})
    (created,) = daemon.containers.values()
    assert not created["HostConfig"].get("AutoRemove")
    assert created["Labels"] == {LABEL: "/runs"}


def test_a_container_that_is_gone_is_no_success(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.forgets = True
    assert run() == 1
    assert "was removed while it ran" in capsys.readouterr().out


def test_a_run_ends_the_containers_of_its_runs_folder_before_and_after(daemon: Daemon, tmp_path: Path) -> None:
    def containers(*labels: str) -> None:
        for label in labels:
            name = f"c{len(daemon.containers)}"
            daemon.containers[name] = {"Id": name, "Labels": {LABEL: label}}

    containers(str(tmp_path), str(tmp_path / "other"))
    with containers_of(tmp_path):
        assert daemon.removed == ["c0"]
        daemon.containers["late"] = {"Id": "late", "Labels": {LABEL: str(tmp_path)}}
    assert daemon.removed == ["c0", "late"]
    assert [it["Labels"] for it in daemon.containers.values()] == [{LABEL: str(tmp_path / "other")}]


def test_images_that_are_missing_are_named_before_anything_starts(daemon: Daemon) -> None:
    check_docker(["here:1"])
    with pytest.raises(InputError, match="1 of the 2 images are not on this machine, such as there:2") as told:
        check_docker(["here:1", "there:2"])
    assert "make images" in told.value.remedy


def test_a_docker_that_does_not_answer_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(RewatchError, match="Docker does not answer") as told:
        check_docker(["here:1"])
    assert "docker info" in told.value.remedy


def test_a_container_gets_the_runs_environment_folders_and_owner(tmp_path: Path) -> None:
    films, runs = tmp_path / "films", tmp_path / "runs"
    films.mkdir()
    settings = DockerSettings(environment={"HF_HOME": "/models", "REWATCH_RUN_ID": "no"}, arguments={"shm_size": "1g"})
    given = container_arguments(settings, runs, {"videos": str(films)}, ENVIRONMENT, ["MY_KEY"])
    handed = {name: value for name, value in ENVIRONMENT.items() if name not in ("PATH", "OTHER")}
    assert given["environment"] == {**handed, "HF_HOME": "/models", "HOME": "/tmp", "PYTHONSAFEPATH": "1"}
    assert given["user"] == f"{os.getuid()}:{os.getgid()}"
    assert given["shm_size"] == "1g"
    assert given["labels"] == {LABEL: str(runs)}
    assert {mount["Target"]: mount["ReadOnly"] for mount in given["mounts"]} == {str(films): True, str(runs): False}


def test_state_scratch_and_a_database_elsewhere_can_be_written(tmp_path: Path) -> None:
    environment = {
        "REWATCH_STATE_ROOT": str(tmp_path / "state"),
        "REWATCH_SCRATCH": str(tmp_path / "runs/scratch"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/tracking/mlflow.db",
    }
    given = container_arguments(DockerSettings(), tmp_path / "runs", {"videos": "s3://bucket/films"}, environment)
    writable = {mount["Target"] for mount in given["mounts"] if not mount["ReadOnly"]}
    assert writable == {str(tmp_path / name) for name in ("runs", "runs/scratch", "state", "tracking")}


def test_the_profile_adds_mounts_and_environment_and_cannot_take_away_ours() -> None:
    profile = load_profile("docker", ["launch.docker.mounts=[/models]", "launch.docker.environment={HF_HOME: /models}"])
    assert profile.launch.docker.mounts == ("/models",)
    assert profile.launch.docker.arguments["network_mode"] == "host"
    for wrong in ("arguments={user: root}", "arguments={volumes: {}}", "environment={MY_TOKEN: t}", "mount=[/models]"):
        with pytest.raises(SettingsError):
            load_profile("docker", [f"launch.docker.{wrong}"])


def test_what_ran_on_the_laptop_proves_nothing_in_a_container(tmp_path: Path) -> None:
    runs = RunsRoot(tmp_path)
    assert runs.cache_of("docker") != runs.cache_of("subprocess")
    assert {runs.cache_of(runner).parent for runner in ("docker", "subprocess")} == {runs.cache}
