"""What must hold before a run is worth starting, each asked for once and all of it told at once.

Storage that can be read and written, MLflow that answers, teachers that serve the model they are asked for and take a
request of full size, accelerators that some node has, a budget that can bite. Checks run side by side and wait no
longer than `PATIENCE_S`, so that a run which cannot succeed ends within a minute, before anything is bought. The
launcher on one machine asks the same of teachers before it writes anything (pipelines/launch/local/preflight.py).
"""

from __future__ import annotations

import base64
import json
import math
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from components.core.engine.context import Context
from components.core.errors import InputError, RewatchError, TeacherUnavailable
from components.core.stores.files import is_s3, storage_for
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.exchange import TOO_LARGE
from components.core.teachers.roles import RoleSettings

PATIENCE_S = 40.0
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ENOUGH = 200
"""Characters of an answer that are repeated."""


class Asked(NamedTuple):
    """A role, and the largest request that it sends."""

    role: RoleSettings
    images: int
    pixels: int
    """Of each image."""


class Accelerators(NamedTuple):
    """What a pool asks of one node."""

    pool: str
    resource: str
    amount: int
    node_selector: Mapping[str, str]


class Answer(NamedTuple):
    """What came back over HTTP; `status` 0 stands for nothing, for the reason in `text`."""

    status: int
    text: str

    @property
    def short(self) -> str:
        """For a message."""
        return f"{self.status or 'nothing'}: {' '.join(self.text.split())[:ENOUGH]}"


def roles_in(section: Mapping[str, Any]) -> list[Asked]:
    """The roles of a stage's section, as JSON values, with how much they show where the section limits that.

    One that names no endpoint is not asked: `arguments` of a section leaves it so in the part of a task without it.
    """
    images, pixels = int(section.get("frames_per_request") or 0), int(section.get("max_pixels") or 0)

    def walk(value: Any) -> Iterator[RoleSettings]:
        if isinstance(value, Mapping) and {"role", "endpoint", "model"} <= value.keys():
            if value["endpoint"]:
                yield RoleSettings.model_validate(value)
        elif isinstance(value, (Mapping, list)):
            for inner in value.values() if isinstance(value, Mapping) else value:
                yield from walk(inner)

    return [Asked(role, images, pixels) for role in walk(section)]


def missing(
    context: Context, videos: str, asked: Sequence[Asked], accelerators: Sequence[Accelerators] = ()
) -> list[str]:
    """Everything that stands in the way of a run, one sentence or two each; empty if nothing does."""
    checks: list[Callable[[], Iterable[str]]] = [
        lambda: _state(context),
        lambda: _videos(videos),
        lambda: _tracking(context),
        lambda: _budget(context, asked),
        lambda: _nodes(accelerators),
    ]
    for name in sorted({one.role.endpoint for one in asked}):
        own = [one for one in asked if one.role.endpoint == name]
        checks.append(partial(_teacher, name, context.endpoints.get(name), own))

    def told(check: Callable[[], Iterable[str]]) -> list[str]:
        try:
            return list(check())
        except RewatchError as error:
            return [str(error)]

    with ThreadPoolExecutor(len(checks)) as pool:
        return [problem for problems in pool.map(told, checks) for problem in problems]


def check_endpoint(name: str, endpoint: EndpointSettings) -> list[dict[str, Any]]:
    """Ask the endpoint for its models, once, with its key; returns them, none where it keeps no list.

    Raises:
        InputError: its key is not set, or its address is none.
        TeacherUnavailable: it refuses the key, or does not answer.
    """
    answer = _ask(f"{endpoint.base_url.rstrip('/')}/models", _key(name, endpoint), patience_s=10)
    _refuse_no_answer(name, endpoint, answer)
    try:
        listed = json.loads(answer.text)["data"] if answer.status == 200 else []
        return [model for model in listed if isinstance(model, dict)]
    except (ValueError, KeyError, TypeError):
        return []


