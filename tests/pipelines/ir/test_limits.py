"""What is too large for Kubernetes, Argo or MLflow is refused before a run, by what the pipeline's defaults ask for."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from pipelines.ir import limits
from pipelines.ir.compilation import compile_pipeline
from pipelines.ir.limits import (
    COMPILED_GROWS,
    MAX_BYTES,
    MAX_CHARACTERS,
    expected_bytes,
    listed_pods,
    most_shards,
    node_count,
    shard_count,
    task_count,
    told_of_room,
)
from pipelines.ir.lint import Compiled, LintError, faults
from pipelines.pipeline import load_pipeline
from pipelines.platform import Platform
from tests.pipelines.compiled import compiled


@pytest.fixture(scope="module")
def cluster() -> Compiled:
    return compiled("cluster")


def with_default(pipeline: Compiled, name: str, value: str) -> Compiled:
    changed = copy.deepcopy(pipeline)
    changed.ir["root"]["inputDefinitions"]["parameters"][name]["defaultValue"] = value
    return changed


def test_the_real_job_fits_into_argos_object_and_a_hundred_shards_do_not(cluster: Compiled) -> None:
    assert (shard_count(cluster), faults(cluster)) == (12, [])
    assert node_count(cluster, 100) > 4000
    section = json.loads(cluster.ir["root"]["inputDefinitions"]["parameters"]["ingestion"]["defaultValue"])
    wide = with_default(cluster, "ingestion", json.dumps({**section, "shard_count": 100}))
    (fault,) = faults(wide)
    assert fault.startswith("[nodes] With 100 shards") and str(MAX_BYTES) in fault
    most = most_shards(cluster)
    assert fault.endswith(f"to {most} at most.") and 12 <= most < 20
    assert expected_bytes(cluster, most) < MAX_BYTES <= expected_bytes(cluster, most + 1)


def test_nodes_are_counted_as_argo_makes_them(cluster: Compiled) -> None:
    """Runs of this DAG on a cluster: 205 nodes with two shards, 48 more for each further one."""
    assert task_count(cluster) == (13, 5)
    assert node_count(cluster, 2) == 205
    assert node_count(cluster, 8) - node_count(cluster, 7) == 48


def test_what_a_run_takes_agrees_with_what_was_measured(cluster: Compiled) -> None:
    """278 kB of compressed nodes with two shards, before sources were shortened by a tenth of that."""
    compiled = round(cluster.size * COMPILED_GROWS)
    assert 0.85 * 278_000 < expected_bytes(cluster, 2) - compiled < 278_000
    assert 8 <= listed_pods(cluster) < 20
    assert "12 shards, 73 pods of tasks" in told_of_room(cluster) and "KFP's API lists the first" in told_of_room(
        cluster
    )


def test_a_parameter_longer_than_mlflow_takes_is_refused(cluster: Compiled) -> None:
    (fault,) = faults(with_default(cluster, "sft", "x" * (MAX_CHARACTERS + 1)))
    assert "[mlflow] The parameter sft has 6001 characters" in fault


def test_a_task_of_more_parameters_or_a_longer_constant_than_mlflow_takes_is_refused(cluster: Compiled) -> None:
    changed = copy.deepcopy(cluster)
    task = next(task for _, name, task, _ in changed.tasks() if name == "sft")
    constant = {"runtimeValue": {"constant": "x" * (MAX_CHARACTERS + 1)}}
    task["inputs"]["parameters"] |= {f"p{number}": constant for number in range(100)}
    found = faults(changed)
    assert any("The task sft has 101 parameters" in fault for fault in found)
    assert any("p7 of sft has 6001 characters" in fault for fault in found)


def test_the_compiler_refuses_what_the_limits_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 1)
    with pytest.raises(LintError, match=r"\[size\] The compiled pipeline has \d+ bytes; Kubernetes takes 1"):
        compile_pipeline(load_pipeline("tests.pipelines.notes"), Platform(), tmp_path / "p.yaml")
