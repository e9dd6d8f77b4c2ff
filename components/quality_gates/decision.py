"""How a gate ends: its result is stored for the report in any case, and a refusal stops the pipeline.

The result lies in the run's folder (`gates/<gate>.json`, with the Data Docs in `gates/<gate>/`), and a copy beside the
dataset that passed, so that a gate taken from the cache still shows in the report.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.core.data.gate_result import RESULT_NAME, GateResult
from components.core.data.manifest import write_atomically
from components.core.engine.stage import Task
from components.core.errors import GateFailed
from components.quality_gates.checks import Column, Figure
from components.quality_gates.expectations import judge
from components.quality_gates.settings import QualityGatesSettings

DOCS_INDEX = "index.html"


def decide(
    task: Task[QualityGatesSettings],
    gate: str,
    figures: Sequence[Figure],
    columns: Sequence[Column],
    counts: Mapping[str, int],
) -> GateResult:
    """Judge the checks, store the result, and pass or refuse the dataset.

    Args:
        counts: what the gate merged, by kind, for the report's funnel.

    Raises:
        GateFailed: naming the first refusal in full and the names of the others.
    """
    folder = Path(os.environ.get("REWATCH_RUN_DIR") or task.output) / "gates"
    verdicts = judge(gate, figures, columns, folder / gate)
    result = GateResult(
        gate=gate,
        passed=all(verdict.status != "failed" for verdict in verdicts),
        verdicts=verdicts,
        data_docs=str((folder / gate / DOCS_INDEX).absolute()),
        counts=dict(counts),
    )
    data = result.model_dump_json(indent=1).encode()
    write_atomically(folder / f"{gate}.json", data)
    task.metrics.update(
        {f"gate.{verdict.name}": verdict.observed for verdict in verdicts if verdict.observed is not None}
    )
    if not result.passed:
        raise GateFailed(_refusal(result), f"Data Docs: {result.data_docs}. Correct the stage, or the threshold.")
    write_atomically(task.output / RESULT_NAME, data)
    return result


def _refusal(result: GateResult) -> str:
    first, *others = result.failed
    more = f" Also refused: {', '.join(verdict.name for verdict in others)}." if others else ""
    return f"The {result.gate} gate refused the data. {first.reason()}.{more}"
