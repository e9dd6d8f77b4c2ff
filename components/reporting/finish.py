"""The exit task: writes how the run ended, and after a failure a page about what was finished until then.

After a success it advances the watermark (core/stores/watermark.py), so that a later run can ask for what is new. On a
cluster, where no launcher waits for the end, it closes the run in MLflow.

KFP runs it whatever happened and tells it only that "exit-handler-1 failed"; the real cause is in the task records.
"""

from __future__ import annotations

import json
from pathlib import Path

from components.core import lineage
from components.core.data.settings import parse_settings
from components.core.engine.context import Context
from components.core.engine.record import PLAN, REPORT, RunRecord, utc_now
from components.core.stores.watermark import advance
from components.reporting.facts import gather, roots_of_records, write_page
from components.reporting.report import about
from components.reporting.run_folder import read_run_folder
from components.reporting.settings import ReportingSettings

STATUS_NAME = "status.json"


def finish(settings: str, pipeline: str = "", state: str = "", message: str = "") -> dict[str, str]:
    """Write `status.json` and, if the run failed, the partial report; returns the status.

    Args:
        settings: canonical JSON of the profile's reporting section.
        pipeline: the pipeline's outline, JSON.
        state: KFP's final state; empty takes the task records' word for it.
        message: KFP's error message.
    """
    parsed = parse_settings(ReportingSettings, about(settings, pipeline))
    context = Context.read()
    run = RunRecord.of(context)
    if run is None:
        return {"status": state.lower() or "unknown"}
    facts = read_run_folder(run)
    failed = facts.failed()
    ended = "failed" if failed or state in ("FAILED", "FAILURE", "ERROR", "CANCELLED") else "succeeded"
    status = {"status": ended, "ended": utc_now(), "cause": _cause(failed, message) if ended == "failed" else ""}
    run.write(STATUS_NAME, json.dumps(status, indent=1).encode())
    if ended == "failed":
        write_page(gather(parsed, roots_of_records(facts), run, status["cause"]), run.path(REPORT).parent)
        run.publish(str(Path(REPORT).parent))
    elif context.run_id and not run.object(PLAN).get("until"):
        advance(context.state_root, context.run_id)
    lineage.close_run_without_launcher(context, ended == "succeeded")
    return status


def _cause(failed: list[dict[str, object]], message: str) -> str:
    """The first failing task in its own words; KFP's message where no task left any."""
    for record in failed:
        error = record.get("error")
        if isinstance(error, dict):
            return f"{record.get('name')}: {error.get('what', '')} {error.get('remedy', '')}".strip()
    return message or "A task ended without a record."
