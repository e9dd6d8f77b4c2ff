"""Asking a teacher: look the call up, else send it, validate the reply, store it, and only then hand it on.

A reply enters the store once it is valid, before anyone sees it. An invalid one (not JSON, not the schema, cut at
`max_tokens`) is asked for again with the error, at most `attempts` times. Of identical requests in flight at one moment
only one is sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from components.core.errors import ReplyError, SettingsError
from components.core.keyvalue import KeyValue
from components.core.records import Lineage
from components.core.teachers.endpoints import Endpoint, EndpointSettings
from components.core.teachers.ledger import Ledger
from components.core.teachers.prompts import Prompt, request_key, response_format
from components.core.teachers.roles import RoleSettings

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Reply(Generic[Model]):
    """A valid reply and where it came from."""

    value: Model
    key: str
    cached: bool
    tokens_in: int
    tokens_out: int
    teacher: str
    prompt_digest: str

    def lineage(self, parents: Sequence[str] = (), *also: Reply[Any]) -> Lineage:
        """The lineage of a row made from this reply, from `parents` and from further replies."""
        return Lineage(
            parents=tuple(parents),
            teacher=self.teacher,
            prompt_digest=self.prompt_digest,
            request_keys=(self.key, *(reply.key for reply in also)),
        )


class Teachers:
    """The client that stages ask.

    Args:
        endpoints: where the endpoints named by roles listen.
        calls: the store of replies.
        ledger: where calls are booked and the budget is watched.
    """

    def __init__(self, endpoints: Mapping[str, EndpointSettings], calls: KeyValue, ledger: Ledger) -> None:
        self.ledger = ledger
        self._settings = dict(endpoints)
        self._endpoints: dict[str, Endpoint] = {}
        self._calls = calls
        self._in_flight: dict[str, asyncio.Future[bytes]] = {}

    async def ask(
        self, role: RoleSettings, prompt: Prompt, reply_type: type[Model], *, sample: int = 0
    ) -> Reply[Model]:
        """The reply to a prompt, from the store if it was ever paid for.

        Args:
            sample: tells apart several replies to one prompt at a temperature above 0.

        Raises:
            ReplyError: if every attempt was invalid, or the endpoint refuses this request.
            TeacherUnavailable: if the endpoint is down.
            BudgetExceeded: if the budget is spent and the reply is not stored.
        """
        key = request_key(role, prompt, reply_type, sample)
        if key in self._in_flight:
            return self._reply(await asyncio.shield(self._in_flight[key]), key, role, prompt, reply_type, cached=True)
        stored = await self._calls.get(key)
        if stored is not None:
            try:
                return self._reply(stored, key, role, prompt, reply_type, cached=True)
            except (ValidationError, ValueError):
                # The form of the reply kept its schema but its validation became stricter: buy it anew.
                return await self._buy_once(key, role, prompt, reply_type, sample, replace=True)
        if key in self._in_flight:
            return self._reply(await asyncio.shield(self._in_flight[key]), key, role, prompt, reply_type, cached=True)
        return await self._buy_once(key, role, prompt, reply_type, sample, replace=False)

    async def close(self) -> None:
        """Close connections and the ledger."""
        for endpoint in self._endpoints.values():
            await endpoint.close()
        self.ledger.close()

    async def _buy_once(
        self, key: str, role: RoleSettings, prompt: Prompt, reply_type: type[Model], sample: int, *, replace: bool
    ) -> Reply[Model]:
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._in_flight[key] = waiting
        try:
            bought = await self._buy(key, role, prompt, reply_type, sample)
            stored = await self._calls.put(key, bought, replace=replace)
        except BaseException as error:
            if isinstance(error, Exception):
                waiting.set_exception(error)
                waiting.exception()  # someone may wait for it or not; either is fine
            else:
                waiting.cancel()
            raise
        finally:
            del self._in_flight[key]
        waiting.set_result(stored)
        return self._reply(stored, key, role, prompt, reply_type, cached=False)

    async def _buy(self, key: str, role: RoleSettings, prompt: Prompt, reply_type: type[Model], sample: int) -> bytes:
        """Ask until the reply is valid; the value to store."""
        endpoint = self._endpoint(role)
        body: dict[str, Any] = {"model": role.model_name, "messages": prompt.messages(), **role.sampling()}
        body["response_format"] = response_format(reply_type)
        if sample:
            body["seed"] = sample
        tokens_in = tokens_out = 0
        problem = ""
        for attempt in range(1, role.attempts + 1):
            self.ledger.check_budget()
            started = time.monotonic()
            answer = await endpoint.complete(body, role.timeout_s)
            content, finish_reason, used_in, used_out = _unpack(answer)
            tokens_in, tokens_out = tokens_in + used_in, tokens_out + used_out
            problem = _problem(content, finish_reason, reply_type, role.max_tokens)
            self.ledger.book(
                role.role,
                role.teacher,
                key,
                tokens_in=used_in,
                tokens_out=used_out,
                valid=not problem,
                seconds=time.monotonic() - started,
                cost=role.cost(used_in, used_out),
            )
            if not problem:
                value = {"content": content, "tokens_in": tokens_in, "tokens_out": tokens_out, "attempts": attempt}
                return json.dumps(value).encode()
            body["messages"] = [*prompt.messages(), *_correction(content, problem)]
        raise ReplyError(
            f"The {role.role}'s reply ({role.teacher}) stayed invalid after {role.attempts} attempts: {problem}",
            "Try a stronger model or a larger max_tokens for this role.",
        )

    def _reply(
        self, stored: bytes, key: str, role: RoleSettings, prompt: Prompt, reply_type: type[Model], *, cached: bool
    ) -> Reply[Model]:
        value = json.loads(stored)
        reply = Reply(
            value=parse_reply(value["content"], reply_type),
            key=key,
            cached=cached,
            tokens_in=value["tokens_in"],
            tokens_out=value["tokens_out"],
            teacher=role.teacher,
            prompt_digest=prompt.digest,
        )
        if cached:
            self.ledger.book(
                role.role, role.teacher, key, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out, cached=True
            )
        return reply

    def _endpoint(self, role: RoleSettings) -> Endpoint:
        endpoint = self._endpoints.get(role.endpoint)
        if endpoint is None:
            settings = self._settings.get(role.endpoint)
            if settings is None:
                known = ", ".join(sorted(self._settings)) or "none"
                raise SettingsError(
                    f"The role '{role.role}' asks the endpoint '{role.endpoint}', which is not configured "
                    f"(configured: {known}).",
                    "Name it in the profile or in REWATCH_ENDPOINTS.",
                )
            endpoint = self._endpoints[role.endpoint] = Endpoint(role.endpoint, settings)
        return endpoint


def parse_reply(content: str, reply_type: type[Model]) -> Model:
    """Validate a reply's text. Raw control characters inside strings pass (xgrammar lets servers write them)."""
    return reply_type.model_validate(json.loads(content, strict=False))


def _unpack(answer: dict[str, Any]) -> tuple[str, str, int, int]:
    usage = answer.get("usage") or {}
    choices = answer.get("choices") or [{}]
    content = (choices[0].get("message") or {}).get("content") or ""
    reason = choices[0].get("finish_reason") or ""
    return content, reason, int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))


def _problem(content: str, finish_reason: str, reply_type: type[BaseModel], max_tokens: int) -> str:
    """What is wrong with a reply, in words its author can act on; empty if it is valid."""
    if finish_reason == "length":
        return f"the reply was cut at {max_tokens} tokens; answer more briefly"
    try:
        parse_reply(content, reply_type)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'reply'}: {first['msg']}"
    except ValueError as error:
        return f"not JSON ({error})"
    return ""


def _correction(content: str, problem: str) -> list[dict[str, Any]]:
    request = f"That reply was invalid: {problem}. Reply again with JSON of the required schema only."
    return [{"role": "assistant", "content": content[:4000]}, {"role": "user", "content": request}]
