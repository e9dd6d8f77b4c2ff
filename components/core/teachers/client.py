"""Asking a teacher: look the call up, else send it, validate the reply, store it, and only then hand it on.

A call is looked up before any of its pictures is made. A reply enters the store once it is valid, before anyone sees
it. An invalid one (not JSON, not the schema, cut at `max_tokens`) is asked for again with the error, at most `attempts`
times; a refused one is not. A request that is refused for its size is sent with every second image until it is taken,
and what was taken is where the role's later requests to that endpoint begin; its reply stays under the key of the whole
request and tells how many images it is of. Of identical requests in flight at one moment only one is sent, and whoever
asked may be cancelled: what was sent is paid for, so its reply is waited for and stored (`settle`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from components.core.data.rows import Lineage
from components.core.errors import ReplyError, SettingsError
from components.core.stores.keyvalue import KeyValue
from components.core.teachers.endpoints import Endpoint, EndpointSettings
from components.core.teachers.exchange import Oversized, TooLarge
from components.core.teachers.ledger import Ledger
from components.core.teachers.prompts import Prompt, Shown, request_key, response_format
from components.core.teachers.replies import Completion, estimate_tokens, legible, parse_reply, read_completion
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
    images: int = 0
    """How many of the prompt's images the teacher was sent: fewer than there are where all were too many."""

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
        self._in_flight: dict[str, asyncio.Task[bytes]] = {}
        self._settles = False
        self._most_images: dict[tuple[str, str, str], int] = {}
        """What an endpoint took of a model's requests in a role after it had refused more."""

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
            VideoError: if the reply is not stored and the prompt's frames cannot be read.
            TeacherUnavailable: if the endpoint is down.
            BudgetExceeded: if the budget is spent and the reply is not stored.
        """
        request = _Request(role, prompt, reply_type, check, sample, request_key(role, prompt, reply_type, sample))
        stored: bytes | None
        while True:
            if request.key in self._in_flight:
                stored = await asyncio.shield(self._in_flight[request.key])
            else:
                stored = await self._calls.get(request.key)
            if stored is not None:
                try:
                    return self._reply(stored, request, cached=True)
                except (ValueError, KeyError, TypeError, RecursionError):
                    # It passed a validation that has become stricter since, or is damaged: buy another.
                    return self._reply(await self._buy_once(request, replace=True), request, cached=False)
            if request.key not in self._in_flight:
                return self._reply(await self._buy_once(request, replace=False), request, cached=False)

    async def settle(self, within_s: float) -> int:
        """Send nothing more, and wait until what was sent is answered and stored; returns how many replies were."""
        self._settles = True
        for endpoint in self._endpoints.values():
            endpoint.send_no_more()
        if not self._in_flight:
            return 0
        ended, _ = await asyncio.wait(self._in_flight.values(), timeout=within_s)
        return sum(not purchase.cancelled() and purchase.exception() is None for purchase in ended)

    async def close(self) -> None:
        """Give up what is in flight, close connections and the ledger."""
        given_up = list(self._in_flight.values())
        for purchase in given_up:
            purchase.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        for endpoint in self._endpoints.values():
            await endpoint.close()
        self.ledger.close()

    async def _buy_once(self, request: _Request[Model], *, replace: bool) -> bytes:
        """Buy and store a reply while identical requests wait for it; what is then stored. It outlives who asked."""

        async def buy_and_store() -> bytes:
            try:
                return await self._calls.put(request.key, await self._buy(request), replace=replace)
            finally:
                self._in_flight.pop(request.key, None)

        purchase = self._in_flight[request.key] = asyncio.create_task(buy_and_store())
        return await asyncio.shield(purchase)

    async def _buy(self, request: _Request[Model]) -> bytes:
        """Ask until the reply is valid; the value to store."""
        role = request.role
        shown = await request.prompt.shown()
        tokens_in = tokens_out = 0
        correction: list[dict[str, Any]] = []
        problem = ""
        for attempt in range(1, role.attempts + 1):
            started = time.monotonic()
            said, images = await self._send(request, shown, correction)
            used_in = said.tokens_in
            if used_in is None:
                used_in = estimate_tokens(request.prompt.system + request.prompt.payload_json, images)
            used_out = estimate_tokens(said.text) if said.tokens_out is None else said.tokens_out
            tokens_in, tokens_out = tokens_in + used_in, tokens_out + used_out
            problem = request.problem_of(said)
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
                value = {"content": said.text, "tokens_in": tokens_in, "tokens_out": tokens_out, "attempts": attempt}
                return json.dumps({**value, "images": images}).encode()
            if said.refusal:
                raise ReplyError(
                    f"The {role.role} ({role.teacher}) refuses this request: {said.refusal}.",
                    "Another model may answer it.",
                )
            correction = _correction(said.text, problem)
        raise ReplyError(
            f"The {role.role}'s reply ({role.teacher}) stayed invalid after {role.attempts} attempts: {problem}.",
            "Try a stronger model or a larger max_tokens for this role.",
        )

    async def _send(
        self, request: _Request[Model], shown: Shown, correction: Sequence[dict[str, Any]]
    ) -> tuple[Completion, int]:
        """One answer to a request, made smaller until the endpoint takes it; and of how many images it is."""
        role = request.role
        endpoint = self._endpoint(role)
        served = (role.endpoint, role.model, role.role)
        halved = False
        while len(shown) > self._most_images.get(served, len(shown)):
            shown = shown[::2]
        while True:
            await self.ledger.check_budget()
            try:
                answer = await endpoint.complete(request.body(shown, correction), role.timeout_s, role.role)
            except TooLarge:
                if len(shown) < 2:
                    raise
                halved, shown = True, shown[::2]
                continue
            except Oversized as error:
                return Completion("", problem=str(error), tokens_out=role.max_tokens), len(shown)
            if halved:
                self._most_images[served] = len(shown)
            return read_completion(answer), len(shown)

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
            images=value.get("images", len(request.prompt.frames)),
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
            if self._settles:
                endpoint.send_no_more()
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

    def body(self, shown: Shown, correction: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The request to send, with the frames `shown`: all, or what is left after some were taken away."""
        body = {
            "model": self.role.model,
            "messages": [*self.prompt.messages(shown), *correction],
            "response_format": response_format(self.reply_type),
            **self.role.sampling(),
        }
        if self.sample:
            body["seed"] = self.sample
        return {name: value for name, value in body.items() if value is not None}

    def parse(self, content: str) -> Model:
        """Validate a reply's text, by its schema and by the caller's check."""
        value = parse_reply(content, self.reply_type, self.role.max_tokens)
        if self.check is not None:
            self.check(value)
        return value

    def problem_of(self, said: Completion) -> str:
        """What is wrong with a reply, in words its author can act on; empty if it is valid."""
        if said.refusal or said.problem:
            return said.refusal or said.problem
        if said.finish_reason == "length":
            return f"it was cut at {self.role.max_tokens} tokens; answer more briefly"
        try:
            self.parse(said.text)
        except ValueError as error:
            return legible(str(error), 500)
        return ""


def _correction(content: str, problem: str) -> list[dict[str, Any]]:
    request = f"That reply was invalid: {problem}. Reply again with JSON of the required schema only."
    # Some chat templates refuse an empty turn of the assistant.
    return [{"role": "assistant", "content": content[:4000] or "(nothing)"}, {"role": "user", "content": request}]
