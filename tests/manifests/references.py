"""Whatever an object names is there: pods that a selector takes, ports, Secrets and their keys, accounts, classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.manifests.objects import (
    ACCOUNTS,
    CONFIG_MAPS,
    NAMESPACES,
    OTHERS,
    Pod,
    helpers,
    keys_of,
    matches,
    of_kind,
    pods,
    title,
    written_secrets,
)
from tests.manifests.render import Object

BUILTIN_PRIORITIES = {"system-cluster-critical", "system-node-critical"}


def faults(objects: list[Object]) -> Iterator[str]:
    """Everything that points at nothing."""
    yield from _namespaces(objects)
    yield from _selectors(objects)
    yield from _of_pods(objects)
    yield from _roles(objects)
    yield from _named(objects)
    yield from _events(objects)


def _names(objects: list[Object], *kinds: str) -> set[tuple[str, str]]:
    return {(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in of_kind(objects, *kinds)}


def _namespaces(objects: list[Object]) -> Iterator[str]:
    known = NAMESPACES | {name for _, name in _names(objects, "Namespace")}
    for item in objects:
        namespace = item["metadata"].get("namespace")
        if namespace is not None and namespace not in known:
            yield f"{title(item)}: there is no namespace {namespace}"


def _selectors(objects: list[Object]) -> Iterator[str]:
    everyone = [*pods(objects), *helpers(objects), *OTHERS.values()]
    for item in objects:
        name, spec, namespace = title(item), item.get("spec") or {}, item["metadata"].get("namespace", "")
        here = [pod for pod in everyone if pod.namespace == namespace]
        if item["kind"] in ("Deployment", "StatefulSet"):
            if not matches(spec["selector"], spec["template"]["metadata"].get("labels") or {}):
                yield f"{name}: its selector does not take its own pods"
        elif item["kind"] == "Service" and spec.get("selector"):
            chosen = [pod for pod in here if matches({"matchLabels": spec["selector"]}, pod.labels)]
            if not chosen:
                yield f"{name}: its selector takes no pod"
            for port in spec.get("ports") or []:
                target = port.get("targetPort", port["port"])
                for pod in chosen:
                    if pod.spec and target not in pod.ports() and target not in pod.ports().values():
                        yield f"{name}: {pod.owner} has no port {target}"
        elif item["kind"] in ("PodDisruptionBudget", "NetworkPolicy", "PodMonitor"):
            selector = spec.get("podSelector" if item["kind"] == "NetworkPolicy" else "selector")
            if not any(matches(selector, pod.labels) for pod in here):
                yield f"{name}: its selector takes no pod"
        elif item["kind"] == "ServiceMonitor":
            yield from _monitored(item, objects)


def _monitored(monitor: Object, objects: list[Object]) -> Iterator[str]:
    spec, namespace = monitor["spec"], monitor["metadata"]["namespace"]
    chosen = [
        service
        for service in of_kind(objects, "Service")
        if service["metadata"]["namespace"] in (spec.get("namespaceSelector") or {}).get("matchNames", [namespace])
        and matches(spec["selector"], service["metadata"].get("labels") or {})
    ]
    if not chosen:
        yield f"{title(monitor)}: its selector takes no Service"
    for service in chosen:
        named = {port.get("name") for port in service["spec"]["ports"]}
        for endpoint in spec["endpoints"]:
            if endpoint.get("port") not in named:
                yield f"{title(monitor)}: {title(service)} has no port {endpoint.get('port')}"


def _of_pods(objects: list[Object]) -> Iterator[str]:
    secrets = written_secrets(objects)
    maps: dict[tuple[str, str], set[str] | None] = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): keys_of(item)
        for item in of_kind(objects, "ConfigMap")
    }
    maps.update(dict.fromkeys(CONFIG_MAPS))
    accounts = _names(objects, "ServiceAccount") | ACCOUNTS
    claims = _names(objects, "PersistentVolumeClaim")
    priorities = {name for _, name in _names(objects, "PriorityClass")} | BUILTIN_PRIORITIES
    templates = {
        title(item): {claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates") or []}
        for item in of_kind(objects, "StatefulSet")
    }
    for pod in pods(objects):
        account = pod.spec.get("serviceAccountName", "default")
        if (pod.namespace, account) not in accounts:
            yield f"{pod.owner}: there is no service account {account}"
        priority = pod.spec.get("priorityClassName")
        if priority and priority not in priorities:
            yield f"{pod.owner}: there is no PriorityClass {priority}"
        volumes = {volume["name"] for volume in pod.spec.get("volumes") or []} | templates.get(pod.owner, set())
        for where, container in pod.containers():
            for mount in container.get("volumeMounts") or []:
                if mount["name"] not in volumes:
                    yield f"{where}: there is no volume {mount['name']}"
            yield from _environment(where, pod, container, secrets, maps)
            yield from _probed_ports(where, pod, container)
        for volume in pod.spec.get("volumes") or []:
            if (secret := volume.get("secret")) and (pod.namespace, secret["secretName"]) not in secrets:
                yield f"{pod.owner}: there is no Secret {secret['secretName']}"
            if (config := volume.get("configMap")) and (pod.namespace, config["name"]) not in maps:
                yield f"{pod.owner}: there is no ConfigMap {config['name']}"
            claim = volume.get("persistentVolumeClaim")
            if claim and (pod.namespace, claim["claimName"]) not in claims:
                yield f"{pod.owner}: there is no PersistentVolumeClaim {claim['claimName']}"


def _environment(where: str, pod: Pod, container: Object, secrets: Any, maps: Any) -> Iterator[str]:
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        for field, kind, known in (("secretKeyRef", "Secret", secrets), ("configMapKeyRef", "ConfigMap", maps)):
            if (reference := source.get(field)) and not reference.get("optional"):
                yield from _has(where, pod, kind, known, reference["name"], reference["key"])
    for source in container.get("envFrom") or []:
        for field, kind, known in (("secretRef", "Secret", secrets), ("configMapRef", "ConfigMap", maps)):
            if (reference := source.get(field)) and not reference.get("optional"):
                yield from _has(where, pod, kind, known, reference["name"], None)


def _has(where: str, pod: Pod, kind: str, known: Any, name: str, key: str | None) -> Iterator[str]:
    if (pod.namespace, name) not in known:
        yield f"{where}: there is no {kind} {pod.namespace}/{name}"
    elif key is not None and known[pod.namespace, name] is not None and key not in known[pod.namespace, name]:
        yield f"{where}: the {kind} {pod.namespace}/{name} has no key {key}"


def _probed_ports(where: str, pod: Pod, container: Object) -> Iterator[str]:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        for way in ("httpGet", "tcpSocket"):
            port = (container.get(probe) or {}).get(way, {}).get("port")
            if port is not None and port not in pod.ports() and port not in pod.ports().values():
                yield f"{where}: its {probe} asks port {port}, which it does not have"


def _roles(objects: list[Object]) -> Iterator[str]:
    accounts = _names(objects, "ServiceAccount") | ACCOUNTS
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
        namespace = binding["metadata"].get("namespace", "") if kind == "Role" else ""
        if (namespace, name) not in _names(objects, kind):
            yield f"{title(binding)}: there is no {kind} {name}"
        for subject in binding.get("subjects") or []:
            if subject["kind"] == "ServiceAccount" and (subject.get("namespace", ""), subject["name"]) not in accounts:
                yield f"{title(binding)}: there is no service account {subject.get('namespace')}/{subject['name']}"


def _named(objects: list[Object]) -> Iterator[str]:
    """References of one object to another by its name."""
    for item in objects:
        namespace, spec = item["metadata"].get("namespace", ""), item.get("spec") or {}
        for kind, name, there in _references(item["kind"], spec):
            if (namespace if there else "", name) not in _names(objects, kind):
                yield f"{title(item)}: there is no {kind} {name}"


def _references(kind: str, spec: Object) -> Iterator[tuple[str, str, bool]]:
    """Kind and name of what a spec names, and whether it is to be in the same namespace."""
    if kind == "StatefulSet":
        yield "Service", spec["serviceName"], True
    elif kind == "ScaledObject":
        yield spec["scaleTargetRef"].get("kind", "Deployment"), spec["scaleTargetRef"]["name"], True
    elif kind in ("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"):
        yield kind.removesuffix("Binding"), spec["policyName"], False
    elif kind == "LocalQueue":
        yield "ClusterQueue", spec["clusterQueue"], False
    elif kind == "ClusterQueue":
        for group in spec.get("resourceGroups") or []:
            for flavor in group["flavors"]:
                yield "ResourceFlavor", flavor["name"], False
    elif kind in ("EventSource", "Sensor"):
        yield "EventBus", spec["eventBusName"], True
        for dependency in spec.get("dependencies") or []:
            yield "EventSource", dependency["eventSourceName"], True
    elif kind == "ResourceQuota":
        for term in (spec.get("scopeSelector") or {}).get("matchExpressions") or []:
            if term["scopeName"] == "PriorityClass":
                for name in term.get("values") or []:
                    yield "PriorityClass", name, False


def _events(objects: list[Object]) -> Iterator[str]:
    """A Sensor waits for events that a source sends, and hands no field of one to what it starts."""
    sent = {
        (source["metadata"]["name"], event)
        for source in of_kind(objects, "EventSource")
        for kind, events in source["spec"].items()
        if kind in ("webhook", "sqs", "minio")
        for event in events
    }
    for sensor in of_kind(objects, "Sensor"):
        waited = {dependency["name"] for dependency in sensor["spec"]["dependencies"]}
        for dependency in sensor["spec"]["dependencies"]:
            if (dependency["eventSourceName"], dependency["eventName"]) not in sent:
                yield f"{title(sensor)}: nothing sends {dependency['eventSourceName']}/{dependency['eventName']}"
        for trigger in sensor["spec"]["triggers"]:
            condition = trigger["template"].get("conditions")
            if condition and condition not in waited:
                yield f"{title(sensor)}: its trigger waits for {condition}, which it does not depend on"
            if trigger.get("parameters") or trigger["template"].get("k8s", {}).get("parameters"):
                yield f"{title(sensor)}: fields of an event reach what it starts"
    secrets = written_secrets(objects)
    for source in of_kind(objects, "EventSource"):
        for event in (source["spec"].get("webhook") or {}).values():
            secret = event.get("authSecret") or {"name": "", "key": ""}
            if secret["key"] not in secrets.get((source["metadata"]["namespace"], secret["name"]), set()):
                yield f"{title(source)}: its webhook takes whatever comes: no Secret {secret['name']!r}"
