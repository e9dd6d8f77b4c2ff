"""A training on several nodes: a TrainJob is made, followed, found again and removed; its pods are real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors.torch import load_file

from components.core.data.manifest import read_manifest
from components.core.engine.context import Context
from components.core.errors import SettingsError
from components.core.stores.files import storage_for
from components.core.stores.mirror import Mirror
from components.core.training.distributed.job import RESULT, Job, leave_error
from components.sft.train import STAGE
from pipelines.platform import Platform
from pipelines.training_nodes import trainjob_of
from tests.components.core.judging.stages import run_stage
from tests.components.core.training.distributed.test_ranks import SETTINGS, TOLERANCE, in_ranks
from tests.components.core.training.distributed.trainer_server import TASK_POD, Cluster, Node, kubernetes
from tests.components.training_world import training_data

PLATFORM = Platform.model_validate({"pools": {"training": {"cpu": "1", "memory": "1Gi", "timeout_s": 600}}})
FEW: dict[str, Any] = {
    "phases": [{"steps": 3, "videos": 3, "caption": 1, "direct": 1, "think": 1}],
    "checkpoint_every": 1,
}


def in_nodes(processes: int = 1, **others: Any) -> dict[str, Any]:
    ranks = in_ranks(2, processes)
    return {**ranks, "distributed": {**ranks["distributed"], "nodes": 2, "restarts": 0}, **FEW, **others}


def told(kubeconfig: Path, bucket: str, scratch: Path) -> dict[str, str]:
    """The surroundings of a task whose platform has a TrainJob for it."""
    trainjob = trainjob_of(PLATFORM, "training", "registry.example/train:1")
    context = Context(run_id="7f3a", state_root=f"{bucket}/state", scratch=str(scratch), trainjob=trainjob)
    own = {"KUBECONFIG": str(kubeconfig), "KFP_POD_NAME": TASK_POD, "OMP_NUM_THREADS": "1"}
    return {**context.environment(), **own}


def start(folder: Path, data: dict[str, Path], environment: dict[str, str], settings: Any) -> subprocess.Popen[bytes]:
    """SFT as the task's own process."""
    inputs = [part for name, path in data.items() for part in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "components.sft", *inputs, "--output", str(folder / "output")]
    folder.mkdir(parents=True)
    return subprocess.Popen(
        [*command, "--settings", json.dumps(settings)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=(folder / "said").open("wb"),
    )


def wait_until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def said(folder: Path) -> str:
    return (folder / "said").read_text()


@pytest.mark.full
def test_two_nodes_train_what_one_process_trains(tmp_path: Path, s3_bucket: str) -> None:
    data = training_data(tmp_path, 4)
    run_stage(STAGE, "http://127.0.0.1:9/v1", tmp_path / "one", data, {**SETTINGS, **FEW})
    with kubernetes(tmp_path) as (cluster, kubeconfig):
        environment = told(kubeconfig, s3_bucket, tmp_path / "scratch")
        task = start(tmp_path / "two", data, environment, in_nodes())
        assert task.wait() == 0, said(tmp_path / "two")
    (made,) = cluster.created
    assert made["spec"]["trainer"]["image"] == "registry.example/train:1" and cluster.trainjobs == {}
    assert made["metadata"]["ownerReferences"][0]["name"] == "run"
    assert list(storage_for(s3_bucket).list(f"{s3_bucket}/state/trainings/")) == []
    heard = said(tmp_path / "two")
    assert "2 nodes of 1 processes" in heard and "node 0: rank 0: " in heard and "step 3/3" in heard
    one, two = (load_file(tmp_path / name / "output" / "model.safetensors") for name in ("one", "two"))
    assert max(float((one[name] - value).abs().max()) for name, value in two.items()) <= 10 * TOLERANCE
    curves = [
        [json.loads(line) for line in (tmp_path / name / "output" / "training.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for before, after in zip(*curves, strict=True):
        assert after == pytest.approx(before, abs=TOLERANCE)


class Waiting(NamedTuple):
    """A cluster whose pods never start."""

    cluster: Cluster
    begin: Callable[[str], subprocess.Popen[bytes]]
    """Starts a task, by its name, that makes a TrainJob there."""

    def begun(self, name: str) -> tuple[subprocess.Popen[bytes], str]:
        """A task that has made its TrainJob, and what that is called."""
        task = self.begin(name)
        wait_until(lambda: self.cluster.trainjobs, task)
        (trainjob,) = self.cluster.trainjobs
        return task, trainjob


@pytest.fixture
def waiting(tmp_path: Path, s3_bucket: str) -> Iterator[Waiting]:
    data = training_data(tmp_path, 1)
    started: list[subprocess.Popen[bytes]] = []
    with kubernetes(tmp_path, runs=False) as (cluster, kubeconfig):

        def begin(name: str) -> subprocess.Popen[bytes]:
            environment = told(kubeconfig, s3_bucket, tmp_path / name / "scratch")
            started.append(start(tmp_path / name, data, environment, in_nodes()))
            return started[-1]

        yield Waiting(cluster, begin)
        for process in started:
            process.kill()
            process.wait()


def test_a_task_that_comes_again_finds_its_trainjob_and_one_that_is_told_to_stop_deletes_it(
    tmp_path: Path, waiting: Waiting
) -> None:
    cluster = waiting.cluster
    cluster.refuses = 500
    first, _ = waiting.begun("first")
    first.kill()
    second = waiting.begin("second")
    wait_until(lambda: "following it" in said(tmp_path / "second"), second)
    second.send_signal(signal.SIGTERM)
    assert second.wait() == 130
    assert len(cluster.created) == 1 and len(cluster.deleted) == 1 and cluster.trainjobs == {}
    assert [it["name"] for it in cluster.created[0]["metadata"]["ownerReferences"]] == ["run"]


class Leaving(Node):
    """A pod of a TrainJob that was deleted: it has ended once it was seen."""

    def __init__(self, made: list[dict[str, Any]]) -> None:
        self._made = made
        self.seen_before: list[int] = []

    def phase(self) -> str:
        """As Kubernetes tells it."""
        self.seen_before.append(len(self._made))
        return "Running" if len(self.seen_before) == 1 else "Succeeded"

    def as_json(self) -> dict[str, Any]:
        """The pod."""
        return {"metadata": {"name": "leaving", "uid": "leaving", "labels": {}}, "status": {"phase": "Running"}}


def test_a_trainjob_is_made_once_the_pods_of_the_one_before_have_ended(tmp_path: Path, waiting: Waiting) -> None:
    cluster = waiting.cluster
    first, name = waiting.begun("first")
    cluster.conclude(name, "Failed")
    assert first.wait() == 1
    leaving = Leaving(cluster.created)
    cluster.nodes[name] = [leaving]
    waiting.begun("second")
    assert leaving.seen_before == [1, 1]


def test_what_a_rank_says_it_failed_of_is_the_tasks_own_error(tmp_path: Path, s3_bucket: str, waiting: Waiting) -> None:
    cluster = waiting.cluster
    task, name = waiting.begun("task")
    rank = Mirror(tmp_path / "node", f"{s3_bucket}/state/trainings/{name}")
    leave_error(rank.folder, 1, SettingsError("optimizer.name is muon.", "Set it to adamw."))
    rank.publish(rank.folder / "error-1.json")
    cluster.conclude(name, "Failed")
    assert task.wait() == 2
    assert "SettingsError: optimizer.name is muon. Set it to adamw." in said(tmp_path / "task")
    assert cluster.trainjobs == {}


def test_the_model_becomes_the_tasks_own_and_nothing_of_the_training_is_left(
    tmp_path: Path, s3_bucket: str, waiting: Waiting
) -> None:
    cluster = waiting.cluster
    task, name = waiting.begun("task")
    node = Mirror(tmp_path / "node", f"{s3_bucket}/state/trainings/{name}")
    node.find()
    assert Job.read(node.folder).inputs["captions"] == ["inputs/captions/0"]
    (node.folder / "output").mkdir()
    (node.folder / "output" / "model.safetensors").write_bytes(b"weights" * 1_000_000)
    (node.folder / RESULT).write_text(json.dumps({"metrics": {"steps": 3.0}, "info": {}, "by_role": {}}))
    node.publish(node.folder / "output")
    node.publish(node.folder / RESULT)
    cluster.conclude(name, "Complete")
    assert task.wait() == 0, said(tmp_path / "task")
    assert (tmp_path / "task" / "output" / "model.safetensors").stat().st_size == 7_000_000
    assert read_manifest(tmp_path / "task" / "output").metrics == {"steps": 3.0}
    assert list(storage_for(s3_bucket).list(f"{s3_bucket}/state/trainings/")) == [] and cluster.trainjobs == {}


def test_a_trainjob_that_fails_is_deleted_or_takes_too_long_fails_the_task(tmp_path: Path, waiting: Waiting) -> None:
    cluster = waiting.cluster
    task, name = waiting.begun("failed")
    cluster.conclude(name, "Failed")
    assert task.wait() == 1 and "A rank of the training died" in said(tmp_path / "failed")
    task, name = waiting.begun("deleted")
    cluster.delete(name)
    assert task.wait() == 1 and "was deleted while it ran" in said(tmp_path / "deleted")
    task, name = waiting.begun("late")
    cluster.conclude(name, "Failed", "DeadlineExceeded")
    assert task.wait() == 1 and "did not end in its time; at last it had no pod" in said(tmp_path / "late")


def test_a_refusal_is_told_with_what_to_do(tmp_path: Path, waiting: Waiting) -> None:
    waiting.cluster.refuses = 403
    assert waiting.begin("task").wait() == 2
    assert "Apply manifests/components/trainer" in said(tmp_path / "task")


@pytest.mark.full
def test_nodes_that_are_told_to_stop_leave_a_checkpoint_that_the_next_trainjob_goes_on_from(
    tmp_path: Path, s3_bucket: str
) -> None:
    data = training_data(tmp_path, 4)
    longer = {"phases": [{**FEW["phases"][0], "steps": 60}], "checkpoint_every": 100}
    with kubernetes(tmp_path) as (cluster, kubeconfig):
        for name, wanted in (("first", 130), ("second", 0)):
            environment = told(kubeconfig, s3_bucket, tmp_path / name / "scratch")
            task = start(tmp_path / name, data, environment, in_nodes(**longer))
            if name == "first":
                wait_until(lambda: "parameters, 60 steps" in said(tmp_path / "first"), task)
                task.send_signal(signal.SIGTERM)
            assert task.wait() == wanted, said(tmp_path / name)
            for nodes in cluster.nodes.values():
                for node in nodes:
                    node.process.wait()
    assert len(cluster.created) == 2
    assert "continuing at step" in said(tmp_path / "second")
