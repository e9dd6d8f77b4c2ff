"""A training on several nodes: a TrainJob is made, followed, found again and removed; its pods are real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from components.core.engine.context import Context
from components.sft.train import STAGE
from pipelines.platform import Platform
from pipelines.training_nodes import trainjob_of
from tests.components.core.judging.stages import run_stage
from tests.components.core.training.distributed.test_ranks import SETTINGS, TOLERANCE, in_ranks
from tests.components.core.training.distributed.trainer_server import kubernetes
from tests.components.training_world import training_data

PLATFORM = Platform.model_validate({"pools": {"training": {"cpu": "1", "memory": "1Gi", "timeout_s": 600}}})
FEW = {"phases": [{"steps": 3, "videos": 3, "caption": 1, "direct": 1, "think": 1}], "checkpoint_every": 1}


def in_nodes(processes: int = 1, **others: Any) -> dict[str, Any]:
    ranks = in_ranks(2, processes)
    return {**ranks, "distributed": {**ranks["distributed"], "nodes": 2, "restarts": 0}, **FEW, **others}


def told(kubeconfig: Path, bucket: str, scratch: Path) -> dict[str, str]:
    """The surroundings of a task whose platform has a TrainJob for it."""
    trainjob = trainjob_of(PLATFORM, "training", "registry.example/train:1")
    context = Context(run_id="7f3a", state_root=f"{bucket}/state", scratch=str(scratch), trainjob=trainjob)
    return {**context.environment(), "KUBECONFIG": str(kubeconfig), "OMP_NUM_THREADS": "1"}


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


def wait_until(condition: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_two_nodes_train_what_one_process_trains(tmp_path: Path, s3_bucket: str) -> None:
    data = training_data(tmp_path, 4)
    run_stage(STAGE, "http://127.0.0.1:9/v1", tmp_path / "one", data, {**SETTINGS, **FEW})
    with kubernetes(tmp_path) as (cluster, kubeconfig):
        environment = told(kubeconfig, s3_bucket, tmp_path / "scratch")
        task = start(tmp_path / "two", data, environment, in_nodes())
        assert task.wait() == 0, (tmp_path / "two" / "said").read_text()
    (made,) = cluster.created
    assert made["spec"]["trainer"]["image"] == "registry.example/train:1" and cluster.trainjobs == {}
    assert made["metadata"]["ownerReferences"][0]["name"] == "run"
    said = (tmp_path / "two" / "said").read_text()
    assert "node 0: rank 0: " in said and "node 1: rank 1: " not in said.partition("step 1/3")[0]
    one, two = (load_file(tmp_path / name / "output" / "model.safetensors") for name in ("one", "two"))
    assert max(float((one[name] - value).abs().max()) for name, value in two.items()) <= 10 * TOLERANCE
    curves = [
        [json.loads(line) for line in (tmp_path / name / "output" / "training.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for before, after in zip(*curves, strict=True):
        assert after == pytest.approx(before, abs=TOLERANCE)
