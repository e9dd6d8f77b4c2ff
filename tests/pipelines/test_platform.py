"""The table of pools: every task of a shipped cluster profile is in it, and all that it says reaches KFP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.core.errors import SettingsError
from pipelines.ir.lint import Compiled
from pipelines.launch.cluster.surroundings import platform_of
from pipelines.profile import load_profile
from tests.pipelines.compiled import compiled

FULL = {
    "cpu": "2",
    "memory": "4Gi",
    "shm": "1Gi",
    "scratch": "9Gi",
    "claims": {"models": "/models"},
    "labels": {"team": "video"},
    "priority": "rewatch-data",
    "queue": "rewatch",
    "retry": {"count": 2, "backoff_s": 30},
    "timeout_s": 100,
}


@pytest.fixture(scope="module", params=["cluster", "cluster-dev"])
def shipped(request: pytest.FixtureRequest) -> Compiled:
    return compiled(request.param)


@pytest.fixture(scope="module")
def full() -> Compiled:
    pools = [f"platform.pools.{name}={FULL}" for name in ("data", "teacher", "gate")]
    ephemeral = "platform.pools.gate.scratch_class=fast"
    return compiled("cluster-dev", *pools, ephemeral, "platform.image_pull_secrets=[registry]")


def asked(pipeline: Compiled) -> dict[str, dict[str, Any]]:
    executors: dict[str, dict[str, Any]] = pipeline.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return executors


def test_every_task_of_a_shipped_profile_is_covered(shipped: Compiled) -> None:
    retried = {task["componentRef"]["name"] for _, _, task, _ in shipped.tasks() if "retryPolicy" in task}
    components = {it["executorLabel"]: name for name, it in shipped.ir["components"].items() if "executorLabel" in it}
    assert len(components) == 18
    for label, container in shipped.executors():
        resources, pod = container["resources"], asked(shipped)[label]
        assert {"cpuRequest", "cpuLimit", "memoryRequest", "memoryLimit"} <= {
            key.removeprefix("resource")[0].lower() + key.removeprefix("resource")[1:] for key in resources
        }, label
        assert pod["securityContext"] == {"runAsNonRoot": True}, label
        assert pod["podMetadata"]["labels"]["rewatch.io/pool"] in ("data", "teacher", "gate", "training"), label
        assert [it["mountPath"] for it in pod["emptyDirMounts"] if it["volumeName"] == "scratch"] == ["/tmp"], label
        assert int(pod["activeDeadlineSeconds"]) >= 3600, label
        assert components[label] in retried, label


def test_attempts_are_given_the_time_that_all_of_them_may_take(shipped: Compiled) -> None:
    """KFP's default, an hour from the start of the first attempt, would end a training that was evicted on its second
    day."""
    for _, name, task, component in shipped.tasks():
        if "retryPolicy" in task:
            policy, pod = task["retryPolicy"], asked(shipped)[component["executorLabel"]]
            least = int(pod["activeDeadlineSeconds"]) * (policy["maxRetryCount"] + 1)
            assert int(policy["backoffMaxDuration"].removesuffix("s")) > least, name


def test_all_that_a_pool_says_arrives(full: Compiled) -> None:
    pod = asked(full)["exec-caption"]
    assert pod["podMetadata"]["labels"] == {
        "team": "video",
        "rewatch.io/pool": "teacher",
        "rewatch.io/priority": "rewatch-data",
        "kueue.x-k8s.io/queue-name": "rewatch",
    }
    assert pod["pvcMount"][0]["mountPath"] == "/models"
    assert {it["volumeName"]: it["sizeLimit"] for it in pod["emptyDirMounts"]} == {"shm": "1Gi", "scratch": "9Gi"}
    assert pod["imagePullSecret"][0]["secretName"] == "registry"
    gate = asked(full)["exec-gate-captions"]["genericEphemeralVolume"][0]
    assert (gate["mountPath"], gate["size"], gate["storageClassName"]) == ("/tmp", "9Gi", "fast")


def test_a_pool_that_the_table_lacks_is_refused() -> None:
    profile = load_profile("cluster", ["platform.pools={data: {cpu: '1'}}"])
    with pytest.raises(SettingsError, match="'teacher' of the task segment is not among"):
        profile.pipeline.build(platform_of(profile))


def test_a_run_started_in_kfps_own_pages_needs_no_parameter_typed(shipped: Compiled) -> None:
    parameters = shipped.ir["root"]["inputDefinitions"]["parameters"]
    assert len(parameters) == 16
    for name, parameter in parameters.items():
        assert parameter["isOptional"] and parameter["description"], name
        assert name == "videos" or json.loads(parameter["defaultValue"]), name


def test_what_kfp_shows_as_a_page_is_one(shipped: Compiled) -> None:
    pages = {
        (name.removeprefix("comp-"), key)
        for name, component in shipped.ir["components"].items()
        if "executorLabel" in component
        for key, artifact in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        if artifact["artifactType"].get("schemaTitle") == "system.HTML"
    }
    gates = {(f"gate-{name}", "docs") for name in ("captions", "questions", "trajectories")}
    assert pages == {("report", "page"), *gates}
