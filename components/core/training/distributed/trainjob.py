"""The TrainJob of one training: what it is made of, and how it stands. Pure functions on Kubernetes objects as JSON.

The profile says what its pods ask of the cluster; that comes compiled, as a TrainJob that lacks what its task alone
knows (`platform.py` of the pipelines; `Context.trainjob`). The TrainingRuntime that it names (manifests/components/
trainer) holds what is the same for all: the torch plugin, rights, grace period. Fields: Kubeflow Trainer's CRD,
trainer.kubeflow.org/v1alpha1.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.core.data.rows import digest_of

NAME_LABEL = "rewatch.io/training"
"""Of a TrainJob and its pods: the name of the training, by which they find each other (NetworkPolicy `trainings`)."""
NODE = "node"
"""The container of a pod, and the job of the pods, in every runtime of torch."""
OVER_TIME = "DeadlineExceeded"
"""Why a TrainJob failed that did not end within `activeDeadlineSeconds`, the `timeout_s` of its pool."""

Object = dict[str, Any]


def name_of(task: str, work: Sequence[Any]) -> str:
    """The name of a training: the same for the same work, so that who comes again finds it.

    Args:
        task: its name in the DAG.
        work: what its weights depend on, as JSON.
    """
    return f"{task[:20].rstrip('-')}-{digest_of(list(work))[:12]}"


def complete(
    template: Mapping[str, Any],
    name: str,
    *,
    nodes: int,
    processes: int,
    command: Sequence[str],
    environment: Mapping[str, str],
    owner: Mapping[str, Any] | None = None,
) -> Object:
    """The TrainJob, ready to be created.

    Args:
        template: without what is added here.
        command: of each pod.
        environment: of the pods, beside what the template gives them.
        owner: with which it is removed: the run's Workflow.
    """
    made = copy.deepcopy(dict(template))
    made["metadata"] = {**made.get("metadata", {}), "name": name}
    made["metadata"]["labels"] = {**made["metadata"].get("labels", {}), NAME_LABEL: name}
    if owner:
        made["metadata"]["ownerReferences"] = [dict(owner)]
    trainer = made["spec"]["trainer"]
    told = [{"name": key, "value": value} for key, value in sorted(environment.items())]
    trainer |= {
        "numNodes": nodes,
        "numProcPerNode": processes,
        "command": list(command),
        "env": [*told, *trainer.get("env", [])],
    }
    _pod_of(made).setdefault("metadata", {}).setdefault("labels", {})[NAME_LABEL] = name
    return made


def _pod_of(trainjob: Object) -> Object:
    """The template of its pods, as the runtime's is patched."""
    jobs = trainjob["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod: Object = jobs[0]["template"]["spec"]["template"]
    return pod


@dataclass(frozen=True)
class Standing:
    """How a TrainJob stands."""

    state: Literal["going", "succeeded", "failed", "leaving"]
    """`leaving`: it is being deleted."""
    reason: str = ""


def standing_of(trainjob: Mapping[str, Any]) -> Standing:
    """What a TrainJob's conditions say."""
    if trainjob.get("metadata", {}).get("deletionTimestamp"):
        return Standing("leaving")
    for condition in trainjob.get("status", {}).get("conditions", []):
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            state: Literal["succeeded", "failed"] = "succeeded" if condition["type"] == "Complete" else "failed"
            return Standing(state, f"{condition.get('reason', '')}: {condition.get('message', '')}")
    return Standing("going")


def describe(pods: Sequence[Mapping[str, Any]]) -> str:
    """Where its pods are, in one line, with what keeps the waiting ones."""
    told = []
    for pod in sorted(pods, key=number_of):
        status = pod.get("status", {})
        unmet = [it for it in status.get("conditions", []) if it["status"] == "False" and it["type"] == "PodScheduled"]
        waiting = [it["state"]["waiting"] for it in status.get("containerStatuses", []) if "waiting" in it["state"]]
        why = next((it.get("message") or it.get("reason", "") for it in [*unmet, *waiting]), "")
        told.append(f"node {number_of(pod)} {status.get('phase', 'Pending')}{f' ({why})' if why else ''}")
    return ", ".join(told) or "no pod yet"


def number_of(pod: Mapping[str, Any]) -> int:
    """A pod's number among those of its training."""
    return int(pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-completion-index", 0))
