"""The runs of an experiment, and one of them in full, as KFP and the bucket tell of them together."""

from __future__ import annotations

from components.core.engine.record import HEADER, REPORT
from components.core.engine.terminal import say
from components.core.errors import InputError
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.follow import line_of, tell_error
from pipelines.launch.cluster.progress import RUN_STATES, ClusterRun

LISTED = 20


def print_submitted(api: KfpApi, experiment: str) -> bool:
    """One line per run, newest last; whether there is any."""
    runs = api.latest_runs(experiment, count=LISTED)
    if not runs:
        say(f"no runs in the experiment {experiment!r} at {api.address}; next: `rewatch submit`")
    for run in reversed(runs):
        status = RUN_STATES.get(str(run.state), "waiting")
        parameters = (run.runtime_config.parameters if run.runtime_config else None) or {}
        began = f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else ""
        say(f"{run.run_id}  {status:<11} {began}  {run.display_name}  {parameters.get('videos', '')}".rstrip())
    return bool(runs)


def print_standing(run: ClusterRun) -> None:
    """The tasks of a run, its error and its outputs.

    Raises:
        InputError: KFP knows no such run.
    """
    standing = run.look()
    say(f"\n{standing.run_id} ({standing.name}): {standing.status}")
    for task in standing.tasks:
        say(line_of(task))
    if standing.note:
        say(f"  rows and causes are not told: {standing.note}")
        return
    if standing.waiting:
        say(f"  {standing.waiting}")
    if standing.nothing_to_do:
        say(f"  {standing.nothing_to_do}")
    tell_error(run, standing)
    try:
        written = run.record.object(HEADER)
        for kind in ("datasets", "models"):
            for name, path in written.get(kind, {}).items():
                say(f"  {kind[:-1]:<8}{name:<14}{path}")
        if run.record.exists(REPORT):
            say(f"  report  {run.record.uri(REPORT)}")
    except InputError as error:
        say(f"  outputs are not told: {error.what}")
