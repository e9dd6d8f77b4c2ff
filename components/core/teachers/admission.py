"""How many calls an endpoint may have in flight, how long to wait for one, and when to give the endpoint up.

A pure state machine: it owns no tasks, no clients and no clock. Many processes may share a server and know nothing of
each other, so its capacity is read from how long calls take as well as from refusals. The control law:

    pace       of a role: the mean duration of its last 16 calls; its slowness is that mean over the lowest it ever was
    window     begins at `start`. While it is full each success adds 1 (it doubles per round trip) until the first sign
               of congestion; from then on 1/window, or 1/8 where that is more
    queueing   slowness ≥ 2, or pace over half the role's time-out: no growth. Slowness ≥ 3, or pace over three
               quarters of it: window × 0.75, once per round trip, not below `start`: where most of a call's time is
               spent in the server's queue, more calls make nothing but the queue longer. A window that is at `start`
               already cannot be the cause: after 16 such calls, their pace is what slowness is measured by
    overload   429, 503, time-outs: window × 0.75, at most once a second, down to 1. After the first two nothing starts
               for ¼ s to 2 s, or until Retry-After, of which a minute is believed. For two round trips after a 429 a
               place that becomes free is left to others for 1/64 of the pace, or the refused would never find one
    deadline   of a call: the role's time-out, or 8 × pace (a minute or more) where that is less; never under 4 × pace,
               nor under twice what the role's last call was waited for in vain
    silence    counts from the first trouble after an answer; any answer ends it
    down       three calls lost in a row (not by time-out), two seconds into a silence: one probe per pause, which is a
               twentieth of the silence so far (¼ s to 15 s)
    open       three troubles and a silence of `patience_s`: the endpoint is given up. 429 is borne three times as long:
               whoever says it lives, and works for others

Factor and floor of `overload` are those of NVIDIA-NeMo/DataDesigner, which lacked the breaker and stalled for ever (its
issue 575). `queueing` is TCP Vegas's idea (Brakmo and Peterson, 1995) with a ratio in place of a count, since a server
that batches slows down a little with every call long before it is full; the bound by the time-out is for processes
that join a busy server and have never seen it at its quickest.

Tried and dropped (20 tasks on 32 slots, simulated): without `queueing` every window grows to the highest and time-outs
pay for abandoned work; with a count of waiting calls a batching server stays at a third of its throughput; without
leaving places to others 12 of 20 tasks are refused for 20 minutes in a row by a server that does not queue; probes of
one minute after time-outs never come through a server whose queue is longer than that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

DECREASE = 0.75
LEAST_INCREASE = 1 / 8
SECONDS_BETWEEN_DECREASES = 1.0
SLOWNESS_TO_HOLD = 2.0
SLOWNESS_TO_DECREASE = 3.0
CALLS_OF_A_PACE = 16
CALLS_TO_KNOW_A_PACE = 4
LEAST_DEADLINE_S = 60.0
TROUBLES_TO_OPEN = 3
LOST_TO_BE_DOWN = 3
SILENCE_TO_BE_DOWN_S = 2.0
PATIENCE_WITH_REFUSALS = 3.0
PAUSE_OVER_SILENCE = 0.05
SHORTEST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
LONGEST_PAUSE_OVERLOADED_S = 2.0
LONGEST_RETRY_AFTER_S = 60.0
YIELD_OVER_PACE = 1 / 64

Trouble = Literal["refused", "overloaded", "timed_out", "failed", "unreachable"]
"""429; 503; no answer in time; any other answer that can pass; no connection."""


@dataclass
class _Pace:
    """How long the calls of one role take, in seconds."""

    calls: int = 0
    mean_s: float = 0.0
    lowest_s: float = float("inf")
    in_vain_s: float = 0.0
    """How long the last call was waited for, if no later one was answered."""

    slow_at_start: int = 0
    """Calls in a row that were slow though the window was as small as it gets."""

    def add(self, took_s: float) -> None:
        self.calls += 1
        self.in_vain_s = 0.0
        self.mean_s += (took_s - self.mean_s) / min(self.calls, CALLS_OF_A_PACE)
        if self.calls >= CALLS_TO_KNOW_A_PACE:
            self.lowest_s = min(self.lowest_s, self.mean_s)

    @property
    def slowness(self) -> float:
        return self.mean_s / self.lowest_s if self.calls >= CALLS_TO_KNOW_A_PACE and self.lowest_s else 1.0


@dataclass
class Admission:
    """The state of one endpoint. Times are seconds of any monotonic clock."""

    start_window: float = 2.0
    highest: int = 64
    patience_s: float = 1200.0
    window: float = field(init=False)
    in_flight: int = 0
    not_before: float = 0.0
    is_open: bool = False
    answers: int = 0
    """Answers of any kind so far; whoever waits for a sign of life compares it with what it was."""

    _congested: bool = False
    _decreased_at: float = float("-inf")
    _paces: dict[str, _Pace] = field(default_factory=dict)
    _troubles: int = 0
    _lost: int = 0
    _silent_since: float = 0.0
    _answered_at: float = float("-inf")
    _troubled_at: float = float("-inf")
    _refused_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.window = self.start_window = min(self.start_window, float(self.highest))

    def wait_s(self, now: float) -> float | None:
        """0 if a call may start now, seconds until the pause is over, or None until a call ends."""
        if self.in_flight >= int(self.window):
            return None
        return max(0.0, self.not_before - now)

    def deadline_s(self, role: str, timeout_s: float) -> float:
        """How long to wait for a call of `role`, whose settings say `timeout_s`."""
        pace = self._paces.get(role)
        if pace is None:
            return timeout_s
        usual_s = max(LEAST_DEADLINE_S, 8 * pace.mean_s) if pace.calls >= CALLS_TO_KNOW_A_PACE else timeout_s
        return max(min(timeout_s, usual_s), 4 * pace.mean_s, min(2 * pace.in_vain_s, self.patience_s))

    def silent_s(self, now: float) -> float:
        """Seconds of nothing but trouble; 0 when the last thing that happened was an answer."""
        return now - self._silent_since if self._troubles else 0.0

    def is_down(self, now: float) -> bool:
        """Whether only probes make sense."""
        return self._lost >= LOST_TO_BE_DOWN and self.silent_s(now) >= SILENCE_TO_BE_DOWN_S

    def start(self, now: float) -> None:
        """A call is sent."""
        self.in_flight += 1
        if self.is_down(now):
            self._pause_while_down(now)

    def end(self) -> None:
        """A call ended, however it did; what became of it is told before."""
        self.in_flight -= 1

    def answered(self, now: float) -> None:
        """The endpoint gave an answer, if only a refusal of that request: it lives."""
        if self.is_down(now):
            self.not_before = now
        self.answers += 1
        self._troubles = self._lost = 0
        self._answered_at = now

    def succeeded(self, role: str, took_s: float, timeout_s: float, now: float) -> None:
        """A call of `role` was answered after `took_s`."""
        self.answered(now)
        pace = self._paces.setdefault(role, _Pace())
        pace.add(took_s)
        if now - self._refused_at < 2 * pace.mean_s:
            self._pause(now, YIELD_OVER_PACE * pace.mean_s)
        if pace.slowness >= SLOWNESS_TO_DECREASE or pace.mean_s > 0.75 * timeout_s:
            self._shorten_queue(pace, now)
        elif pace.slowness >= SLOWNESS_TO_HOLD or pace.mean_s > 0.5 * timeout_s:
            self._congested = True
        elif self.in_flight >= int(self.window):
            increase = max(1 / self.window, LEAST_INCREASE) if self._congested else 1.0
            self.window = min(float(self.highest), self.window + increase)

    def troubled(
        self, trouble: Trouble, now: float, *, started_at: float, role: str = "", retry_after_s: float = 0.0
    ) -> None:
        """A call was refused or lost; may open the breaker.

        Args:
            started_at: when the call was sent; nothing is known of the time between the last trouble and then.
            role: whose call it was; a time-out lengthens the role's next deadline.
            retry_after_s: how long the endpoint asked to be left alone.
        """
        if self._troubles == 0 or started_at - self._troubled_at > 2 * LONGEST_RETRY_AFTER_S:
            self._troubles = 0
            self._silent_since = max(started_at, self._answered_at)
        self._troubles += 1
        self._lost = 0 if trouble in ("refused", "timed_out") else self._lost + 1
        self._troubled_at = now
        if trouble == "timed_out":
            self._paces.setdefault(role, _Pace()).in_vain_s = now - started_at
        elif trouble in ("refused", "overloaded"):
            self._refused_at = now if trouble == "refused" else self._refused_at
            pause_s = min(LONGEST_PAUSE_OVERLOADED_S, SHORTEST_PAUSE_S * 2 ** min(self._troubles - 1, 9))
            self._pause(now, max(pause_s, min(retry_after_s, LONGEST_RETRY_AFTER_S)))
        if trouble in ("refused", "overloaded", "timed_out") and now - self._decreased_at >= SECONDS_BETWEEN_DECREASES:
            self._decrease(now, max(1.0, min(self.window, float(self.in_flight)) * DECREASE))
        if self.is_down(now):
            self._pause_while_down(now)
        patience_s = self.patience_s * (PATIENCE_WITH_REFUSALS if trouble == "refused" else 1)
        self.is_open = self.is_open or (self._troubles >= TROUBLES_TO_OPEN and self.silent_s(now) >= patience_s)

    def _pause_while_down(self, now: float) -> None:
        self._pause(now, max(SHORTEST_PAUSE_S, min(LONGEST_PAUSE_S, PAUSE_OVER_SILENCE * self.silent_s(now))))

    def _pause(self, now: float, pause_s: float) -> None:
        self.not_before = max(self.not_before, now + pause_s)

    def _shorten_queue(self, pace: _Pace, now: float) -> None:
        if self.window > self.start_window:
            pace.slow_at_start = 0
            if now - self._decreased_at >= pace.mean_s:
                self._decrease(now, max(self.window * DECREASE, self.start_window))
            return
        self._congested = True
        pace.slow_at_start += 1
        if pace.slow_at_start >= CALLS_OF_A_PACE:
            pace.slow_at_start, pace.lowest_s = 0, pace.mean_s

    def _decrease(self, now: float, window: float) -> None:
        self._congested = True
        self._decreased_at = now
        self.window = window
