"""The overlays and the profiles speak of the same things: addresses, Secrets and their keys, images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.manifests.objects import KUBEFLOW, SERVICES, of_kind, pods, written_secrets
from tests.manifests.render import Object

PROFILES = {"dev": "cluster-dev"}
"""The profile that an overlay is for; `cluster` where none is named."""


def faults(objects: list[Object], profile: Any) -> Iterator[str]:
    """What a profile names and the overlay (with KFP 2.17.0) does not have."""
    services = dict(SERVICES)
    for service in of_kind(objects, "Service"):
        key = service["metadata"]["namespace"], service["metadata"]["name"]
        services[key] = {port["port"] for port in service["spec"]["ports"]}
    addresses = {"launch.mlflow": profile.launch.mlflow, "launch.s3_endpoint": profile.launch.s3_endpoint}
    used = {role.endpoint for role in profile.roles()}
    addresses |= {f"endpoints.{name}": profile.endpoints[name].base_url for name in sorted(used)}
    for setting, address in addresses.items():
        parts = urlsplit(address)
        name, _, namespace = (parts.hostname or "").partition(".")
        if parts.port not in services.get((namespace.partition(".")[0], name), set()):
            yield f"profile {profile.name}, {setting}: nothing answers at {address or 'an empty address'}"
    secret, keys = profile.platform.secret, set(profile.platform.secret_keys)
    there = written_secrets(objects).get((KUBEFLOW, secret))
    if there is None:
        yield f"profile {profile.name}: there is no Secret {KUBEFLOW}/{secret}"
    elif missing := keys - there:
        yield f"profile {profile.name}: the Secret {KUBEFLOW}/{secret} has no {', '.join(sorted(missing))}"
    classes = {item["metadata"]["name"] for item in of_kind(objects, "PriorityClass")}
    queues = {item["metadata"]["name"] for item in of_kind(objects, "LocalQueue")}
    for name, pool in profile.platform.pools.items():
        if pool.priority and pool.priority not in classes:
            yield f"profile {profile.name}, pool {name}: there is no PriorityClass {pool.priority}"
        if pool.queue and pool.queue not in queues:
            yield f"profile {profile.name}, pool {name}: there is no LocalQueue {pool.queue}"


UNBUILT = "unbuilt"
"""Tag of images that nobody has built and pinned yet: what the repository holds, since a registry is everyone's own."""


def image_faults(objects: list[Object], built: set[str]) -> Iterator[str]:
    """Images of ours that no recipe builds, or that are named by the tag of other code.

    Args:
        built: names and tags that `make images` would give now, without a registry.
    """
    for pod in pods(objects):
        for where, container in pod.containers():
            name, _, tag = container["image"].rpartition("/")[2].partition(":")
            if not name.startswith("rewatch-") or f"{name}:{tag}" in built:
                continue
            same = [other.partition(":")[2] for other in built if other.partition(":")[0] == name]
            if not same:
                yield f"{where}: no recipe builds an image {name}"
            elif tag != UNBUILT:
                yield f"{where}: image {name}:{tag} is of other code, this one's is {same[0]}; `make push` pins it"


def built_images() -> set[str]:
    """Name and tag of every server's image that this code builds, without a registry."""
    from pipelines.images import servers

    return {image.reference.rpartition("/")[2] for image in servers()}
