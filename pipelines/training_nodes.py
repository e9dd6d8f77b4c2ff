"""What a training on several nodes asks of the cluster: its TrainJob, but for what only the task knows.

A pool's table says the same for pods of KFP's making and of a TrainJob's. Kubeflow Trainer takes image, command,
variables and resources of `spec.trainer`; everything else patches the pods of the TrainingRuntime. The task adds name,
numbers, command, its context and its owner (core/training/distributed/trainjob.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.core.engine.context import VARIABLES
from components.core.training.distributed.trainjob import NODE

if TYPE_CHECKING:
    from pipelines.platform import Platform, Pool

SCRATCH_MOUNT = "/tmp"
PATCHER = "rewatch.io/training"
"""Who patches, as each patch has to say."""

Object = dict[str, Any]


def trainjob_of(platform: Platform, name: str, image: str) -> Object:
    """The TrainJob of a task of the pool with this name, which runs in this image."""
    pool, trainer = platform.pools[name], platform.trainer
    runtime = {"apiGroup": "trainer.kubeflow.org", "kind": trainer.kind, "name": trainer.runtime}
    pod = {"metadata": {"labels": pool.pod_labels(name)}, "spec": _pod(platform, pool)}
    node = {"name": NODE, "template": {"spec": {"template": pod}}}
    patch = {"template": {"spec": {"replicatedJobs": [node]}}}
    spec: Object = {
        "runtimeRef": runtime,
        "trainer": {"image": image, "env": _environment(platform), "resourcesPerNode": _resources(pool)},
        "runtimePatches": [{"manager": PATCHER, "trainingRuntimeSpec": patch}],
    }
    if pool.timeout_s:
        spec["activeDeadlineSeconds"] = pool.timeout_s
    queue = pool.queue_label()
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"labels": queue} if queue else {},
        "spec": spec,
    }


def _environment(platform: Platform) -> list[Object]:
    """Libraries' variables and the Secret's keys; the context is the task's to say."""
    own = {name: value for name, value in platform.environment.items() if name not in VARIABLES.values()}
    told: list[Object] = [{"name": name, "value": value} for name, value in sorted(own.items())]
    for keys, optional in ((platform.secret_keys, False), (platform.optional_secret_keys, True)):
        for key in keys if platform.secret else ():
            source = {"secretKeyRef": {"name": platform.secret, "key": key, "optional": optional}}
            told.append({"name": key, "valueFrom": source})
    return told


def _resources(pool: Pool) -> Object:
    requests = {"cpu": pool.cpu, "memory": pool.memory}
    limits = {"cpu": pool.cpu_limit or pool.cpu, "memory": pool.memory_limit or pool.memory}
    if pool.accelerators:
        requests[pool.accelerator] = limits[pool.accelerator] = str(pool.accelerators)
    return {
        "requests": {name: amount for name, amount in requests.items() if amount},
        "limits": {name: amount for name, amount in limits.items() if amount},
    }


def _pod(platform: Platform, pool: Pool) -> Object:
    mounts: list[Object] = []
    volumes: list[Object] = []

    def mount(name: str, path: str, source: Object) -> None:
        mounts.append({"name": name, "mountPath": path})
        volumes.append({"name": name, **source})

    if pool.shm:
        mount("shm", "/dev/shm", {"emptyDir": {"medium": "Memory", "sizeLimit": pool.shm}})
    if pool.scratch:
        mount("scratch", SCRATCH_MOUNT, _scratch(pool))
    for number, (claim, path) in enumerate(pool.claims.items()):
        mount(f"claim-{number}", path, {"persistentVolumeClaim": {"claimName": claim}})
    spec: Object = {
        "nodeSelector": dict(pool.node_selector),
        "tolerations": [it.model_dump(exclude_none=True) for it in pool.tolerations],
        "imagePullSecrets": [{"name": name} for name in platform.image_pull_secrets],
        "volumes": volumes,
        "containers": [{"name": NODE, "volumeMounts": mounts}] if mounts else [],
    }
    return {name: value for name, value in spec.items() if value}


def _scratch(pool: Pool) -> Object:
    if not pool.scratch_class:
        return {"emptyDir": {"sizeLimit": pool.scratch}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": pool.scratch_class,
        "resources": {"requests": {"storage": pool.scratch}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
