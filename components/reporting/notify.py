"""Tells people how a run ended, by webhooks: what happened, why, and where to look.

A webhook's address is a secret: settings name the variable that holds it, and it reaches no log. What is sent is one
JSON object whose `text` chat servers (Slack, Mattermost, Rocket.Chat) show as it is; the other fields are for programs.
A webhook that is not there, refuses or hangs is said in the log, and ends nothing.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.error import HTTPError

from components.core import lineage
from components.core.engine.context import Context
from components.core.engine.terminal import printable

Event = Literal["failed", "promoted", "kept", "refused", "finished", "nothing_new"]
TIMEOUT_S = 10.0
ATTEMPTS = 2


def event_of(status: str, records: Sequence[Mapping[str, Any]], nothing_to_do: str) -> Event:
    """What happened, in one word: a failure, what became of the model, or that there was nothing to do."""
    if status == "failed":
        return "failed"
    if nothing_to_do:
        return "nothing_new"
    verdicts = [str((record.get("info") or {}).get("verdict", "")) for record in records]
    known: dict[str, Event] = {"promoted": "promoted", "kept": "kept", "refused": "refused"}
    return next((known[verdict] for verdict in verdicts if verdict in known), "finished")


def message(
    event: Event, header: Mapping[str, Any], reason: str, links: Mapping[str, str], records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is sent.

    Args:
        header: run_id and pipeline.
        reason: the cause of a failure, the decision, or why there was nothing to do.
        links: addresses by name; empty ones are left out.
        records: of the run's tasks.
    """
    links = {name: address for name, address in links.items() if address}
    pipeline, run_id = str(header.get("pipeline") or "run"), str(header.get("run_id") or "")
    lines = [f"{pipeline} {run_id}: {event.replace('_', ' ')}. {reason}".strip()]
    lines += [f"{name}: {address}" for name, address in links.items()]
    return {
        "text": "\n".join(map(printable, lines)),
        "event": event,
        "pipeline": pipeline,
        "run_id": run_id,
        "reason": reason,
        "links": links,
        "calls": sum(int(record.get("calls") or 0) for record in records),
        "cost": round(sum(float(record.get("cost") or 0) for record in records), 6),
    }


def mlflow_page(context: Context) -> str:
    """Where a tracking server shows the pipeline run; "" where there is no server, or it does not answer."""
    if not context.mlflow_uri.startswith("http") or not context.run_id:
        return ""
    try:
        client = lineage.connect(context.mlflow_uri)
        assert client is not None
        run_id = lineage.pipeline_run(client, context)
        return f"{context.opens_mlflow.rstrip('/')}/#/experiments/{lineage.experiment_id(client)}/runs/{run_id}"
    except Exception:  # noqa: BLE001 - MLflow raises all sorts; a link is worth no run
        return ""


def notify(variables: Sequence[str], content: Mapping[str, Any]) -> int:
    """Post to every webhook; returns how many took it.

    Args:
        variables: names of the environment's variables that hold the addresses.
    """
    data = json.dumps(content).encode()
    return sum(_post(variable, os.environ.get(variable, "").strip(), data) for variable in variables)


def _post(variable: str, address: str, data: bytes) -> bool:
    reason = "" if address.startswith(("https://", "http://")) else "it holds no address"
    for _ in range(ATTEMPTS if not reason else 0):
        request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):
                return True
        except HTTPError as error:
            reason = f"it answers {error.code}"
            if error.code < 500:
                break
        except Exception as error:  # noqa: BLE001 - an address that is none raises all sorts; no run ends for it
            reason = type(error).__name__  # not its words: they may hold the address
    print(f"finish: the webhook in {variable} was not told: {reason}", file=sys.stderr)
    return False
