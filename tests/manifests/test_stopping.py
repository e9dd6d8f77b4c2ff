"""What pods of a run are patched with, tried: the hook asks the task, once, and lets the container end by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.render import MANIFESTS

PATIENCE_S = 60.0
TASK = """
import signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: print("asked", flush=True))
print("ready", flush=True)
sys.stdin.readline()  # ends its step, and publishes, for as long as the test likes
print("ended", flush=True)
"""


def pod_patch() -> dict[str, Any]:
    """The patch of every pod of a run, as KFP's API server is told it."""
    deployment = yaml.safe_load((MANIFESTS / "kubeflow-pipelines/install/api-server.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (variable,) = (given for given in container["env"] if given["name"] == "COMPILED_PIPELINE_SPEC_PATCH")
    patch: dict[str, Any] = json.loads(json.loads(variable["value"])["podSpecPatch"])
    return patch


def hook_of(container: str) -> dict[str, Any]:
    """What a container's preStop does."""
    (patched,) = (given for given in pod_patch()["containers"] if given["name"] == container)
    hook: dict[str, Any] = patched["lifecycle"]["preStop"]
    return hook


@pytest.fixture
def task() -> Iterator[subprocess.Popen[str]]:
    """A process in place of the container's first, and of the task in it."""
    process = subprocess.Popen([sys.executable, "-c", TASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@contextmanager
def started_hook(task: subprocess.Popen[str], named_in: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The hook, in a container whose first process is the task and where the task is named in that file."""
    program, flag, script = hook_of("main")["exec"]["command"]
    assert "kill -0 1;" in script and "/tmp/rewatch-task.pid" in script
    script = script.replace("kill -0 1;", f"kill -0 {task.pid};").replace("/tmp/rewatch-task.pid", str(named_in))
    hook = subprocess.Popen([program, flag, script])
    try:
        yield hook
    finally:
        hook.kill()
        hook.wait()


def goes_on(hook: subprocess.Popen[bytes]) -> bool:
    """Whether the hook waits still, after two rounds of it on a machine that is not too slow."""
    try:
        hook.wait(2.5)
    except subprocess.TimeoutExpired:
        return True
    return False


def test_the_hook_asks_the_task_once_and_waits_for_the_container(task: subprocess.Popen[str], tmp_path: Path) -> None:
    named_in = tmp_path / "task.pid"
    named_in.write_text(str(task.pid))  # without a newline, as tasks write it
    with started_hook(task, named_in) as hook:
        assert task.stdout is not None and task.stdout.readline() == "asked\n"
        assert goes_on(hook)
        said, _ = task.communicate("\n", timeout=PATIENCE_S)
        assert said == "ended\n"  # and was not asked again
        hook.wait(PATIENCE_S)


def test_a_container_without_a_task_ends_by_itself(task: subprocess.Popen[str], tmp_path: Path) -> None:
    with started_hook(task, tmp_path / "no-task.pid") as hook:
        assert goes_on(hook)
        said, _ = task.communicate("\n", timeout=PATIENCE_S)
        assert said == "ended\n"  # a driver is not asked
        hook.wait(PATIENCE_S)


def test_argos_own_container_outlasts_a_driver_and_not_the_grace_period() -> None:
    assert 5 <= hook_of("wait")["sleep"]["seconds"] < pod_patch()["terminationGracePeriodSeconds"]
