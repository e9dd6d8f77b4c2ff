"""One budget for all tasks of a run, in whatever process or pod they work.

Every process publishes what it paid under the state root (`spend/<run_id>/<task>-<nonce>.json`) and reads what the
others published. It looks again once it has paid a tenth more than it published last, and after ten seconds in any
case. So the files never hold less than ten elevenths of what was paid, however many processes there are: a run passes
its budget by a tenth of it at most, beside the calls in flight at that moment, which end and are kept. What was
published stays, so a run that is taken up again under its id goes on counting; a process that is killed leaves at most
that tenth of its own uncounted.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from components.core.data.settings import Settings
from components.core.errors import BudgetExceeded
from components.core.stores.files import storage_for

UNSEEN_SHARE = 0.1
LONGEST_UNSEEN_S = 10.0


class Budget(Settings):
    """What all tasks of one run may pay their teachers."""

    tokens: int = Field(default=0, ge=0)
    """Tokens, in and out; 0 means no limit."""

    cost: float = Field(default=0.0, ge=0)
    """Money, in the currency of the roles' prices; 0 means no limit."""


@dataclass(frozen=True)
class Spend:
    """What was paid for."""

    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Spend) -> Spend:
        return Spend(self.tokens + other.tokens, self.cost + other.cost)


class RunBudget:
    """One process's view of its run's budget.

    Args:
        limits: of the run.
        folder: folder or `s3://` prefix in which the run's processes publish.
        task: the name to publish under; a nonce tells apart several attempts at one task.
        clock: seconds of any monotonic clock.
    """

    def __init__(self, limits: Budget, folder: str, task: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.looks = 0
        self._folder = folder
        self._own = f"{folder}/{task}-{uuid.uuid4().hex[:12]}.json"
        self._clock = clock
        self._storage = storage_for(folder)
        self._looking = asyncio.Lock()
        self._published: dict[str, tuple[str, Spend]] = {}
        self._others = Spend()
        self._told = Spend()
        self._looked_at = float("-inf")

    async def check(self, own: Spend) -> None:
        """Refuse the next paid call once the run's budget is spent.

        Args:
            own: what this process paid so far.

        Raises:
            BudgetExceeded: naming what was spent.
            InputError: the state root cannot be read or written.
        """
        async with self._looking:
            if self._is_time_to_look(own):
                await asyncio.to_thread(self._look, own)
        spent = own + self._others
        if self.limits.tokens and spent.tokens >= self.limits.tokens:
            self._refuse("tokens", f"{self.limits.tokens} tokens", f"{spent.tokens}")
        if self.limits.cost and spent.cost >= self.limits.cost:
            self._refuse("cost", f"{self.limits.cost:.2f}", f"{spent.cost:.2f}")

    def close(self, own: Spend) -> None:
        """Publish what this process paid in all, unless it never asked."""
        if self.looks:
            self._publish(own)

    def _is_time_to_look(self, own: Spend) -> bool:
        unseen = 1 + UNSEEN_SHARE
        return (
            self._clock() - self._looked_at >= LONGEST_UNSEEN_S
            or own.tokens > unseen * self._told.tokens
            or own.cost > unseen * self._told.cost
        )

    def _look(self, own: Spend) -> None:
        """Publish what this process paid, then read what changed of the others'."""
        self._publish(own)
        for found in self._storage.list(self._folder):
            version, _ = self._published.get(found.uri, ("", Spend()))
            if found.uri != self._own and version != found.version:
                value = json.loads(self._storage.read(found.uri))
                self._published[found.uri] = found.version, Spend(value["tokens"], value["cost"])
        self._others = sum((spend for _, spend in self._published.values()), Spend())
        self._told, self._looked_at = own, self._clock()
        self.looks += 1

    def _publish(self, own: Spend) -> None:
        self._storage.write(self._own, json.dumps({"tokens": own.tokens, "cost": own.cost}).encode())

    def _refuse(self, name: str, limit: str, spent: str) -> None:
        raise BudgetExceeded(
            f"The run's budget of {limit} is spent ({spent} by {1 + len(self._published)} processes).",
            f"Raise launch.budget.{name} and run again: what was paid for is kept.",
        )


def budget_of_run(limits: Budget, state_root: str, run_id: str, task: str) -> RunBudget | None:
    """One task's view of its run's budget; None where there is no limit.

    Args:
        run_id: of the run; a task without one has the budget to itself.
    """
    if not (limits.tokens or limits.cost):
        return None
    return RunBudget(limits, f"{state_root.rstrip('/')}/spend/{run_id or uuid.uuid4().hex}", task)
