"""How many calls an endpoint may have in flight, and when to give it up.

A pure state machine: it owns no tasks, no clients and no clock. The control law:

    start      limit = 8, or as told
    success    failures = 0; after every 25 successes: limit + 1, up to a maximum
    overload   (429, 503, timeout) limit × 0.75, at most once a second, down to 1; nothing starts before Retry-After
    failure    (refused connection, 5xx): counted
    open       after 5 failures or overloads in a row over `patience_s`, or 5 refused connections in a row over 3 s

The factors are those of NVIDIA-NeMo/DataDesigner, which lacked the breaker and stalled for ever (its issue 575).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DECREASE = 0.75
SUCCESSES_PER_INCREASE = 25
SECONDS_BETWEEN_DECREASES = 1.0
FAILURES_TO_OPEN = 5
UNREACHABLE_PATIENCE_S = 3.0
LONGEST_PAUSE_S = 60.0

Trouble = Literal["overloaded", "failed", "unreachable"]


@dataclass
class Admission:
    """The state of one endpoint. Times are seconds of any monotonic clock."""

    limit: float = 8.0
    highest: int = 64
    patience_s: float = 60.0
    in_flight: int = 0
    not_before: float = 0.0
    is_open: bool = False
    _successes: int = 0
    _failures: int = 0
    _unreachable: int = 0
    _trouble_since: float = 0.0
    _decreased_at: float = float("-inf")

    def wait_s(self, now: float) -> float | None:
        """0 if a call may start now, seconds until the pause is over, or None until a call ends."""
        if self.in_flight >= int(self.limit):
            return None
        return max(0.0, self.not_before - now)

    def start(self) -> None:
        """A call is sent."""
        self.in_flight += 1

    def end(self) -> None:
        """A call ended, however it did."""
        self.in_flight -= 1

    def succeeded(self) -> None:
        """A call was answered."""
        self._failures = self._unreachable = 0
        self._successes += 1
        if self._successes >= SUCCESSES_PER_INCREASE:
            self._successes = 0
            self.limit = min(float(self.highest), self.limit + 1)

    def troubled(self, trouble: Trouble, now: float, retry_after_s: float = 0.0) -> None:
        """A call was refused or lost; may open the breaker."""
        if self._failures == 0:
            self._trouble_since = now
        self._failures += 1
        self._unreachable = self._unreachable + 1 if trouble == "unreachable" else 0
        self._successes = 0
        if trouble == "overloaded":
            self.not_before = max(self.not_before, now + min(retry_after_s, LONGEST_PAUSE_S))
            if now - self._decreased_at >= SECONDS_BETWEEN_DECREASES:
                self._decreased_at = now
                self.limit = max(1.0, self.limit * DECREASE)
        lasted = now - self._trouble_since
        if self._failures >= FAILURES_TO_OPEN and lasted >= self.patience_s:
            self.is_open = True
        if self._unreachable >= FAILURES_TO_OPEN and lasted >= min(UNREACHABLE_PATIENCE_S, self.patience_s):
            self.is_open = True
