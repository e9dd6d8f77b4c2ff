"""A training on several nodes: what the compiled pipeline tells its task, and what that makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.core.errors import SettingsError
from components.core.training.distributed.trainjob import complete
from pipelines.ir.compilation import compile_pipeline
from pipelines.ir.lint import Compiled
from pipelines.launch.cluster.surroundings import platform_of
from pipelines.platform import Platform
from pipelines.profile import load_profile
from pipelines.training_nodes import trainjob_of
from tests.manifests import strictness

NODES = "sft.distributed={backend: deepspeed, zero: 3, processes: 8, nodes: 2}"
IN_RANKS = (
    "sft.optimizer.name=adamw",
    "sft.optimizer.matrix_learning_rate=null",
    "sft.visual_words={token_norm: 0, lookups: false}",
    "sft.remix.share=0",
)
"""What the laptop's student goes without where it trains in several processes."""
FULL = {
    "pools": {
        "training": {
            "cpu": "12",
            "memory": "128Gi",
            "accelerator": "nvidia.com/gpu",
            "accelerators": 8,
            "node_selector": {"rewatch.io/pool": "training"},
            "tolerations": [{"key": "nvidia.com/gpu"}],
            "shm": "64Gi",
            "scratch": "200Gi",
            "scratch_class": "fast",
            "claims": {"models": "/models"},
            "priority": "rewatch-training",
            "queue": "rewatch",
            "timeout_s": 600,
        }
    },
    "environment": {"HF_HOME": "/models"},
    "secret": "rewatch-keys",
    "secret_keys": ["TEACHER_API_KEY"],
    "optional_secret_keys": ["HF_TOKEN"],
    "image_pull_secrets": ["registry"],
}


def made(platform: dict[str, Any], **others: Any) -> dict[str, Any]:
    template = trainjob_of(Platform.model_validate(platform), "training", "registry.example/train:1")
    return complete(template, "sft-0123", nodes=2, processes=8, command=["run"], environment={"A": "b"}, **others)


@pytest.mark.parametrize("platform", [FULL, {"pools": {"training": {}}}], ids=["full", "bare"])
def test_a_trainjob_holds_only_what_its_schema_knows(platform: dict[str, Any]) -> None:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run", "uid": "u1"}
    assert list(strictness.faults([made(platform, owner=owner)])) == []


@pytest.mark.parametrize("place", ["spec", "trainer", "pod"])
def test_the_schema_refuses_what_it_does_not_know(place: str) -> None:
    trainjob = made(FULL)
    patch = trainjob["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]
    places = {
        "spec": trainjob["spec"],
        "trainer": trainjob["spec"]["trainer"],
        "pod": patch["template"]["spec"]["template"]["spec"],
    }
    places[place]["nodes"] = 2
    assert any("nodes" in fault for fault in strictness.faults([trainjob]))


def test_all_that_a_pool_asks_for_reaches_the_pods() -> None:
    trainjob = made(FULL)
    trainer = trainjob["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"], trainer["image"]) == (2, 8, "registry.example/train:1")
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": "12", "memory": "128Gi", "nvidia.com/gpu": "8"}
    told = {item["name"]: item.get("value") or item["valueFrom"]["secretKeyRef"] for item in trainer["env"]}
    assert told["HF_HOME"] == "/models" and told["A"] == "b"
    assert told["HF_TOKEN"] == {"name": "rewatch-keys", "key": "HF_TOKEN", "optional": True}
    jobs = trainjob["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = jobs[0]["template"]["spec"]["template"]
    assert pod["metadata"]["labels"] == {
        "rewatch.io/pool": "training",
        "rewatch.io/priority": "rewatch-training",
        "rewatch.io/training": "sft-0123",
    }
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert {mount["mountPath"] for mount in mounts} == {"/dev/shm", "/tmp", "/models"}
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == {mount["name"] for mount in mounts}
    assert pod["spec"]["tolerations"] and pod["spec"]["nodeSelector"] and pod["spec"]["imagePullSecrets"]
    assert trainjob["metadata"]["labels"] == {
        "kueue.x-k8s.io/queue-name": "rewatch",
        "rewatch.io/training": "sft-0123",
    }
    assert trainjob["spec"]["activeDeadlineSeconds"] == 600


def test_the_task_follows_without_a_card_and_its_trainjob_has_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    profile = load_profile("cluster", [NODES, "sft.optimizer={name: adamw, matrix_learning_rate: null}"])
    path = compile_pipeline(profile.pipeline, platform_of(profile), tmp_path_factory.mktemp("nodes") / "rewatch.yaml")
    compiled = Compiled.read(path)
    executors = dict(compiled.executors())
    told = {label: {it["name"]: it["value"] for it in made["env"]} for label, made in executors.items()}
    (label,) = [label for label, environment in told.items() if "REWATCH_TRAINJOB" in environment]
    assert label == "exec-sft"
    assert (
        "accelerator" not in executors["exec-sft"]["resources"] and "accelerator" in executors["exec-grpo"]["resources"]
    )
    trainjob = json.loads(told["exec-sft"]["REWATCH_TRAINJOB"])
    assert trainjob["spec"]["trainer"]["image"] == executors["exec-sft"]["image"]
    assert trainjob["spec"]["trainer"]["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "1"
    variables = {item["name"] for item in trainjob["spec"]["trainer"]["env"]}
    assert "TEACHER_API_KEY" in variables and not variables & {"REWATCH_RUN_ID", "REWATCH_STATE_ROOT"}
    pods = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert "nodeSelector" not in pods["exec-sft"] and pods["exec-sft"]["activeDeadlineSeconds"] == "604800"


def test_several_nodes_are_refused_where_there_is_no_cluster() -> None:
    with pytest.raises(SettingsError, match=r"launch\.runner is"):
        load_profile("laptop", [NODES, *IN_RANKS])
    with pytest.raises(SettingsError, match="follower names no pool"):
        load_profile("cluster", [NODES, "platform.trainer.follower=cpu"])
