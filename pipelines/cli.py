"""The `rewatch` command.

Every command prints what it did and what to do next; errors are one message and an exit code, 2 for wrong input.
Imports lie inside the commands, so that `rewatch --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from components.core.engine.terminal import say, silence
from components.core.errors import InputError, RewatchError, as_disk_full
from components.core.processes import reach_loopback

EPILOG = """\
examples:
  rewatch corpus                                    render the sandbox corpus into runs/corpus
  rewatch run                                       the whole pipeline on it
  rewatch run --videos ~/films --until gate-captions
  rewatch run --set grpo.steps=50                   see `rewatch plan --settings` for every key
  rewatch status                                    the runs, and the tasks of the latest
  rewatch status --profile cluster                  the same in the bucket of a cluster's runs
  rewatch compile --profile cluster -o rewatch.yaml the pipeline as KFP takes it

A failed run is resumed by the same command: finished tasks, finished records and stored replies are not repeated.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run one command; returns the exit code."""
    reach_loopback(os.environ)
    words = list(sys.argv[1:] if arguments is None else arguments)
    parsed = parser().parse_args(words)
    parsed.words = words
    try:
        return int(parsed.command(parsed))
    except RewatchError as error:
        return _tell(error)
    except BrokenPipeError:
        silence(sys.stdout)
        return 0
    except OSError as error:
        return _tell(as_disk_full(error) or RewatchError(f"The system refused: {error}.", "Mend that and run again."))


def _tell(error: RewatchError) -> int:
    """Print what went wrong and what to do about it; returns the exit code."""
    say(f"rewatch: {' '.join(error.what.split())}", sys.stderr)
    if error.remedy:
        say(f"  {error.remedy}", sys.stderr)
    return error.exit_code


def parser() -> argparse.ArgumentParser:
    """The command line, one sub-command per verb."""
    root = argparse.ArgumentParser(
        prog="rewatch",
        description="Turns long videos into a video-reasoning model: captions, questions, re-watching, SFT and GRPO.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run the pipeline on this machine, or go on with a failed run")
    _add_profile(run)
    _add_runs(run)
    run.add_argument("--videos", help="folder, s3:// prefix or manifest of videos (default: the profile's)")
    run.add_argument("--until", default="", metavar="TASK", help="stop after this task, such as gate-captions")
    run.set_defaults(command=_run)

    plan = commands.add_parser("plan", help="print a run's tasks and how it departs from the papers, or its settings")
    _add_profile(plan)
    plan.add_argument("--settings", action="store_true", help="print every setting with its value instead")
    plan.set_defaults(command=_plan)

    build = commands.add_parser("compile", help="write the compiled pipeline, linted")
    _add_profile(build)
    build.add_argument("-o", "--output", type=Path, help="default: build/<pipeline>.yaml")
    build.set_defaults(command=_compile)

    submit = commands.add_parser("submit", help="compile and start a run on a KFP cluster")
    _add_profile(submit, default="cluster")
    submit.add_argument("--videos", help="s3:// prefix or manifest of videos (default: the profile's)")
    submit.add_argument("--run-name", default="", help="name of the run in KFP's pages")
    submit.set_defaults(command=_submit)

    status = commands.add_parser("status", help="list the runs, or the tasks of one")
    _add_profile(status)
    status.add_argument("--runs", help="folder or s3:// prefix of runs (default: the profile's)")
    status.add_argument("run_id", nargs="?", default="", help="default: the latest run")
    status.set_defaults(command=_status)

    report = commands.add_parser("report", help="say where a run's report is, or open it")
    _add_profile(report)
    report.add_argument("--runs", help="folder or s3:// prefix of runs (default: the profile's)")
    report.add_argument("run_id", nargs="?", default="", help="default: the latest run")
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.set_defaults(command=_report)

    promote = commands.add_parser("promote", help="make a registered model version the champion by hand")
    _add_runs(promote)
    promote.add_argument("version", help="its number in MLflow's registry")
    _add_model(promote)
    promote.set_defaults(command=_promote)

    rollback = commands.add_parser("rollback", help="return to the champion before this one")
    _add_runs(rollback)
    _add_model(rollback)
    rollback.set_defaults(command=_rollback)

    corpus = commands.add_parser("corpus", help="render the sandbox corpus and, apart from it, its ground truth")
    corpus.add_argument("--out", type=Path, default=Path("runs/corpus"), help="default: %(default)s")
    corpus.add_argument("--tiny", action="store_true", help="the small corpus that the tests use")
    corpus.add_argument("--seed", type=int, help="another seed gives other videos")
    corpus.set_defaults(command=_corpus)

    cache = commands.add_parser("cache", help="what is stored for later runs: show it, free what no run reaches")
    actions = cache.add_subparsers(title="actions", metavar="ACTION", required=True)
    stats = actions.add_parser("stats", help="what is stored, and how much of it today's code reaches")
    prune = actions.add_parser("prune", help="free what today's code does not reach; tells what without --yes")
    for action in (stats, prune):
        _add_runs(action)
        action.add_argument("--state", default="", help="the state's folder or s3:// prefix (default: that of --runs)")
        _add_profile(action, default="any")
        action.set_defaults(command=_cache, yes=False, calls_older_than=None)
    prune.add_argument("--yes", action="store_true", help="free it; without, nothing is deleted")
    prune.add_argument("--calls-older-than", type=float, metavar="DAYS", help="free replies, too, that are older")
    forget = actions.add_parser("forget-tasks", help="drop KFP's cache, so that every task runs; its records stay")
    _add_runs(forget)
    forget.set_defaults(command=_forget_tasks)
    return root


def _add_profile(command: argparse.ArgumentParser, default: str = "laptop") -> None:
    meant = "%(default)s" if default else "none: any settings count as reached"
    command.add_argument(
        "--profile", default=default, help=f"laptop, docker, cluster or a YAML file (default: {meant})"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="change one setting; repeatable",
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    _add_profile(command)
    command.add_argument("--model", default="", help="its name in the registry (default: the profile's)")


def _add_runs(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runs", type=Path, help="folder of runs, state and cache (default: the profile's, runs)")


def _run(parsed: argparse.Namespace) -> int:
    from components.core.stores.addresses import as_address
    from pipelines.launch.local.folders import RunsRoot
    from pipelines.launch.local.launcher import LocalRun
    from pipelines.profile import load_profile

    profile = load_profile(parsed.profile, parsed.overrides)
    if profile.launch.runner == "cluster":
        raise InputError(f"The profile {profile.name} runs on a cluster.", "Use `rewatch submit`.")
    runs = RunsRoot(parsed.runs or Path(profile.launch.runs))
    return LocalRun(
        profile=profile,
        videos=as_address(parsed.videos or profile.launch.videos),
        runs=runs,
        until=parsed.until,
        resume_command=shlex.join(["rewatch", *parsed.words]),
    ).start()


def _plan(parsed: argparse.Namespace) -> int:
    from pipelines.profile import load_profile

    profile = load_profile(parsed.profile, parsed.overrides)
    if parsed.settings:
        import yaml

        print(yaml.safe_dump(profile.resolved(), sort_keys=False), end="")
        return 0
    from tempfile import TemporaryDirectory

    from pipelines.ir.compilation import compile_pipeline
    from pipelines.ir.prune import task_names
    from pipelines.papers import table

    with TemporaryDirectory() as folder:
        names = task_names(compile_pipeline(profile.pipeline, profile.platform, Path(folder) / "pipeline.yaml"))
    print("\n".join(f"{number:>3}  {name}" for number, name in enumerate(names, 1)))
    print(f"\n{table(profile)}")
    return 0


def _compile(parsed: argparse.Namespace) -> int:
    from pipelines.ir.compilation import compile_pipeline
    from pipelines.launch.cluster.surroundings import platform_of
    from pipelines.profile import load_profile

    profile = load_profile(parsed.profile, parsed.overrides)
    path = compile_pipeline(
        profile.pipeline, platform_of(profile), parsed.output or Path(f"build/{profile.pipeline.name}.yaml")
    )
    say(f"{path}: {path.stat().st_size} bytes, lint found no fault; next: `rewatch submit`, or upload it to KFP")
    return 0


def _submit(parsed: argparse.Namespace) -> int:
    from pipelines.launch.cluster.submit import submit
    from pipelines.profile import load_profile

    profile = load_profile(parsed.profile, parsed.overrides)
    submitted = submit(profile, parsed.videos or profile.launch.videos, parsed.run_name)
    say(f"submitted {submitted.run_id}")
    say(f"  {submitted.address}")
    return 0


def _status(parsed: argparse.Namespace) -> int:
    from pipelines.launch.status import find_run, print_run, print_runs

    root = _where_runs_are(parsed)
    if not parsed.run_id:
        print_runs(root)
    run = find_run(root, parsed.run_id)
    if run is not None:
        print_run(run)
    return 0


def _report(parsed: argparse.Namespace) -> int:
    from components.core.engine.record import REPORT
    from pipelines.launch.status import find_report

    run = find_report(_where_runs_are(parsed), parsed.run_id)
    say(run.uri(REPORT))
    if parsed.open:
        import webbrowser

        path = run.path(REPORT)
        if run.is_remote:
            path.write_bytes(run.read(REPORT) or b"")
        webbrowser.open(path.absolute().as_uri())
    return 0


def _where_runs_are(parsed: argparse.Namespace) -> str:
    """The folder or S3 prefix that is named, else that of the profile, whose store S3 is asked at."""
    from components.core.engine.context import Context
    from pipelines.profile import load_profile

    launch = load_profile(parsed.profile, parsed.overrides).launch
    if launch.s3_endpoint and not Context.read().s3_endpoint:
        os.environ.update(Context(s3_endpoint=launch.s3_endpoint).environment())
    return parsed.runs or (f"{launch.state.rstrip('/')}/runs" if launch.runner == "cluster" else launch.runs)


def _promote(parsed: argparse.Namespace) -> int:
    _name_tracking(parsed)
    from components.promotion.promote import promote_version

    say(promote_version(parsed.version, _model(parsed)))
    return 0


def _rollback(parsed: argparse.Namespace) -> int:
    _name_tracking(parsed)
    from components.promotion.promote import rollback

    say(rollback(_model(parsed)))
    return 0


def _model(parsed: argparse.Namespace) -> str:
    """The registered model that a command is about: the one it names, else that of its profile."""
    from components.promotion.settings import PromotionSettings
    from pipelines.profile import load_profile

    if parsed.model:
        return str(parsed.model)
    profile = load_profile(parsed.profile, parsed.overrides)
    named = [section.registered_model for section in profile.stages.values() if isinstance(section, PromotionSettings)]
    if not named:
        raise InputError(f"The pipeline {profile.pipeline.name!r} promotes no model.", "Give --profile or --model.")
    return named[0]


def _name_tracking(parsed: argparse.Namespace) -> None:
    """Point MLflow at the runs folder's database, unless the environment names a server."""
    from components.core.engine.context import Context
    from pipelines.launch.local.folders import RunsRoot

    context = Context.read()
    if context.mlflow_uri:
        return
    database = RunsRoot(parsed.runs or Path("runs")).tracking_database
    if not database.exists():
        raise InputError(f"There is no MLflow database {database}.", "Run the pipeline first, or give --runs.")
    os.environ.update(Context(mlflow_uri=f"sqlite:///{database.absolute()}").environment())