def _state(context: Context) -> Iterator[str]:
    """What outlives a run can be written, read and created but once."""
    place = f"{context.state_root.rstrip('/')}/prerequisites/{context.run_id or 'by-hand'}"
    storage = storage_for(place)
    storage.write(place, b"here")
    if storage.read(place) != b"here":
        yield f"What is written to {context.state_root} is not what is read there."
    if is_s3(place):
        from components.core.stores.s3 import S3Storage

        if S3Storage().write_if_absent(place, b"again"):
            yield (
                f"The store of {context.state_root} overwrites what may be created but once (If-None-Match), so two "
                "tasks would both take themselves for the first. Use one that knows conditional writes."
            )
    storage.delete(place)


def _videos(videos: str) -> Iterator[str]:
    if next(iter(storage_for(videos).list(videos)), None) is None:
        yield f"There is nothing at {videos}. Put videos there, or name another place with --videos."


def _tracking(context: Context) -> Iterator[str]:
    """MLflow's server answers, and lets these credentials in; a database of this machine the launcher has prepared."""
    if not context.mlflow_uri.startswith(("http://", "https://")):
        return
    address = f"{context.mlflow_uri.rstrip('/')}/api/2.0/mlflow/experiments/get-by-name"
    user, password, token = (os.environ.get(f"MLFLOW_TRACKING_{it}", "") for it in ("USERNAME", "PASSWORD", "TOKEN"))
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Bearer {token}" if token else f"Basic {basic}"} if token or user else {}
    answer = _ask(f"{address}?experiment_name={quote(context.mlflow_experiment)}", headers, patience_s=20)
    if answer.status not in (200, 404):
        yield (
            f"MLflow at {context.mlflow_uri} says {answer.short}. Start it, correct launch.mlflow, or name "
            "MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN, in platform.secret_keys."
        )


def _budget(context: Context, asked: Sequence[Asked]) -> Iterator[str]:
    free = sorted({one.role.role for one in asked if not (one.role.price_in or one.role.price_out)})
    if context.budget.cost and free:
        yield (
            f"launch.budget.cost limits what {', '.join(free)} may cost, but they have no price, so it never would. "
            "Set price_in and price_out under teachers, or limit launch.budget.tokens."
        )
    longest = max((one.role.max_tokens for one in asked), default=0)
    if 0 < context.budget.tokens < longest:
        yield f"launch.budget.tokens is {context.budget.tokens}: one reply may take {longest}. Raise it."


def _teacher(name: str, endpoint: EndpointSettings | None, asked: Sequence[Asked]) -> Iterator[str]:
    """The endpoint serves the models asked for, each takes the largest request that is sent to it."""
    roles = ", ".join(dict.fromkeys(one.role.role for one in asked))
    if endpoint is None or not endpoint.base_url:
        yield f"Nobody says where the endpoint {name!r} of {roles} is. Set endpoints.{name}.base_url."
        return
    served = {str(model.get("id")): model for model in check_endpoint(name, endpoint)}
    for model in dict.fromkeys(one.role.model for one in asked):
        own = [one for one in asked if one.role.model == model]
        if served and model not in served:
            yield (
                f"{endpoint.base_url} serves {', '.join(sorted(served))}, not {model!r} that {roles} ask for. "
                "Correct teachers in the profile, or the server's --served-model-name."
            )
            continue
        theirs = served.get(model, {}).get("revision")
        for revision in sorted({one.role.revision for one in own if theirs and one.role.revision != theirs}):
            yield (
                f"{model} at {endpoint.base_url} is of the revision {theirs}, the profile's is {revision}: replies "
                "would be filed under a wrong name. Deploy both from the same code."
            )
        largest = max(own, key=lambda one: one.images * one.pixels)
        yield from _full_size(name, endpoint, largest, served.get(model, {}).get("max_model_len"))


def _full_size(name: str, endpoint: EndpointSettings, one: Asked, context_length: object) -> Iterator[str]:
    if isinstance(context_length, int) and context_length < one.role.max_tokens:
        yield f"{one.role.model} takes {context_length} tokens; a reply of {one.role.role} has {one.role.max_tokens}."
    body = {"model": one.role.model, "messages": [{"role": "user", "content": _shown(one)}], "max_tokens": 1}
    key = {**_key(name, endpoint), "Content-Type": "application/json"}
    answer = _ask(f"{endpoint.base_url.rstrip('/')}/chat/completions", key, json.dumps(body).encode())
    _refuse_no_answer(name, endpoint, answer)
    if answer.status == 413 or (400 <= answer.status < 500 and TOO_LARGE.search(answer.text)):
        yield (
            f"{one.role.model} at {endpoint.base_url} refuses what {one.role.role} sends, {one.images} images of "
            f"{one.pixels} pixels ({answer.short}). Raise the server's limits, or lower frames_per_request."
        )
    elif answer.status == 404:
        yield f"{endpoint.base_url} knows no {one.role.model!r} ({answer.short}). Correct teachers in the profile."


