"""What must hold before a run is worth starting, each asked for once and all of it told at once.

Storage that can be read and written, MLflow that answers, teachers that serve the model they are asked for and take a
request of full size, a base that Hugging Face gives out, accelerators and volumes that the cluster has, a budget that
can bite. Checks run side by side and are waited for until `ALL_TOLD_S`, so that a run which cannot succeed ends
within a minute, before anything is bought, also where a store takes every packet and answers none. The launcher on one
machine asks the same of teachers before it writes anything (pipelines/launch/local/preflight.py).
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from components.core.engine.asking import Answer, ask, side_by_side
from components.core.engine.context import Context
from components.core.engine.pools import PoolNeeds, lacking
from components.core.errors import InputError, RewatchError, TeacherUnavailable
from components.core.stores.files import is_s3, storage_for
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.exchange import TOO_LARGE
from components.core.teachers.roles import RoleSettings

ALL_TOLD_S = 45.0
"""After so long whoever has not answered is told, too."""
HUB = "https://huggingface.co"
ON_THE_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


class _Check(NamedTuple):
    """One thing that is looked at."""

    of: str
    """Who is asked, at the head of a sentence."""

    remedy: str
    """What helps where nobody answers."""

    problems: Callable[[], Iterable[str]]

    def told(self) -> list[str]:
        """The problems, or the error that ended the looking."""
        try:
            return list(self.problems())
        except RewatchError as error:
            return [str(error)]


class Asked(NamedTuple):
    """A role, and the largest request that it sends."""

    role: RoleSettings
    images: int
    pixels: int
    """Of each image."""


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


def bases_in(section: Mapping[str, Any]) -> list[str]:
    """The models on Hugging Face that a section's training starts from; a folder is looked at by who reads it."""
    base = str(section.get("base") or "")
    return [base] if ON_THE_HUB.fullmatch(base) and not Path(base).exists() else []


def missing(
    context: Context,
    videos: str,
    asked: Sequence[Asked],
    pools: Sequence[PoolNeeds] = (),
    bases: Sequence[str] = (),
) -> list[str]:
    """Everything that stands in the way of a run, one sentence or two each; empty if nothing does."""
    reach = "launch.s3_endpoint or launch.buckets, or let pods out to it"
    checks = [
        _Check(f"The store of {context.state_root}", f"Correct {reach}.", partial(_state, context)),
        _Check(f"The store of {videos}", f"Correct {reach}.", partial(_videos, videos)),
        _Check(f"MLflow at {context.opens_mlflow}", "Start it, or correct launch.mlflow.", partial(_tracking, context)),
        _Check("The budget", "", partial(_budget, context, asked)),
        _Check("The cluster's API", "Let pods out to it.", partial(lacking, pools)),
    ]
    checks += [_Check(f"The Hub, asked for {base},", "Let pods out to it.", partial(_base, base)) for base in bases]
    for name in sorted({one.role.endpoint for one in asked}):
        own = [one for one in asked if one.role.endpoint == name]
        ask_it = partial(_teacher, name, context.endpoints.get(name), own)
        checks.append(_Check(f"The teacher {name!r}", "Start it, or correct endpoints in the profile.", ask_it))
    problems: list[str] = []
    found = side_by_side([check.told for check in checks], ALL_TOLD_S)
    for check, told in zip(checks, found, strict=True):
        silent = [f"{check.of} gave no answer within {ALL_TOLD_S:.0f} s. {check.remedy}".rstrip()]
        problems += silent if told is None else told
    return problems


def check_endpoint(name: str, endpoint: EndpointSettings) -> list[dict[str, Any]]:
    """Ask the endpoint for its models, once, with its key; returns them, none where it keeps no list.

    Raises:
        InputError: its key is not set, or its address is none.
        TeacherUnavailable: it refuses the key, or does not answer.
    """
    answer = ask(f"{endpoint.base_url.rstrip('/')}/models", _key(name, endpoint), patience_s=10)
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
    """There is something, and it may be read: who may list a bucket need not be allowed to read it."""
    storage = storage_for(videos)
    first = next(iter(storage.list(videos)), None)
    if first is None:
        yield f"There is nothing at {videos}. Put videos there, or name another place with --videos."
    elif is_s3(first.uri):
        with storage.open(first.uri):
            pass


def _tracking(context: Context) -> Iterator[str]:
    """MLflow's server answers, and lets these credentials in; a database of this machine the launcher has prepared."""
    if not context.mlflow_uri.startswith(("http://", "https://")):
        return
    address = f"{context.mlflow_uri.rstrip('/')}/api/2.0/mlflow/experiments/get-by-name"
    user, password, token = (os.environ.get(f"MLFLOW_TRACKING_{it}", "") for it in ("USERNAME", "PASSWORD", "TOKEN"))
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"Authorization": f"Bearer {token}" if token else f"Basic {basic}"} if token or user else {}
    answer = ask(f"{address}?experiment_name={quote(context.mlflow_experiment)}", headers, patience_s=20)
    if answer.status not in (200, 404):
        yield (
            f"MLflow at {context.opens_mlflow} says {answer.short}. Start it, correct launch.mlflow, or name "
            "MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN, in platform.secret_keys."
        )


def _base(model: str) -> Iterator[str]:
    """Hugging Face gives the model out, to the account of HF_TOKEN where it wants one; a cached copy is enough."""
    told = os.environ
    cache = Path(told.get("HF_HUB_CACHE") or Path(told.get("HF_HOME") or "~/.cache/huggingface", "hub")).expanduser()
    if told.get("HF_HUB_OFFLINE", "0") not in ("", "0") or (cache / f"models--{model.replace('/', '--')}").is_dir():
        return
    hub, token = told.get("HF_ENDPOINT", HUB).rstrip("/"), told.get("HF_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = ask(f"{hub}/{model}/resolve/main/config.json", headers, patience_s=20)
    if answer.status in (401, 403, 404):
        account = "the account of HF_TOKEN" if token else "nobody in particular (HF_TOKEN is not set)"
        yield (
            f"{hub} does not give {model} to {account}: {answer.short}. Correct sft.base, or put the token of an "
            "account that may have it into the Secret, as HF_TOKEN (platform.optional_secret_keys)."
        )
    elif answer.status != 200:
        yield (
            f"{hub} cannot be asked for {model}: {answer.short}. Let pods out to it, or keep the model on a volume "
            "(claims of a pool, HF_HOME there) and set HF_HUB_OFFLINE to 1 in platform.environment."
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
    answer = ask(f"{endpoint.base_url.rstrip('/')}/chat/completions", key, json.dumps(body).encode())
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
