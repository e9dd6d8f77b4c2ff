"""Commands about what outlives runs: stored replies and records, KFP's cache, the registry's champion."""

from __future__ import annotations

import argparse
from pathlib import Path

from components.core.engine.terminal import say
from pipelines.commands.arguments import (
    Commands,
    add_command,
    add_model,
    add_profile,
    add_runs,
    model_of,
    profile_of,
    reach_store,
    reach_tracking,
)


def add(commands: Commands) -> None:
    """`promote`, `rollback`, `forget`, `cache`."""
    promote = add_command(commands, "promote", _promote, "make a registered model version the champion by hand")
    add_runs(promote)
    promote.add_argument("version", help="its number in MLflow's registry")
    add_model(promote)

    rollback = add_command(commands, "rollback", _rollback, "return to the champion before this one")
    add_runs(rollback)
    add_model(rollback)

    told = "remove a video with all that was made of it; tells what without --yes"
    gone = add_command(commands, "forget", _forget, told)
    gone.add_argument("video_id", help="sha256 of its file, as rows and the report name it")
    gone.add_argument("--yes", action="store_true", help="remove it; without, nothing is removed")
    add_runs(gone)
    add_profile(gone)

    cache = commands.add_parser("cache", help="what is stored for later runs: show it, free what no run reaches")
    actions = cache.add_subparsers(title="actions", metavar="ACTION", required=True)
    stats = add_command(actions, "stats", _cache, "what is stored, and how much of it today's code reaches")
    prune = add_command(actions, "prune", _cache, "free what today's code does not reach; tells what without --yes")
    for action in (stats, prune):
        add_runs(action)
        action.add_argument("--state", default="", help="the state's folder or s3:// prefix (default: that of --runs)")
        add_profile(action, default="any")
        action.set_defaults(yes=False, calls_older_than=None)
    prune.add_argument("--yes", action="store_true", help="free it; without, nothing is deleted")
    prune.add_argument("--calls-older-than", type=float, metavar="DAYS", help="free replies, too, that are older")
    forget = add_command(
        actions, "forget-tasks", _forget_tasks, "drop KFP's cache, so that every task runs; its records stay"
    )
    add_runs(forget)


def _promote(parsed: argparse.Namespace) -> int:
    reach_tracking(parsed)
    from components.promotion.promote import promote_version

    say(promote_version(parsed.version, model_of(parsed)))
    return 0


def _rollback(parsed: argparse.Namespace) -> int:
    reach_tracking(parsed)
    from components.promotion.promote import rollback

    say(rollback(model_of(parsed)))
    return 0


def _forget(parsed: argparse.Namespace) -> int:
    from pipelines.launch.forgetting import forget
    from pipelines.launch.local.folders import RunsRoot

    profile = profile_of(parsed)
    reach_store(profile)
    launch = profile.launch
    on_cluster = launch.runner == "cluster" and parsed.runs is None
    runs = RunsRoot(parsed.runs or Path(launch.runs))
    state = launch.state if launch.state and parsed.runs is None else str(runs.state)
    traces = forget(state, parsed.video_id, None if on_cluster else runs.path, parsed.yes)
    verb = "removed" if parsed.yes else "to be removed"
    say(f"{verb}: {len(traces.records)} records, {len(traces.calls)} stored replies")
    for kind, paths in (("dataset", traces.datasets), ("model", traces.models)):
        for path in paths:
            say(f"  {kind}  {path}")
    if on_cluster:
        say("datasets and models are KFP's artifacts: remove those of the runs that saw it, and KFP's cache with them")
    if traces.addresses:
        say(
            f"its file lies at {traces.addresses} known addresses: take it away there, or the next run ingests it again"
        )
    if not parsed.yes:
        say("next: the same with --yes")
    return 0


def _cache(parsed: argparse.Namespace) -> int:
    from pipelines.launch.local.folders import RunsRoot
    from pipelines.launch.stored import look_after, settings_of

    settings = None if parsed.profile == "any" else settings_of(profile_of(parsed))
    runs = RunsRoot(parsed.runs or Path("runs"))
    look_after(runs, parsed.state, settings, parsed.yes, parsed.calls_older_than)
    return 0


def _forget_tasks(parsed: argparse.Namespace) -> int:
    from pipelines.launch.local.cache import forget_tasks
    from pipelines.launch.local.folders import RunsRoot

    say(f"forgot {forget_tasks(RunsRoot(parsed.runs or Path('runs')).cache)} tasks; stored replies and records stay")
    return 0
