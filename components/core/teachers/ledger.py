"""The ledger: one JSON line per call, stored or paid, and running totals by role.

Lines are buffered and written a few times a second; the call cache, not the ledger, is what a rerun relies on.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from components.core.teachers.budget import RunBudget, Spend

LINES_PER_WRITE = 64
SECONDS_PER_WRITE = 0.5


@dataclass
class Usage:
    """What calls added up to."""

    calls: int = 0
    """Calls that were sent and answered."""

    cached_calls: int = 0
    """Calls answered from the store."""

    invalid_calls: int = 0
    """Of `calls`, those whose reply was invalid and was asked for again."""

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens paid for, in and out."""
        return self.tokens_in + self.tokens_out


@dataclass
class Ledger:
    """Where calls are booked.

    Args:
        path: the JSONL file; None keeps totals only.
        budget: of the run; None means no limit.
    """

    path: Path | None = None
    budget: RunBudget | None = None
    total: Usage = field(default_factory=Usage)
    by_role: dict[str, Usage] = field(default_factory=dict)
    _file: TextIO | None = None
    _lines: list[str] = field(default_factory=list)
    _written_at: float = 0.0

    def book(
        self,
        role: str,
        teacher: str,
        key: str,
        *,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cached: bool = False,
        valid: bool = True,
        seconds: float = 0.0,
        cost: float = 0.0,
    ) -> None:
        """Book one call."""
        for usage in (self.total, self.by_role.setdefault(role, Usage())):
            if cached:
                usage.cached_calls += 1
                continue
            usage.calls += 1
            usage.invalid_calls += not valid
            usage.tokens_in += tokens_in
            usage.tokens_out += tokens_out
            usage.seconds += seconds
            usage.cost += cost
        if self.path is not None:
            line = {"time": round(time.time(), 3), "role": role, "teacher": teacher, "key": key, "cached": cached}
            line |= {"tokens_in": tokens_in, "tokens_out": tokens_out, "valid": valid}
            line |= {"seconds": round(seconds, 4), "cost": cost}
            self._lines.append(json.dumps(line))
            now = time.monotonic()
            if len(self._lines) >= LINES_PER_WRITE or now - self._written_at > SECONDS_PER_WRITE:
                self._written_at = now
                self.flush()

    async def check_budget(self) -> None:
        """Refuse the next paid call once the run's budget is spent; calls in flight at that moment still end.

        Raises:
            BudgetExceeded: naming what was spent.
        """
        if self.budget is not None:
            await self.budget.check(self._spend())

    def by_role_as_json(self) -> dict[str, dict[str, float]]:
        """Totals by role, for the task record."""
        return {role: asdict(usage) for role, usage in sorted(self.by_role.items())}

    def flush(self) -> None:
        """Write what is buffered."""
        if self.path is None or not self._lines:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8")
        self._file.write("\n".join(self._lines) + "\n")
        self._file.flush()
        self._lines = []

    def close(self) -> None:
        """Write what is buffered, close the file and publish what was paid."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.budget is not None:
            self.budget.close(self._spend())

    def _spend(self) -> Spend:
        return Spend(self.total.tokens, self.total.cost)
