"""The report stage: the page, the dataset card, and the MLflow runs of the data tasks.

It walks manifests from the final artifacts, so a run whose every task was cached reports as fully as the first. The
page lies in the run's folder and, alone, in the stage's output.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from components.core.data.datasets import Dataset
from components.core.engine.record import REPORT
from components.core.engine.stage import Stage, Task
from components.reporting.facts import gather, write_page
from components.reporting.mlflow_runs import track_data_tasks
from components.reporting.settings import ReportingSettings
from components.reporting.strips import frame_strips

INPUTS = (
    "corpus",
    "captions",
    "questions",
    "trajectories",
    "sft_model",
    "grpo_model",
    "evaluation",
    "decision",
)


async def report(task: Task[ReportingSettings]) -> None:
    """Write the page of a finished run; any subset of the inputs gives a page about that subset."""
    settings, run = task.settings, task.run_record
    roots = {name: task.paths(name)[0] for name in INPUTS if name in task.inputs}
    facts = gather(settings, roots, run)
    strips = await frame_strips(task, facts.stories, settings.thumbnails)
    facts = replace(facts, strips=strips.frames, unreadable=strips.unreadable)
    page = write_page(facts, run.path(REPORT).parent if run else task.output)
    if run:
        run.publish(str(Path(REPORT).parent))
        task.output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, task.output / page.name)
    artifact = facts.ancestry.labelled("evaluation")
    scores = list(Dataset(artifact.path).rows("scores")) if artifact else []
    tracked = track_data_tasks(facts.run, facts.ancestry, scores)
    task.metrics.update({"page_bytes": float(page.stat().st_size), "mlflow_runs": float(tracked)})
    task.log.info("report: %s", page)


STAGE = Stage(name="reporting", settings=ReportingSettings, inputs=INPUTS, tables={}, run=report)
