"""One endpoint: the openai client, admission, retries, and the errors that end a stage.

The client is the one a person would use against vLLM. Its own retries are off: admission control needs to see every
refusal. What can pass (429, 5xx, timeouts, lost connections) is sent again with jitter; what cannot (400) fails the
record; what no retry mends (401, 403, 404, nobody listening) stops the stage with a remedy.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import ReplyError, SettingsError, TeacherUnavailable
from components.core.teachers.admission import Admission, Trouble

ENDPOINTS_VARIABLE = "REWATCH_ENDPOINTS"
FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 8.0
LONGEST_BACKOFF_UNREACHABLE_S = 1.0
ATTEMPTS_BY_TROUBLE = {"failed": 6, "overloaded": 1000, "unreachable": 1000}
TIMEOUTS_PER_CALL = 4
CONNECT_TIMEOUT_S = 3.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class EndpointSettings(BaseModel):
    """Where an endpoint listens and how patient to be with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    api_key_env: str = ""
    """Name of the environment variable that holds the key; the key itself is never a setting."""

    concurrency: int = Field(default=8, ge=1)
    """Calls in flight at the start."""

    max_concurrency: int = Field(default=64, ge=1)
    patience_s: float = Field(default=60.0, gt=0)
    """How long nothing but failures is borne before the stage stops."""


