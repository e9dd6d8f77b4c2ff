"""What a quality gate decided: written by the gates, read by the report, as JSON beside the dataset that passed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.data.rows import Strict

RESULT_NAME = "gate.json"
"""The result's name beside a merged dataset."""


class Verdict(Strict):
    """One check as it was decided: observed value, bounds, denominator, worst examples."""

    name: str
    explains: str
    status: Literal["passed", "failed", "undecided"]
    observed: float | None
    minimum: float | None = None
    maximum: float | None = None
    low: float | None = None
    high: float | None = None
    n: int
    unit: str
    worst: tuple[str, ...] = ()
    note: str = ""

    def reason(self) -> str:
        """The refusal in one sentence: expectation, observed value, threshold, denominator, worst examples."""
        observed = "nothing to measure" if self.observed is None else f"observed {self.observed:.4g}"
        bounds = [f"at least {self.minimum:g}"] if self.minimum is not None else []
        bounds += [f"at most {self.maximum:g}"] if self.maximum is not None else []
        worst = f"; worst: {' | '.join(self.worst)}" if self.worst else ""
        wanted = f"wanted {' and '.join(bounds)}" if bounds else "wanted a value"
        return f"{self.name}: {observed}, {wanted}, of {self.n} {self.unit}{worst}"


class GateResult(Strict):
    """What one gate decided, as stored in `gates/<gate>.json` and beside the dataset it passed."""

    gate: str
    passed: bool
    verdicts: tuple[Verdict, ...]
    data_docs: str = ""
    counts: dict[str, int] = Field(default_factory=dict)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The verdicts that stop the pipeline."""
        return tuple(verdict for verdict in self.verdicts if verdict.status == "failed")
