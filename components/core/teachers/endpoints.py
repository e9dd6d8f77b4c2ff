"""One endpoint: as many calls at once as it bears, each sent again for as long as that can help.

What can pass (429, 5xx, time-outs, lost and refused connections) is sent again: admission control says when, and when
the endpoint is given up. Whose fault a lost call is, the request's or the endpoint's, shows in what becomes of other
calls: a request that is lost again and again while the endpoint answers others fails its record; while it answers
nobody, it is the endpoint's. Where there are no others to tell, a trivial question is asked in its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from components.core.data.settings import Settings, web_address
from components.core.errors import ReplyError, SettingsError, TeacherUnavailable
from components.core.teachers.admission import Admission, Trouble
from components.core.teachers.exchange import Exchange, Passing

FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 8.0
FAILURES_TO_BLAME = 4
TIMEOUTS_TO_BLAME = 2
PROBE_TIMEOUT_S = 60.0
PROBE = {"messages": [{"role": "user", "content": "Reply with OK."}], "max_tokens": 1}

log = logging.getLogger("rewatch.teachers")


class EndpointSettings(Settings):
    """Where a teacher answers, in the OpenAI chat protocol, and how patient to be with it."""

    base_url: Annotated[str, web_address("http://host:port/v1", keys="api_key_env")] = ""
    """Such as `http://teacher:8000/v1`. Empty: whoever launches the run starts the server and fills it in."""

    api_key_env: str = ""
    """Name of the environment variable that holds the key, never the key; empty for a server that wants none."""

    concurrency: int = Field(default=2, ge=1)
    """Calls in flight of one task at the start. It doubles with every round trip until calls wait for each other or are
    refused, so it matters only where a round trip takes minutes."""

    max_concurrency: int = Field(default=64, ge=1)
    """Calls in flight of one task at most."""

    patience_s: float = Field(default=1200.0, gt=0)
    """How long an outage is waited out, in seconds, before the stage stops: long enough for a model server of many
    gigabytes to be started again."""


class Endpoint:
    """Sends requests to one endpoint."""

    def __init__(self, name: str, settings: EndpointSettings) -> None:
        self.name = name
        self.settings = settings
        self.admission = Admission(
            start_window=settings.concurrency, highest=settings.max_concurrency, patience_s=settings.patience_s
        )
        if not settings.base_url:
            raise SettingsError(f"The endpoint '{name}' has no address.", f"Set endpoints.{name}.base_url.")
        self._exchange = Exchange(name, settings.base_url, self._api_key(), settings.api_key_env)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._outage_told = False
        self._sends = True

    async def complete(self, body: dict[str, Any], timeout_s: float, role: str = "") -> dict[str, Any]:
        """POST one chat completion and return the response's JSON.

        Args:
            timeout_s: the role's time-out; the deadline follows how long the role's calls take.

        Raises:
            ReplyError: if the endpoint refuses this very request, or is lost on it alone; `TooLarge` for its size.
            TeacherUnavailable: if the endpoint is down, refuses the key, or does not know the model.
            Oversized: if the answer is longer than any reply.
        """
        lost = _Losses(self.admission.answers)
        tries = 0
        while True:
            await self._enter()
            started = time.monotonic()
            probing = lost.is_unsure(self.admission.answers) or self.admission.is_down(started)
            try:
                if probing:
                    deadline_s = self.admission.deadline_s(role, timeout_s) if lost.timed_out else PROBE_TIMEOUT_S
                    await self._probe(body["model"], deadline_s)
                    self._answered()
                    continue
                response = await self._exchange.post(body, self.admission.deadline_s(role, timeout_s))
                now = time.monotonic()
                self._answered()
                self.admission.succeeded(role, now - started, timeout_s, now)
                return response
            except Passing as passing:
                now, trouble = time.monotonic(), passing.trouble
                self.admission.troubled(
                    trouble, now, started_at=started, role=role, retry_after_s=passing.retry_after_s
                )
                self._stop_if_open(passing.reason)
                if trouble in ("failed", "timed_out") and not probing:
                    lost.add(trouble, self.admission.answers)
                    if lost.are_to_blame:
                        what = f"The endpoint '{self.name}' answers, but not this request: {passing.reason}."
                        raise ReplyError(what, "Look at its log.") from passing
            except Exception:  # an answer all the same, if only a refusal
                self._answered()
                raise
            finally:
                self._leave()
            if trouble != "refused" and not self.admission.is_down(now):  # else admission control sets the pace
                tries += 1
                backoff_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(tries - 1, 9))
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))

    def send_no_more(self) -> None:
        """Cancel whatever would be sent from now on; what was sent is still answered."""
        self._sends = False
        self._wake_all()

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def _probe(self, model: str, timeout_s: float) -> None:
        """Ask something trivial, of one token; whatever the answer is, it is one."""
        try:
            await self._exchange.post({"model": model, **PROBE}, timeout_s)
        except ReplyError:
            return

    def _answered(self) -> None:
        now = time.monotonic()
        if self._outage_told:
            log.warning("the teacher at %s answers again", self.settings.base_url)
            self._outage_told = False
        self.admission.answered(now)

    def _stop_if_open(self, reason: str) -> None:
        if self.admission.is_open:
            self._wake_all()
            raise self._unavailable(reason)
        if not self._outage_told and self.admission.is_down(time.monotonic()):
            self._outage_told = True
            patience_s = self.settings.patience_s
            log.warning(
                "the teacher at %s does not answer (%s); waiting for it, %.0f s at most (endpoints.%s.patience_s)",
                *(self.settings.base_url, reason, patience_s, self.name),
            )

    def _unavailable(self, reason: str) -> TeacherUnavailable:
        return TeacherUnavailable(
            f"The teacher at {self.settings.base_url} (endpoint '{self.name}') does not answer: for "
            f"{self.admission.silent_s(time.monotonic()):.0f} s there was nothing but trouble, last {reason}.",
            f"Start it, correct endpoints.{self.name}.base_url, or raise endpoints.{self.name}.patience_s in the "
            "profile; then run again: every stored reply is kept.",
        )

    async def _enter(self) -> None:
        while True:
            if not self._sends:
                raise asyncio.CancelledError
            if self.admission.is_open:
                raise self._unavailable("another call's")
            now = time.monotonic()
            wait_s = self.admission.wait_s(now)
            if wait_s == 0.0:
                self.admission.start(now)
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                # Processes that were refused together shall not come back together.
                await asyncio.wait_for(turn, None if wait_s is None else wait_s * random.uniform(1.0, 1.25))
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                self._wake()  # this turn may have been ours: hand it on
                raise

    def _leave(self) -> None:
        self.admission.end()
        self._wake()

    def _wake(self) -> None:
        free = int(self.admission.window) - self.admission.in_flight
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
        key = os.environ.get(variable, "").strip()
        if not key:
            raise SettingsError(
                f"The endpoint '{self.name}' takes its key from ${variable}, which is not set.", f"Set {variable}."
            )
        return key


@dataclass
class _Losses:
    """How often one request was lost, and how often that was its own fault: while the endpoint answered others."""

    answers: int
    """Answers of the endpoint when the request was last lost, or first sent."""

    calls: int = 0
    failures: int = 0
    timeouts: int = 0
    timed_out: bool = False
    """Whether the last loss was a time-out."""

    def add(self, trouble: Trouble, answers: int) -> None:
        self.calls += 1
        self.timed_out = trouble == "timed_out"
        if answers > self.answers:
            self.answers = answers
            if self.timed_out:
                self.timeouts += 1
            else:
                self.failures += 1

    def is_unsure(self, answers: int) -> bool:
        """Whether it was lost more than once and nothing has been answered since."""
        return self.calls > 1 and answers == self.answers

    @property
    def are_to_blame(self) -> bool:
        return self.failures >= FAILURES_TO_BLAME or self.timeouts >= TIMEOUTS_TO_BLAME