def _shown(one: Asked) -> list[dict[str, Any]]:
    """The content of a message as large as the role's largest."""
    content: list[dict[str, Any]] = [{"type": "text", "text": "Reply with OK."}]
    if one.images:
        import numpy as np

        from components.core.video.timed_images import encode_jpeg

        side = max(28, math.isqrt(one.pixels))
        picture = base64.b64encode(encode_jpeg(np.full((side, side, 3), 128, np.uint8), 85)).decode()
        content += [{"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}] * one.images
    return content


def _nodes(accelerators: Sequence[Accelerators]) -> Iterator[str]:
    """Some node has what each pool asks for. Where this pod's account may not list nodes, the scheduler will say."""
    if not accelerators or not (SERVICE_ACCOUNT / "token").is_file():
        return
    token = {"Authorization": f"Bearer {(SERVICE_ACCOUNT / 'token').read_text().strip()}"}
    trusted = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    answer = _ask("https://kubernetes.default.svc/api/v1/nodes", token, patience_s=20, trusted=trusted)
    if answer.status != 200:
        return
    nodes = json.loads(answer.text)["items"]
    for wanted in accelerators:
        fit = [node for node in nodes if wanted.node_selector.items() <= node["metadata"].get("labels", {}).items()]
        most = max((int(node["status"]["allocatable"].get(wanted.resource, 0)) for node in fit), default=0)
        if most < wanted.amount:
            labels = ", ".join(f"{key}={value}" for key, value in wanted.node_selector.items()) or "any"
            yield (
                f"The pool {wanted.pool} asks for {wanted.amount} {wanted.resource} on one node ({labels}); of "
                f"{len(fit)} such nodes none has more than {most}. Add nodes, or change platform.pools.{wanted.pool}."
            )


def _key(name: str, endpoint: EndpointSettings) -> dict[str, str]:
    """The header that carries the endpoint's key."""
    if not endpoint.api_key_env:
        return {}
    if not (key := os.environ.get(endpoint.api_key_env, "").strip()):
        raise InputError(
            f"The endpoint {name!r} takes its key from {endpoint.api_key_env}, which is not set.",
            f"export {endpoint.api_key_env}=…; on a cluster, add it to platform.secret_keys and to the Secret.",
        )
    return {"Authorization": f"Bearer {key}"}


def _refuse_no_answer(name: str, endpoint: EndpointSettings, answer: Answer) -> None:
    if answer.status in (401, 403):
        raise TeacherUnavailable(
            f"The teacher at {endpoint.base_url} refused its key ({answer.status}).",
            f"Check {endpoint.api_key_env or f'endpoints.{name}.api_key_env'}.",
        )
    if answer.status >= 500:
        raise TeacherUnavailable(f"The teacher at {endpoint.base_url} answers {answer.short}.", "Look at its log.")
    if answer.status == 0:
        raise TeacherUnavailable(
            f"The teacher {name!r} at {endpoint.base_url} does not answer: {answer.text}.",
            "Start it, or correct endpoints in the profile.",
        )


def _ask(
    address: str,
    headers: Mapping[str, str],
    data: bytes | None = None,
    *,
    patience_s: float = PATIENCE_S,
    trusted: ssl.SSLContext | None = None,
) -> Answer:
    """One GET, or POST where there is data."""
    if urlsplit(address).scheme not in ("http", "https"):
        raise InputError(f"{address!r} is no address.", "Write http://host:port/v1.")
    try:
        request = urllib.request.Request(address, data, dict(headers))
        with urllib.request.urlopen(request, timeout=patience_s, context=trusted) as reply:
            return Answer(reply.status, reply.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(errors="replace"))
    except OSError as error:
        return Answer(0, str(getattr(error, "reason", error)))
