"""What kube-linter, Polaris and the NSA's hardening guide ask of a pod, a role and a Secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.manifests.objects import KUBEFLOW, Pod, of_kind, pods, title, walk
from tests.manifests.render import Object

NEEDS_API = "rewatch.io/needs-api"
"""Label of pods that talk to the Kubernetes API; all others are given no token."""

SECRET_NAME = re.compile(r"(KEY|TOKEN|PASSWORD|SECRET)$")
ABOVE_NAMESPACES = {"rewatch-fake-gpus"}
"""ClusterRoles about what lies in no namespace: nodes."""

FOR_DEVELOPMENT = {"minio", "minio123", "none", "mlflow", "for-development-only"}
"""All that a Secret in this repository may hold."""


def faults(objects: list[Object]) -> Iterator[str]:
    """Everything that breaks a rule."""
    for pod in pods(objects):
        yield from _of_pod(pod)
        for where, container in pod.containers():
            yield from _of_container(where, container)
            if pod.lasting and container in pod.spec["containers"]:
                for probe in ("readinessProbe", "livenessProbe"):
                    if probe not in container:
                        yield f"{where}: no {probe}"
    yield from _of_namespaces(objects)
    yield from _of_roles(objects)
    yield from _of_secrets(objects)
    yield from _of_disruptions(objects)
    yield from _of_disk(objects)


def _of_pod(pod: Pod) -> Iterator[str]:
    security = pod.spec.get("securityContext") or {}
    if not security.get("runAsNonRoot") or not security.get("runAsUser"):
        yield f"{pod.owner}: it must run as a user that is not root, by number"
    if (security.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        yield f"{pod.owner}: no seccomp profile"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field):
            yield f"{pod.owner}: {field}"
    if pod.spec.get("automountServiceAccountToken") is not False and NEEDS_API not in pod.labels:
        yield f"{pod.owner}: it is given a token of the Kubernetes API that it has no use for"
    if pod.spec.get("serviceAccountName", "default") == "default":
        yield f"{pod.owner}: it runs under the default service account"
    for volume in pod.spec.get("volumes") or []:
        if "hostPath" in volume:
            yield f"{pod.owner}: volume {volume['name']} is a folder of the node"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"{pod.owner}: volume {volume['name']} may fill the node"


def _of_container(where: str, container: Object) -> Iterator[str]:
    security = container.get("securityContext") or {}
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{where}: it may escalate its privileges"
    if security.get("privileged"):
        yield f"{where}: it is privileged"
    if not security.get("readOnlyRootFilesystem"):
        yield f"{where}: its root file system can be written"
    capabilities = security.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield f"{where}: it keeps capabilities"
    if security.get("runAsNonRoot") is False or security.get("runAsUser") == 0:
        yield f"{where}: it runs as root"
    resources = container.get("resources") or {}
    for group in ("requests", "limits"):
        for resource in ("cpu", "memory", "ephemeral-storage"):
            if resource not in (resources.get(group) or {}):
                yield f"{where}: no {group} of {resource}"
    image, tag = container["image"], container["image"].rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in image and (not tag or tag == "latest"):
        yield f"{where}: its image {image} may change under its name"
    for variable in container.get("env") or []:
        if SECRET_NAME.search(variable["name"]) and "value" in variable:
            yield f"{where}: {variable['name']} is written down instead of read from a Secret"


def _of_namespaces(objects: list[Object]) -> Iterator[str]:
    for item in of_kind(objects, "Namespace"):
        labels = item["metadata"].get("labels") or {}
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{title(item)}: it does not enforce restricted pod security"


def _of_roles(objects: list[Object]) -> Iterator[str]:
    for role in of_kind(objects, "Role", "ClusterRole"):
        for rule in role.get("rules") or []:
            said = [*rule.get("apiGroups", []), *rule.get("resources", []), *rule["verbs"]]
            if "*" in said:
                yield f"{title(role)}: a rule with *"
            if "secrets" in rule.get("resources", []) and not rule.get("resourceNames"):
                yield f"{title(role)}: it reads every Secret of the namespace"
            if {"pods/exec", "pods/attach", "pods/ephemeralcontainers"} & set(rule.get("resources", [])):
                yield f"{title(role)}: it may enter pods"
    for binding in of_kind(objects, "ClusterRoleBinding"):
        if binding["metadata"]["name"] not in ABOVE_NAMESPACES:
            yield f"{title(binding)}: rights in every namespace; bind a Role in one"


def _of_disk(objects: list[Object]) -> Iterator[str]:
    """Pods of runs, which KFP writes, ask for no disk themselves; a limit on it would bound their volumes, too."""
    ranges = [item for item in of_kind(objects, "LimitRange") if item["metadata"]["namespace"] == KUBEFLOW]
    given = [limit for item in ranges for limit in item["spec"]["limits"] if limit["type"] == "Container"]
    if not any("ephemeral-storage" in (limit.get("defaultRequest") or {}) for limit in given):
        yield f"namespace {KUBEFLOW}: containers of runs ask for no disk of their node"
    if any("ephemeral-storage" in (limit.get("default") or {}) for limit in given):
        yield f"namespace {KUBEFLOW}: a limit on every container's disk bounds a task's scratch volume"


def _of_secrets(objects: list[Object]) -> Iterator[str]:
    import base64

    for secret in of_kind(objects, "Secret"):
        for key, value in (secret.get("data") or {}).items():
            if base64.b64decode(value).decode() not in FOR_DEVELOPMENT:
                yield f"{title(secret)}: {key} looks like a real secret"
    for item in of_kind(objects, "ConfigMap"):
        for key in item.get("data") or {}:
            if SECRET_NAME.search(key):
                yield f"{title(item)}: {key} belongs in a Secret"


def _of_disruptions(objects: list[Object]) -> Iterator[str]:
    """A drained node must neither take the last replica of several nor be held up for ever by a single one."""
    budgets = of_kind(objects, "PodDisruptionBudget")
    for item in of_kind(objects, "Deployment", "StatefulSet"):
        labels, replicas = item["spec"]["template"]["metadata"]["labels"], item["spec"].get("replicas", 1)
        own = [
            budget["spec"]
            for budget in budgets
            if budget["metadata"]["namespace"] == item["metadata"]["namespace"]
            and budget["spec"]["selector"].get("matchLabels", {}).items() <= labels.items()
        ]
        if replicas > 1 and not own:
            yield f"{title(item)}: {replicas} replicas and no PodDisruptionBudget"
        for spec in own:
            if spec.get("minAvailable", 0) == replicas or spec.get("maxUnavailable") == 0:
                yield f"{title(item)}: its PodDisruptionBudget lets no node be drained"


def development_only(objects: list[Object]) -> Iterator[str]:
    """What may be in the development overlay and nowhere else."""
    for secret in of_kind(objects, "Secret"):
        yield f"{title(secret)}: a Secret of development in an overlay that is not for it"
    for found in walk([item.get("spec") for item in objects]):
        if "image" in found and isinstance(found["image"], str) and "/library/postgres:" in found["image"]:
            yield "PostgreSQL in one pod without a backup in an overlay that is not for development"


def runs_stay_in_their_namespace(objects: list[Object]) -> Iterator[str]:
    """Overlays add to KFP's namespace only what runs' pods need; what KFP brings itself is KFP's."""
    for item in objects:
        if item["metadata"].get("namespace") == KUBEFLOW and item["kind"] in ("Deployment", "StatefulSet", "Service"):
            yield f"{title(item)}: it belongs in our own namespace"
