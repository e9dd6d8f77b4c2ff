"""Who may talk to whom: a table of flows, each looked up in the NetworkPolicies as a cluster's plugin would.

A connection is let through if the sender's policies allow it to go and the receiver's allow it to come; a pod that no
policy of a direction selects is free in that direction. Ports are those of pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.manifests.objects import KUBEFLOW, OTHERS, Pod, helpers, matches, of_kind, pods
from tests.manifests.render import Object

WANTED = [
    ("run", "names", 53, "UDP", "resolve names"),
    ("run", "kfp", 8887, "TCP", "drivers and launchers: cache and tasks"),
    ("run", "metadata", 8080, "TCP", "drivers and launchers: executions and artifacts"),
    ("run", "store", 8333, "TCP", "artifacts, videos, state"),
    ("run", "mlflow", 5000, "TCP", "lineage"),
    ("run", "teacher*", 8000, "TCP", "questions to teachers"),
    ("run", "api", 6443, "TCP", "Argo's executor: the Kubernetes API"),
    ("kfp", "mlflow", 5000, "TCP", "KFP's MLflow plugin"),
    ("mlflow", "names", 53, "UDP", "resolve names"),
    ("mlflow", "postgres", 5432, "TCP", "runs and the registry"),
    ("mlflow", "store", 8333, "TCP", "MLflow's artifacts"),
    ("make-bucket", "store", 8333, "TCP", "the bucket"),
    ("trigger", "kfp", 8888, "TCP", "start a run"),
    ("trigger", "store", 8333, "TCP", "list the bucket"),
    ("event-job", "kfp", 8888, "TCP", "start a run"),
    ("event-job", "store", 8333, "TCP", "list the bucket"),
    ("store", "event-listener", 12000, "TCP", "notifications"),
    ("event-listener", "event-bus", 4222, "TCP", "events"),
    ("event-sensor", "event-bus", 4222, "TCP", "events"),
    ("event-bus", "event-bus", 6222, "TCP", "its replicas"),
    ("event-sensor", "api", 6443, "TCP", "make a Job"),
    ("fake-gpus", "api", 6443, "TCP", "change a node's status"),
    ("monitoring", "teacher-*", 8000, "TCP", "metrics of vLLM"),
    ("training", "training", 29500, "TCP", "ranks of several nodes find each other"),
    ("training", "training", 41234, "TCP", "gradients, on ports that NCCL chooses"),
    ("training", "names", 53, "UDP", "resolve names"),
    ("training", "store", 8333, "TCP", "job, checkpoints, videos"),
    ("training", "mlflow", 5000, "TCP", "curves"),
    ("training", "teacher*", 8000, "TCP", "the judge of GRPO"),
]
"""From, to, port, protocol, for what. A name ends in `*` where it stands for all of that beginning; flows of pods that
an overlay does not have are left out."""

UNWANTED = [
    ("stranger", "mlflow", 5000, "TCP"),
    ("stranger", "postgres", 5432, "TCP"),
    ("stranger", "teacher*", 8000, "TCP"),
    ("stranger", "run", 8080, "TCP"),
    ("stranger", "store", 8333, "TCP"),
    ("run", "postgres", 5432, "TCP"),
    ("run", "database", 3306, "TCP"),
    ("run", "stranger", 80, "TCP"),
    ("teacher*", "store", 8333, "TCP"),
    ("teacher*", "api", 6443, "TCP"),
    ("mlflow", "api", 6443, "TCP"),
    ("postgres", "store", 8333, "TCP"),
    ("kfp", "postgres", 5432, "TCP"),
    ("mlflow", "teacher*", 8000, "TCP"),
    ("stranger", "event-listener", 12000, "TCP"),
    ("event-job", "api", 6443, "TCP"),
    ("trigger", "api", 6443, "TCP"),
    ("stranger", "training", 29500, "TCP"),
    ("run", "training", 29500, "TCP"),
]

API = Pod("the Kubernetes API", "", {})
"""No pod: only a rule without a peer, or with an address, lets anyone reach it."""

KFPS_OWN = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "seaweedfs", "namespace": KUBEFLOW},
    "spec": {
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["seaweedfs"]}]},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8333}]}],
    },
}
"""What KFP 2.17.0 says of its store, as far as it concerns us."""


def faults(objects: list[Object]) -> Iterator[str]:
    """Flows that should be and are refused, or that should not be and are let through; namespaces without a default."""
    policies = [*of_kind(objects, "NetworkPolicy"), KFPS_OWN]
    for source, target, port, protocol, purpose in WANTED:
        for sender in _pods(source, objects):
            for receiver in _pods(target, objects):
                if (stopped := _stopped(policies, sender, receiver, port, protocol)) is not None:
                    yield f"{sender.owner} cannot reach {receiver.owner} on {port} ({purpose}): no {stopped} rule"
    for source, target, port, protocol in UNWANTED:
        for sender in _pods(source, objects):
            for receiver in _pods(target, objects):
                if _stopped(policies, sender, receiver, port, protocol) is None:
                    yield f"{sender.owner} can reach {receiver.owner} on {port}, which it should not"
    for namespace in {pod.namespace for pod in pods(objects)} - {KUBEFLOW}:
        for direction in ("Ingress", "Egress"):
            if not any(_denies_all(policy, namespace, direction) for policy in policies):
                yield f"Namespace {namespace}: no policy denies {direction.lower()} by default"


def _pods(name: str, objects: list[Object]) -> list[Pod]:
    if name == "api":
        return [API]
    if name in OTHERS:
        return [OTHERS[name]]
    found = []
    for pod in [*pods(objects), *helpers(objects)]:
        own = pod.labels.get("app.kubernetes.io/name", "")
        own = "event-bus" if pod.labels == {"controller": "eventbus-controller"} else own
        if own == name or (name.endswith("*") and own.startswith(name[:-1])):
            found.append(pod)
    return found


def _stopped(policies: list[Object], sender: Pod, receiver: Pod, port: int, protocol: str) -> str | None:
    """Which direction refuses a connection, if one does."""
    for direction, own, other in (("Egress", sender, receiver), ("Ingress", receiver, sender)):
        if own is API:
            continue
        chosen = [
            policy["spec"]
            for policy in policies
            if policy["metadata"]["namespace"] == own.namespace
            and direction in policy["spec"].get("policyTypes", ["Ingress"])
            and matches(policy["spec"].get("podSelector"), own.labels)
        ]
        rules = [rule for spec in chosen for rule in spec.get(direction.lower()) or []]
        peers = "to" if direction == "Egress" else "from"
        allowed = any(
            (not rule.get(peers) or any(_is_peer(peer, own, other) for peer in rule[peers]))
            and (not rule.get("ports") or any(_is_port(entry, port, protocol) for entry in rule["ports"]))
            for rule in rules
        )
        if chosen and not allowed:
            return direction.lower()
    return None


def _is_peer(peer: Object, own: Pod, other: Pod) -> bool:
    if "ipBlock" in peer:
        return other is API
    if other is API:
        return False
    namespace = peer.get("namespaceSelector")
    labels = {"kubernetes.io/metadata.name": other.namespace}
    here = other.namespace == own.namespace if namespace is None else matches(namespace, labels)
    return here and ("podSelector" not in peer or matches(peer["podSelector"], other.labels))


def _is_port(entry: Object, port: int, protocol: str) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    return "port" not in entry or entry["port"] <= port <= entry.get("endPort", entry["port"])


def _denies_all(policy: Object, namespace: str, direction: str) -> bool:
    spec = policy["spec"]
    return (
        policy["metadata"]["namespace"] == namespace
        and spec.get("podSelector") == {}
        and direction in spec.get("policyTypes", [])
        and not spec.get(direction.lower())
    )
