"""How large a run may become: rules of the lint about what Kubernetes, Argo and MLflow take.

Argo keeps a run in one object of Kubernetes: what KFP 2.17 compiled (219 kB of the 133 kB of cluster-dev, measured on a
cluster), and the state of every node, compressed. A task of KFP is six nodes (its driver, the DAG round its pod, and
the pod, each once more for its retries), a DAG or an iteration of a loop four.
What a node takes was estimated by writing the nodes of the shipped cluster profile as KFP's driver fills them in (its
pod's whole specification, three times) and compressing them: at 2, 20 and 100 shards 1.6, 7.3 and 32 MB became 0.16,
0.53 and 2.1 MB. So a hundred shards in three loops do not fit, and `ingestion.shard_count` is 32 unless a profile says
otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.ir.lint import Compiled

MAX_BYTES = 1_000_000
"""etcd and Argo refuse objects over about 1 MiB."""
COMPILED_GROWS = 1.65
NODES_PER_TASK, NODES_PER_DAG = 6, 4
BYTES_PER_NODE = 500
MAX_PARAMETERS, MAX_CHARACTERS = 100, 6_000
"""KFP's MLflow plugin sends all parameters of a task at once; MLflow refuses them all if one is over its limits."""


def too_large(pipeline: Compiled) -> Iterator[str]:
    """The compiled pipeline must fit into one Kubernetes object."""
    if pipeline.size >= MAX_BYTES:
        yield f"[size] The compiled pipeline has {pipeline.size} bytes; Kubernetes takes {MAX_BYTES}."


def too_many_nodes(pipeline: Compiled) -> Iterator[str]:
    """The state of a run whose loops are as wide as its settings say must fit, too, beside what was compiled."""
    shards = shard_count(pipeline)
    nodes = node_count(pipeline, shards)
    expected = round(pipeline.size * COMPILED_GROWS) + nodes * BYTES_PER_NODE
    if shards and expected >= MAX_BYTES:
        yield (
            f"[nodes] With {shards} shards a run has {nodes} nodes, some {expected} bytes; Argo takes {MAX_BYTES}. "
            "Lower ingestion.shard_count."
        )


def beyond_mlflow(pipeline: Compiled) -> Iterator[str]:
    """What MLflow would refuse, and with it everything that it is told of the task."""
    for name, value in _defaults(pipeline).items():
        if len(str(value)) > MAX_CHARACTERS:
            yield f"[mlflow] The parameter {name} has {len(str(value))} characters; MLflow takes {MAX_CHARACTERS}."
    for _, name, task, _ in pipeline.tasks():
        given = task.get("inputs", {}).get("parameters", {})
        if len(given) >= MAX_PARAMETERS:
            yield f"[mlflow] The task {name} has {len(given)} parameters; MLflow takes {MAX_PARAMETERS} at once."
        for key, source in given.items():
            constant = str(source.get("runtimeValue", {}).get("constant", ""))
            if len(constant) > MAX_CHARACTERS:
                yield f"[mlflow] {key} of {name} has {len(constant)} characters; MLflow takes {MAX_CHARACTERS}."


def node_count(pipeline: Compiled, shards: int) -> int:
    """Nodes of Argo in a run whose loops have so many iterations."""

    def nodes(component: dict[str, Any]) -> int:
        found = 0
        for task in component["dag"]["tasks"].values():
            inner = pipeline.ir["components"][task["componentRef"]["name"]]
            if "dag" in inner:
                times = shards if "parameterIterator" in task else 1
                found += NODES_PER_DAG + times * (NODES_PER_DAG + nodes(inner))
            else:
                found += NODES_PER_TASK
        return found

    return NODES_PER_DAG + nodes(pipeline.ir["root"])


def shard_count(pipeline: Compiled) -> int:
    """The most shards that the pipeline's own parameters ask for; 0 where they have no defaults."""
    found = 0
    for value in _defaults(pipeline).values():
        try:
            section = json.loads(value)
        except (ValueError, TypeError):
            continue
        found = max(found, int(section.get("shard_count", 0)) if isinstance(section, dict) else 0)
    return found


def _defaults(pipeline: Compiled) -> dict[str, Any]:
    parameters = pipeline.ir["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: it["defaultValue"] for name, it in parameters.items() if "defaultValue" in it}