def endpoints_from_environment() -> dict[str, EndpointSettings]:
    """The endpoints that the launcher or the cluster handed to this task.

    Raises:
        SettingsError: if the variable does not hold a JSON object of endpoints.
    """
    text = os.environ.get(ENDPOINTS_VARIABLE, "{}")
    try:
        return {name: EndpointSettings.model_validate(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError, ValidationError) as error:
        raise SettingsError(f"{ENDPOINTS_VARIABLE} is not a JSON object of endpoints: {error}.") from error


class Endpoint:
    """Sends requests to one endpoint, as many at once as it bears."""

    def __init__(self, name: str, settings: EndpointSettings) -> None:
        from httpx2 import ConnectTimeout, Response
        from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

        self.name = name
        self.settings = settings
        self.admission = Admission(
            limit=settings.concurrency, highest=settings.max_concurrency, patience_s=settings.patience_s
        )
        self._timeout = Timeout
        self._response_type = Response
        self._connect_timeout = ConnectTimeout
        address = urlsplit(settings.base_url)
        self._client = AsyncOpenAI(
            base_url=settings.base_url,
            api_key=self._api_key(),
            max_retries=0,
            # Half the CPU time per call of the default transport (tests/bench).
            http_client=DefaultAioHttpClient(
                base_url=settings.base_url,
                verify=address.scheme != "http",  # without TLS, loading the certificates would cost 40 ms of every task
                trust_env=address.hostname not in LOOPBACK,  # a proxy cannot reach this machine's loopback
            ),
        )
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def complete(self, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """POST one chat completion and return the response's JSON.

        Raises:
            ReplyError: if the endpoint refuses this very request.
            TeacherUnavailable: if the endpoint is down, refuses the key, or does not know the model.
        """
        import openai

        troubles: dict[str, int] = {}
        trouble: Trouble
        while True:
            await self._enter()
            try:
                response = await self._post(body, timeout_s)
            except openai.APITimeoutError as error:
                if isinstance(error.__cause__, self._connect_timeout):  # or hung up while we waited
                    trouble, reason, pause = "unreachable", f"connection lost ({error.__cause__})", 0.0
                else:
                    trouble, reason, pause = "overloaded", f"no answer within {timeout_s:g} s", 0.0
                    troubles["timeout"] = troubles.get("timeout", 0) + 1
            except openai.APIConnectionError as error:
                trouble, reason, pause = "unreachable", f"connection failed ({error.__cause__ or error})", 0.0
            except openai.APIStatusError as error:
                trouble, reason, pause = self._classify(error, body)
            except ValueError as error:
                trouble, reason, pause = "failed", f"the answer is no JSON object ({error})", 0.0
            else:
                self.admission.succeeded()
                return response
            finally:
                self._leave()
            troubles[trouble] = troubles.get(trouble, 0) + 1
            self._bear(trouble, reason, pause)
            if troubles[trouble] >= ATTEMPTS_BY_TROUBLE[trouble] or troubles.get("timeout", 0) >= TIMEOUTS_PER_CALL:
                raise ReplyError(f"The endpoint '{self.name}' did not answer a call: {reason}.", "Look at its log.")
            longest = LONGEST_BACKOFF_UNREACHABLE_S if trouble == "unreachable" else LONGEST_BACKOFF_S
            backoff = min(longest, FIRST_BACKOFF_S * 2 ** (sum(troubles.values()) - 1))
            await asyncio.sleep(max(pause, backoff * random.uniform(0.5, 1.0)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _post(self, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        timeout = self._timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        # The client's generic `post`: `chat.completions.create` spends 0.6 ms more on types that we validate ourselves.
        raw = await self._client.post(
            "/chat/completions", cast_to=self._response_type, body=body, options={"timeout": timeout}
        )
        answer = json.loads(raw.content, strict=False)
        if not isinstance(answer, dict):
            raise ValueError(f"it is a {type(answer).__name__}")
        return answer

    def _classify(self, error: Any, body: dict[str, Any]) -> tuple[Trouble, str, float]:
        status = error.status_code
        reason = f"HTTP {status}"
        if status in (429, 503):
            return "overloaded", reason, _retry_after(error.response.headers.get("retry-after", ""))
        if status >= 500 or status == 408:
            return "failed", reason, 0.0
        if status in (401, 403):
            remedy = f"Check the key in ${self.settings.api_key_env or '(no api_key_env is set)'}."
            raise TeacherUnavailable(f"The endpoint '{self.name}' refused the key (HTTP {status}).", remedy) from error
        if status == 404:
            raise TeacherUnavailable(
                f"The endpoint '{self.name}' at {self.settings.base_url} does not know the model '{body['model']}'.",
                "Check base_url and the role's model in the profile.",
            ) from error
        raise ReplyError(f"The endpoint '{self.name}' refused a request: {reason}.", "Look at its log.") from error

    def _bear(self, trouble: Trouble, reason: str, pause_s: float) -> None:
        self.admission.troubled(trouble, time.monotonic(), pause_s)
        if self.admission.is_open:
            self._wake_all()
            raise self._unavailable(reason)

    def _unavailable(self, reason: str) -> TeacherUnavailable:
        return TeacherUnavailable(
            f"The teacher at {self.settings.base_url} (endpoint '{self.name}') does not answer: {reason}.",
            "Start it or correct the endpoint in the profile, then run again: every stored reply is kept.",
        )

    async def _enter(self) -> None:
        while True:
            if self.admission.is_open:
                raise self._unavailable("it was given up after repeated failures")
            wait_s = self.admission.wait_s(time.monotonic())
            if wait_s == 0.0:
                self.admission.start()
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await asyncio.wait_for(turn, wait_s)
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                self._wake()  # this turn may have been ours: hand it on
                raise

    def _leave(self) -> None:
        self.admission.end()
        self._wake()

    def _wake(self) -> None:
        free = int(self.admission.limit) - self.admission.in_flight
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def _wake_all(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()

    def _api_key(self) -> str:
        variable = self.settings.api_key_env
        if not variable:
            return "none"
        key = os.environ.get(variable, "")
        if not key:
            raise SettingsError(
                f"The endpoint '{self.name}' takes its key from ${variable}, which is not set.", f"Set {variable}."
            )
        return key


def _retry_after(value: str) -> float:
    """Seconds named by a Retry-After header; dates and nonsense count as one second."""
    try:
        return max(0.0, float(value)) if value else 0.0
    except ValueError:
        return 1.0
