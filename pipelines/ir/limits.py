"""How large a run may become: rules of the lint about what Kubernetes, Argo and MLflow take.

Argo keeps a run in one object of Kubernetes: what KFP 2.17 compiled, and the state of every node. Most of that is the
pod's specification of each task, some 10 kB, of which a driver's two nodes and an executor's four hold a copy each.
Once the object has 1 MiB Argo compresses the nodes, to an eighth. So there are two limits:

- **Argo refuses** a run whose object has 1 MiB even so. Measured with cluster-dev on a cluster, two shards: 209 nodes
  of 2.13 MB, 0.278 MB compressed, beside 0.219 MB compiled; a third shard adds 48 nodes and 0.042 MB. The source and
  the interface of tasks are shorter since (shorten.py), which takes a tenth off that.
- **KFP's API** does not read compressed nodes: its list of a run's tasks stands still from there on, with every shard
  count, after about ten pods. KFP's page is not concerned, as it draws the run from the metadata store, nor are
  `rewatch status` and `submit --watch`, which read what tasks write down (launch/cluster/merging.py).

To keep below the first limit without compression was tried on that run's nodes: all settings by reference, no docstring
and no node for the retries of drivers and DAGs leave 1.02 MB of nodes at two shards, and 0.16 MB more for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipelines.ir.lint import Compiled

MAX_BYTES = 1_000_000
"""etcd and Argo refuse objects over 1 MiB; a retry adds a node that nobody plans."""
COMPILED_GROWS = 1.65
BYTES_PER_TASK, BYTES_PER_SHARD = 13_600, 7_200
"""Compressed nodes of a task outside the loops, its share of the DAGs with it, and of one in a loop for each shard."""
BYTES_OF_NODES = 85_000
"""Nodes of one task as they are before Argo compresses them."""
NODES_PER_RUN, NODES_PER_TASK, NODES_PER_DAG, NODES_PER_LOOP, NODES_PER_ITERATION, NODES_PER_EXIT = 6, 6, 4, 5, 6, 2
"""Each driver, each DAG and each pod is two nodes, as whatever may be tried again is."""
EXIT_STRATEGY = "ALL_UPSTREAM_TASKS_COMPLETED"
MAX_PARAMETERS, MAX_CHARACTERS = 100, 6_000
"""KFP's MLflow plugin sends all parameters of a task at once; MLflow refuses them all if one is over its limits."""


class Tasks(NamedTuple):
    """How many tasks a pipeline has."""

    single: int
    looped: int
    """Those that run once for each shard."""


def too_large(pipeline: Compiled) -> Iterator[str]:
    """The compiled pipeline must fit into one Kubernetes object."""
    if pipeline.size >= MAX_BYTES:
        yield f"[size] The compiled pipeline has {pipeline.size} bytes; Kubernetes takes {MAX_BYTES}."


def too_many_nodes(pipeline: Compiled) -> Iterator[str]:
    """The state of a run whose loops are as wide as its settings say must fit, too, beside what was compiled."""
    shards = shard_count(pipeline)
    if shards and (expected := expected_bytes(pipeline, shards)) >= MAX_BYTES:
        yield (
            f"[nodes] With {shards} shards a run has {node_count(pipeline, shards)} nodes, some {expected} bytes when "
            f"compressed; Argo takes {MAX_BYTES}. Lower ingestion.shard_count, to {most_shards(pipeline)} at most."
        )


def expected_bytes(pipeline: Compiled, shards: int) -> int:
    """The size of a run's object at its end, its nodes compressed."""
    tasks = task_count(pipeline)
    nodes = tasks.single * BYTES_PER_TASK + tasks.looped * shards * BYTES_PER_SHARD
    return round(pipeline.size * COMPILED_GROWS) + nodes


def most_shards(pipeline: Compiled) -> int:
    """The most shards with which a run's object fits."""
    room = MAX_BYTES - 1 - expected_bytes(pipeline, 0)
    return max(0, room // max(1, task_count(pipeline).looped * BYTES_PER_SHARD))


def listed_pods(pipeline: Compiled) -> int:
    """After how many pods of tasks KFP's API stops listing them."""
    return max(0, (MAX_BYTES - round(pipeline.size * COMPILED_GROWS)) // BYTES_OF_NODES)


def told_of_room(pipeline: Compiled) -> str:
    """What to know of the size of a run, in one line."""
    shards, tasks = shard_count(pipeline), task_count(pipeline)
    pods, listed = tasks.single + tasks.looped * shards, listed_pods(pipeline)
    told = f"{shards} shards, {pods} pods of tasks; up to {most_shards(pipeline)} shards fit into Argo's object"
    if pods <= listed:
        return told
    return f"{told}; KFP's API lists the first {listed} pods or so, its page and `rewatch status` tell of all"


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


def task_count(pipeline: Compiled) -> Tasks:
    """The tasks of a pipeline, outside its loops and in them."""

    def count(component: dict[str, Any], in_loop: bool) -> Tasks:
        single = looped = 0
        for task in component["dag"]["tasks"].values():
            inner, loops = (
                pipeline.ir["components"][task["componentRef"]["name"]],
                in_loop or "parameterIterator" in task,
            )
            found = count(inner, loops) if "dag" in inner else Tasks(not loops, loops)
            single, looped = single + found.single, looped + found.looped
        return Tasks(single, looped)

    return count(pipeline.ir["root"], False)


def node_count(pipeline: Compiled, shards: int) -> int:
    """Nodes of Argo in a run whose loops have so many iterations, none of which was tried again."""

    def nodes(component: dict[str, Any]) -> int:
        found = 0
        for task in component["dag"]["tasks"].values():
            inner = pipeline.ir["components"][task["componentRef"]["name"]]
            found += NODES_PER_EXIT if task.get("triggerPolicy", {}).get("strategy") == EXIT_STRATEGY else 0
            if "parameterIterator" in task:
                found += NODES_PER_LOOP + shards * (NODES_PER_ITERATION + nodes(inner))
            elif "dag" in inner:
                found += NODES_PER_DAG + nodes(inner)
            else:
                found += NODES_PER_TASK
        return found

    return NODES_PER_RUN + nodes(pipeline.ir["root"])


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
