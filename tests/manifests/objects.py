"""What the checks need of rendered objects: their names, their pods, and what a cluster holds beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.manifests.render import Object


@dataclass(frozen=True)
class Pod:
    """A pod as a controller would make it, or one of those that others start."""

    owner: str
    namespace: str
    labels: dict[str, str]
    spec: Object = field(default_factory=dict)
    lasting: bool = True
    """Whether it serves until it is told to end, as no Job's does."""

    def containers(self) -> Iterator[tuple[str, Object]]:
        """Every container with what to call it in a message."""
        for group in ("initContainers", "containers"):
            for container in self.spec.get(group) or []:
                yield f"{self.owner}, container {container['name']}", container

    def ports(self) -> dict[str, int]:
        """Numbers of the ports its containers name."""
        return {
            port.get("name", str(port["containerPort"])): port["containerPort"]
            for container in self.spec.get("containers") or []
            for port in container.get("ports") or []
        }


KUBEFLOW = "kubeflow"
"""KFP's namespace, where its standalone installation starts the pods of runs."""

OTHERS = {
    "run": Pod("a run's pod", KUBEFLOW, {"pipelines.kubeflow.org/v2_component": "true"}),
    "kfp": Pod("KFP's API server", KUBEFLOW, {"app": "ml-pipeline"}),
    "metadata": Pod("KFP's metadata store", KUBEFLOW, {"component": "metadata-grpc-server"}),
    "store": Pod("KFP's SeaweedFS", KUBEFLOW, {"app": "seaweedfs"}),
    "database": Pod("KFP's MySQL", KUBEFLOW, {"app": "mysql"}),
    "controller": Pod("Argo's controller", KUBEFLOW, {"app": "workflow-controller"}),
    "names": Pod("the cluster's DNS", "kube-system", {"k8s-app": "kube-dns"}),
    "monitoring": Pod("Prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "stranger": Pod("a pod of another namespace", "default", {"app": "stranger"}),
}
"""Pods that are not ours but that ours talk to, or should not."""

NAMESPACES = {KUBEFLOW, "kube-system", "monitoring", "default"}
ACCOUNTS = {(KUBEFLOW, "pipeline-runner")}
CONFIG_MAPS = {(KUBEFLOW, "pipeline-install-config")}
SERVICES = {(KUBEFLOW, "seaweedfs"): {9000, 8333}, (KUBEFLOW, "ml-pipeline"): {8888, 8887}}
"""What KFP 2.17.0 itself brings, as far as ours name it."""


def title(item: Object) -> str:
    """`Deployment rewatch/mlflow`."""
    metadata = item["metadata"]
    name = metadata.get("name") or metadata.get("generateName", "")
    return f"{item['kind']} {metadata['namespace'] + '/' if 'namespace' in metadata else ''}{name}"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [item for item in objects if item["kind"] in kinds]


def pods(objects: list[Object]) -> list[Pod]:
    """A pod for every controller, and for every Job that an Argo Events Sensor would start."""
    return [pod for item in objects for pod in _pods_of(item)]


def _pods_of(item: Object) -> Iterator[Pod]:
    kind, spec = item["kind"], item.get("spec") or {}
    if kind in ("Deployment", "StatefulSet", "Job"):
        template = spec["template"]
    elif kind == "CronJob":
        template = spec["jobTemplate"]["spec"]["template"]
    elif kind == "Sensor":
        for trigger in spec.get("triggers") or []:
            source = trigger.get("template", {}).get("k8s", {}).get("source", {}).get("resource")
            if source:
                yield from _pods_of(source)
        return
    else:
        return
    labels = template.get("metadata", {}).get("labels") or {}
    lasting = kind in ("Deployment", "StatefulSet")
    yield Pod(title(item), item["metadata"].get("namespace", ""), labels, template["spec"], lasting)


def helpers(objects: list[Object]) -> list[Pod]:
    """Pods that others make of our objects, by their labels alone: Argo Events, whose images are its own, and Kubeflow
    Trainer, whose images and resources are said by the task that makes a TrainJob."""
    found = []
    for item in of_kind(objects, "EventBus", "EventSource", "Sensor"):
        own = (item["spec"].get("template") or {}).get("metadata", {}).get("labels") or {}
        labels = {"controller": "eventbus-controller"} if item["kind"] == "EventBus" else own
        found.append(Pod(title(item), item["metadata"]["namespace"], labels))
    for item in of_kind(objects, "TrainingRuntime"):
        (job,) = item["spec"]["template"]["spec"]["replicatedJobs"]
        template = job["template"]["spec"]["template"]
        labels = {**template["metadata"]["labels"], "rewatch.io/training": "sft", "app.kubernetes.io/name": "training"}
        found.append(Pod(title(item), item["metadata"]["namespace"], labels, template["spec"], lasting=False))
    return found


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all, a missing one none."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(term, labels) for term in selector.get("matchExpressions") or [])


def _holds(term: Object, labels: dict[str, str]) -> bool:
    key, operator, values = term["key"], term["operator"], term.get("values") or []
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def keys_of(item: Object) -> set[str]:
    """Keys of a Secret or ConfigMap, or those that an ExternalSecret will write."""
    if item["kind"] == "ExternalSecret":
        return {entry["secretKey"] for entry in item["spec"].get("data") or []}
    return {key for group in ("data", "stringData", "binaryData") for key in item.get(group) or {}}


def written_secrets(objects: list[Object]) -> dict[tuple[str, str], set[str]]:
    """Namespace and name of every Secret there will be, with its keys."""
    found: dict[tuple[str, str], set[str]] = {}
    for item in of_kind(objects, "Secret", "ExternalSecret"):
        name = item["metadata"]["name"]
        if item["kind"] == "ExternalSecret":
            name = (item["spec"].get("target") or {}).get("name", name)
        found[item["metadata"]["namespace"], name] = keys_of(item)
    return found


def walk(value: Any) -> Iterator[Object]:
    """Every mapping within a value."""
    if isinstance(value, dict):
        yield value
        for nested in value.values():
            yield from walk(nested)
    elif isinstance(value, list):
        for nested in value:
            yield from walk(nested)
