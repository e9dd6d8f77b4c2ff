"""What pools need of their cluster before a run is worth starting: nodes with accelerators, volumes that are there.

Kubernetes lets a pod wait without end for either. It is asked with the pod's own account; what that account may not
see is left to the scheduler, and outside a pod nothing is asked.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.core.engine.asking import Answer, ask

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = "https://kubernetes.default.svc"


class PoolNeeds(NamedTuple):
    """What a pool asks of the cluster."""

    pool: str
    resource: str = ""
    """Name of its accelerators, such as `nvidia.com/gpu`; empty for a pool without any."""
    amount: int = 0
    """Of accelerators, on one node."""
    node_selector: Mapping[str, str] = {}
    claims: Sequence[str] = ()
    """PersistentVolumeClaims that its pods mount."""


def lacking(pools: Sequence[PoolNeeds]) -> Iterator[str]:
    """What the cluster lacks of what the pools need."""
    if not pools or not (SERVICE_ACCOUNT / "token").is_file():
        return
    yield from _nodes([it for it in pools if it.amount])
    for claim in sorted({claim for it in pools for claim in it.claims}):
        yield from _claim(claim, [it.pool for it in pools if claim in it.claims])


def _nodes(pools: Sequence[PoolNeeds]) -> Iterator[str]:
    """Some node has what each pool asks for."""
    answer = _ask("/api/v1/nodes") if pools else Answer(0, "")
    if answer.status != 200:
        return
    nodes = json.loads(answer.text)["items"]
    for wanted in pools:
        fit = [node for node in nodes if wanted.node_selector.items() <= node["metadata"].get("labels", {}).items()]
        most = max((int(node["status"]["allocatable"].get(wanted.resource, 0)) for node in fit), default=0)
        if most < wanted.amount:
            labels = ", ".join(f"{key}={value}" for key, value in wanted.node_selector.items()) or "any"
            yield (
                f"The pool {wanted.pool} asks for {wanted.amount} {wanted.resource} on one node ({labels}); of "
                f"{len(fit)} such nodes none has more than {most}. Add nodes, or change platform.pools.{wanted.pool}."
            )


def _claim(name: str, pools: Sequence[str]) -> Iterator[str]:
    """A volume is there; whether it is bound yet is not asked: many are when their first pod is placed."""
    namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    answer = _ask(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
    where = f"platform.pools.{pools[0]}.claims"
    if answer.status == 404:
        yield f"{namespace} has no PersistentVolumeClaim {name!r}. Create it there, or correct {where}."
    elif answer.status == 200 and json.loads(answer.text).get("status", {}).get("phase") == "Lost":
        yield f"The volume of the PersistentVolumeClaim {name!r} is lost. Replace it, or correct {where}."


def _ask(path: str) -> Answer:
    """What the cluster's API answers this pod's account."""
    token = {"Authorization": f"Bearer {(SERVICE_ACCOUNT / 'token').read_text().strip()}"}
    trusted = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    return ask(f"{API}{path}", token, patience_s=20, trusted=trusted)
