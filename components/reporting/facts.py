"""Gathers what a page needs, from the artifacts a run ended with or, after a failure, from what it had finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.core.data.manifest import MANIFEST_NAME
from components.core.engine.record import RunRecord
from components.reporting.ancestry import Ancestry, walk
from components.reporting.curves import CurveGroup, read_curves
from components.reporting.evaluation_view import evaluation_view
from components.reporting.page import Facts, render_card, render_page
from components.reporting.run_folder import RunFolderFacts, gate_results, read_run_folder, task_name
from components.reporting.settings import ReportingSettings
from components.reporting.showcase import video_stories
from components.reporting.tallies import tally

OUTPUTS = {
    "ingest": "corpus",
    "gate-captions": "captions",
    "gate-questions": "questions",
    "gate-trajectories": "trajectories",
    "sft": "sft_model",
    "grpo": "grpo_model",
    "evaluate": "evaluation",
    "promote": "decision",
}
"""What each task's output is called, for runs that are read from their task records."""

DECISION_NAME = "decision.json"


def gather(
    settings: ReportingSettings, roots: Mapping[str, Path], record: RunRecord | None, problem: str = ""
) -> Facts:
    """Read everything but frames.

    Args:
        roots: finished datasets and models by label; unfinished ones are left out.
        problem: why the run ended early.
    """
    ancestry = walk(roots)
    return Facts(
        title=settings.title,
        run=read_run_folder(record),
        ancestry=ancestry,
        tallies=tally(ancestry),
        gates=gate_results(ancestry, record),
        curves=_curves(ancestry),
        evaluation=evaluation_view(ancestry),
        decision=_decision(ancestry),
        stories=video_stories(ancestry, settings.timelines, settings.questions_per_timeline),
        quarantine_rows=settings.quarantine_rows,
        problem=problem,
    )


def roots_of_records(run: RunFolderFacts) -> dict[str, Path]:
    """The finished outputs that a run's task records name; shards stand for themselves."""
    roots: dict[str, Path] = {}
    for record in run.records:
        path = Path(str(record.get("output") or ""))
        if record.get("output") and record.get("status") != "failed" and (path / MANIFEST_NAME).is_file():
            roots[OUTPUTS.get(task_name(record), str(record.get("name")))] = path
    return roots


def write_page(facts: Facts, folder: Path) -> Path:
    """Write `index.html` and the dataset card; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(render_page(facts), encoding="utf-8")
    (folder / "dataset_card.md").write_text(render_card(facts), encoding="utf-8")
    return page


def _curves(ancestry: Ancestry) -> dict[str, list[CurveGroup]]:
    found = {stage: ancestry.of_stage(stage) for stage in ("sft", "grpo")}
    curves = {stage: read_curves(artifacts[0].path) for stage, artifacts in found.items() if artifacts}
    return {stage: groups for stage, groups in curves.items() if groups}


def _decision(ancestry: Ancestry) -> dict[str, Any]:
    artifact = ancestry.labelled("decision")
    path = artifact.path / DECISION_NAME if artifact else None
    if path is None or not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}
