"""A model server with so many slots, shared by tasks that know nothing of each other, on a clock of its own."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from components.core.teachers.admission import Admission

ROUND_TRIP_S = 0.005
TIMEOUT_S = 600.0
LIFE_S = 3000.0


@dataclass
class SharedServer:
    """A simulation, and what it showed.

    Args:
        slots: calls that are worked on at once.
        call_s: mean time of a call's work.
        spread: sigma of its logarithm.
        queues: whether calls wait for a slot; else they are refused (429).
        notices_hang_ups: whether it stops working on calls that timed out.
    """

    slots: int
    call_s: float
    spread: float = 0.0
    queues: bool = True
    notices_hang_ups: bool = True
    answered: int = 0
    timeouts: int = 0
    given_up: int = 0
    utilisation: float = 0.0
    in_flight: float = 0.0
    """Mean over the second half."""

    longest_mean_s: float = 0.0
    """The longest mean of 100 calls in a row, queueing included."""

    answered_by_task: list[int] = field(default_factory=list)

    def run(self, tasks: int, seconds: float, joins_every_s: float = 0.0) -> SharedServer:
        """Let tasks ask for as long as that; with `joins_every_s` each is replaced after a while."""
        chance = random.Random(0)
        admissions: list[Admission | None] = [None] * tasks
        ends = [float("inf")] * tasks
        self.answered_by_task = [0] * tasks
        calls: dict[int, tuple[int, float]] = {}
        working: dict[int, float] = {}
        queue: deque[int] = deque()
        took: deque[float] = deque(maxlen=100)
        useful_s, samples = 0.0, []
        events: list[tuple[float, int, str, int]] = []
        numbers: Iterator[int] = count()

        def at(when: float, what: str, which: int) -> None:
            heapq.heappush(events, (when, next(numbers), what, which))

        def work(now: float) -> None:
            while queue and len(working) < self.slots:
                call = queue.popleft()
                if call in calls or not self.notices_hang_ups:
                    working[call] = now
                    lasts = self.call_s * chance.lognormvariate(-(self.spread**2) / 2, self.spread)
                    at(now + lasts, "worked", call)

        for task in range(tasks):
            at(joins_every_s * task, "joins", task)
        at(seconds / 2, "sample", 0)
        while events[0][0] <= seconds:
            now, _, what, which = heapq.heappop(events)
            if what == "joins":
                admissions[which], ends[which] = Admission(), now + LIFE_S if joins_every_s else float("inf")
                at(now, "asks", which)
            elif what == "sample":
                samples.append(len(calls))
                at(now + self.call_s / 4, "sample", 0)
            elif what == "asks":
                admission = admissions[which]
                assert admission is not None
                if now >= ends[which]:
                    if admission.in_flight == 0:
                        ends[which] = float("inf")
                        at(now, "joins", which)
                    continue
                wait_s = admission.wait_s(now)
                if wait_s:
                    at(now + wait_s * chance.uniform(1.0, 1.25), "asks", which)
                elif wait_s == 0.0:
                    admission.start(now)
                    call = next(numbers)
                    calls[call] = (which, now)
                    at(now + admission.deadline_s("captioner", TIMEOUT_S), "deadline", call)
                    at(now, "asks", which)
                    if self.queues or len(working) < self.slots:
                        queue.append(call)
                        work(now)
                    else:
                        at(now + ROUND_TRIP_S, "refused", call)
            else:
                if what == "worked":
                    if which not in working:
                        continue  # its slot was freed when the caller hung up
                    useful_s += (now - working.pop(which)) * (which in calls)
                if which in calls:
                    task, started = calls.pop(which)
                    admission = admissions[task]
                    assert admission is not None
                    if what == "worked":
                        self.answered += 1
                        self.answered_by_task[task] += 1
                        took.append(now - started)
                        self.longest_mean_s = max(self.longest_mean_s, sum(took) / len(took))
                        admission.succeeded("captioner", now - started, TIMEOUT_S, now)
                    else:
                        trouble = "refused" if what == "refused" else "timed_out"
                        self.timeouts += trouble == "timed_out"
                        admission.troubled(trouble, now, started_at=started, role="captioner")
                        self.given_up += admission.is_open
                        if self.notices_hang_ups:
                            working.pop(which, None)
                    admission.end()
                    at(now + ROUND_TRIP_S, "asks", task)
                work(now)
        useful_s += sum(seconds - since for call, since in working.items() if call in calls)
        self.utilisation = useful_s / (self.slots * seconds)
        self.in_flight = sum(samples) / len(samples)
        return self