def _corpus(parsed: argparse.Namespace) -> int:
    from components.sandbox.corpus.generate import generate
    from components.sandbox.corpus.settings import CorpusSettings

    settings = CorpusSettings.tiny() if parsed.tiny else CorpusSettings()
    if parsed.seed is not None:
        settings = settings.model_copy(update={"seed": parsed.seed})
    made = generate(parsed.out / "videos", parsed.out / "truth", settings)
    say(f"corpus: {made.files} files in {made.videos} {'rendered' if made.made else 'were there already'}")
    return 0


def _cache(parsed: argparse.Namespace) -> int:
    from pipelines.launch.local.folders import RunsRoot
    from pipelines.launch.stored import look_after, settings_of
    from pipelines.profile import load_profile

    settings = None if parsed.profile == "any" else settings_of(load_profile(parsed.profile, parsed.overrides))
    runs = RunsRoot(parsed.runs or Path("runs"))
    look_after(runs, parsed.state, settings, parsed.yes, parsed.calls_older_than)
    return 0


def _forget_tasks(parsed: argparse.Namespace) -> int:
    from pipelines.launch.local.cache import forget_tasks
    from pipelines.launch.local.folders import RunsRoot

    say(f"forgot {forget_tasks(RunsRoot(parsed.runs or Path('runs')).cache)} tasks; stored replies and records stay")
    return 0


if __name__ == "__main__":
    sys.exit(main())
