"""Asking a teacher: look the call up, else send it, validate the reply, store it, and only then hand it on.

A reply enters the store once it is valid, before anyone sees it. An invalid one (not JSON, not the schema, cut at
`max_tokens`) is asked for again with the error, at most `attempts` times. Of identical requests in flight at one moment
only one is sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
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
        self,
        role: RoleSettings,
        prompt: Prompt,
        reply_type: type[Model],
        *,
        check: Callable[[Model], object] | None = None,
        sample: int = 0,
    ) -> Reply[Model]:
        """The reply to a prompt, from the store if it was ever paid for.

        Args:
            check: raises ValueError, in words the teacher can act on, for a well-formed reply that is impossible.
            sample: tells apart several replies to one prompt at a temperature above 0.

        Raises:
            ReplyError: if every attempt was invalid, or the endpoint refuses this request.
            TeacherUnavailable: if the endpoint is down.
            BudgetExceeded: if the budget is spent and the reply is not stored.
        """
        request = _Request(role, prompt, reply_type, check, sample, request_key(role, prompt, reply_type, sample))
        while True:
            if request.key in self._in_flight:
                stored = await self._join(request.key)
            else:
                stored = await self._calls.get(request.key)
            if stored is not None:
                try:
                    return self._reply(stored, request, cached=True)
                except ValueError:
                    # The stored reply passed a validation that has become stricter since: buy another.
                    return self._reply(await self._buy_once(request, replace=True), request, cached=False)
            if request.key not in self._in_flight:
                return self._reply(await self._buy_once(request, replace=False), request, cached=False)

    async def close(self) -> None:
        """Close connections and the ledger."""
        for endpoint in self._endpoints.values():
            await endpoint.close()
        self.ledger.close()

    async def _join(self, key: str) -> bytes | None:
        """Wait for the identical request in flight; None if whoever sent it was cancelled."""
        in_flight = self._in_flight[key]
        await asyncio.wait((in_flight,))
        return None if in_flight.cancelled() else in_flight.result()

    async def _buy_once(self, request: _Request[Model], *, replace: bool) -> bytes:
        """Buy and store a reply while identical requests wait for it; what is then stored."""
        bought: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._in_flight[request.key] = bought
        try:
            stored = await self._calls.put(request.key, await self._buy(request), replace=replace)
            bought.set_result(stored)
            return stored
        except Exception as error:
            bought.set_exception(error)
            bought.exception()  # mark it as seen: often nobody else waits
            raise
        finally:
            bought.cancel()
            self._in_flight.pop(request.key, None)

    async def _buy(self, request: _Request[Model]) -> bytes:
        """Ask until the reply is valid; the value to store."""
        role, messages = request.role, request.prompt.messages()
        endpoint = self._endpoint(role)
        body: dict[str, Any] = {"model": role.model_name, "messages": messages, **role.sampling()}
        body["response_format"] = response_format(request.reply_type)
        if request.sample:
            body["seed"] = request.sample
        tokens_in = tokens_out = 0
        problem = ""
        for attempt in range(1, role.attempts + 1):
            self.ledger.check_budget()
            started = time.monotonic()
            content, finish_reason, used_in, used_out = _unpack(await endpoint.complete(body, role.timeout_s))
            tokens_in, tokens_out = tokens_in + used_in, tokens_out + used_out
            problem = request.problem_of(content, finish_reason)
            self.ledger.book(
                role.role,
                role.teacher,
                request.key,
                tokens_in=used_in,
                tokens_out=used_out,
                valid=not problem,
                seconds=time.monotonic() - started,
                cost=role.cost(used_in, used_out),
            )
            if not problem:
                value = {"content": content, "tokens_in": tokens_in, "tokens_out": tokens_out, "attempts": attempt}
                return json.dumps(value).encode()
            body["messages"] = [*messages, *_correction(content, problem)]
        raise ReplyError(
            f"The {role.role}'s reply ({role.teacher}) stayed invalid after {role.attempts} attempts: {problem}.",
            "Try a stronger model or a larger max_tokens for this role.",
        )

    def _reply(self, stored: bytes, request: _Request[Model], *, cached: bool) -> Reply[Model]:
        value, role = json.loads(stored), request.role
        reply = Reply(
            value=request.parse(value["content"]),
            key=request.key,
            cached=cached,
            tokens_in=value["tokens_in"],
            tokens_out=value["tokens_out"],
            teacher=role.teacher,
            prompt_digest=request.prompt.digest,
        )
        if cached:
            self.ledger.book(
                role.role,
                role.teacher,
                request.key,
                tokens_in=reply.tokens_in,
                tokens_out=reply.tokens_out,
                cached=True,
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


@dataclass(frozen=True)
class _Request(Generic[Model]):
    """One request as `ask` was given it, and its key."""

    role: RoleSettings
    prompt: Prompt
    reply_type: type[Model]
    check: Callable[[Model], object] | None
    sample: int
    key: str

    def parse(self, content: str) -> Model:
        """Validate a reply's text, by its schema and by the caller's check."""
        value = parse_reply(content, self.reply_type)
        if self.check is not None:
            self.check(value)
        return value

    def problem_of(self, content: str, finish_reason: str) -> str:
        """What is wrong with a reply, in words its author can act on; empty if it is valid."""
        if finish_reason == "length":
            return f"it was cut at {self.role.max_tokens} tokens; answer more briefly"
        try:
            self.parse(content)
        except json.JSONDecodeError as error:
            return f"it is not JSON ({error})"
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"
        except ValueError as error:
            return str(error)
        return ""


def parse_reply(content: str, reply_type: type[Model]) -> Model:
    """Validate a reply's text. Raw control characters inside strings pass (xgrammar lets servers write them)."""
    return reply_type.model_validate(json.loads(content, strict=False))


def _unpack(answer: dict[str, Any]) -> tuple[str, str, int, int]:
    """Content, finish reason, prompt tokens and reply tokens; an answer of another form has the content ""."""
    usage, choices = answer.get("usage"), answer.get("choices")
    usage = usage if isinstance(usage, dict) else {}
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    used_in, used_out = (count if isinstance(count, int) else 0 for count in tokens)
    return content if isinstance(content, str) else "", str(choice.get("finish_reason", "")), used_in, used_out


def _correction(content: str, problem: str) -> list[dict[str, Any]]:
    request = f"That reply was invalid: {problem}. Reply again with JSON of the required schema only."
    return [{"role": "assistant", "content": content[:4000]}, {"role": "user", "content": request}]
