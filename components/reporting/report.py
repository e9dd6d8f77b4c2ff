"""The report stage: the page, the dataset card, and the MLflow runs of the data tasks.

It walks manifests from the final artifacts, so a run whose every task was cached reports as fully as the first. The
page lies in the run's folder and, alone, in the stage's output.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.core.data.rows import canonical_json
from components.core.engine.record import REPORT
from components.core.engine.run import run_task
from components.core.engine.stage import Stage, Task
from components.reporting.cached import note_cached
from components.reporting.facts import gather, write_page
from components.reporting.mlflow_runs import track_data_tasks
from components.reporting.run_folder import read_run_folder
from components.reporting.settings import ReportingSettings
from components.reporting.strips import frame_strips


def report_run(settings: str, pipeline: str, artifacts: list[str], page: str, metadata: dict[str, Any]) -> None:
    """Run the stage as the task `report`, and leave its page as the one file that the orchestrator shows.

    Args:
        settings: canonical JSON of the profile's reporting section.
        pipeline: the pipeline's outline, JSON.
        artifacts: folders of what the run made.
        page: the file to write.
        metadata: filled in for the orchestrator's artifact.
    """
    section = about(settings, pipeline)
    inputs: dict[str, str | list[str]] = {"artifacts": artifacts}
    with TemporaryDirectory() as output:
        run_task(STAGE, settings=section, inputs=inputs, output=output, metadata=metadata, name="report")
        Path(page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(output, Path(REPORT).name), page)


def about(settings: str, pipeline: str) -> str:
    """The reporting section, canonical JSON, with what the pipeline says of itself filled in."""
    return canonical_json({**json.loads(settings or "{}"), "pipeline": json.loads(pipeline or "{}")})


async def report(task: Task[ReportingSettings]) -> None:
    """Write the page of a finished run; any subset of its artifacts gives a page about what they were made from."""
    settings, run = task.settings, task.run_record
    facts = gather(settings, task.paths("artifacts"), run, opens_mlflow=task.context.opens_mlflow)
    if run and run.is_remote and (cached := note_cached(run, facts.ancestry.artifacts)):
        task.metrics["cached_tasks"] = float(cached)
        facts = replace(facts, run=read_run_folder(run))
    strips = await frame_strips(task, facts.showcase, settings.thumbnails)
    facts = replace(facts, strips=strips.frames, unreadable=strips.unreadable)
    page = write_page(facts, run.path(REPORT).parent if run else task.output)
    if run:
        run.publish(str(Path(REPORT).parent))
        task.output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, task.output / page.name)
    tracked = track_data_tasks(facts.run, facts.ancestry, settings.pipeline)
    task.metrics.update({"page_bytes": float(page.stat().st_size), "mlflow_runs": float(tracked)})
    task.log.info("the page is %s", page)


STAGE = Stage(name="reporting", settings=ReportingSettings, inputs=("artifacts",), tables={}, run=report)
