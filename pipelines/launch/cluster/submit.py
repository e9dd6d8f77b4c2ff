"""Starts a run on Kubeflow Pipelines: compile, check, submit; starts one again; ends one.

What a task needs to know of its surroundings is set on it as environment (surroundings.py), and secrets by name (the
profile's `platform`), so the parameters are those of a laptop run and the cache works across runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.core.engine.terminal import say
from components.core.errors import InputError
from pipelines.ir.compilation import compile_pipeline
from pipelines.ir.limits import told_of_room
from pipelines.ir.lint import Compiled
from pipelines.ir.prune import tasks_in
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.preflight import check_arguments, check_images, check_videos, told
from pipelines.launch.cluster.progress import ENDED, RUN_STATES
from pipelines.launch.cluster.surroundings import defaults_of, platform_of
from pipelines.profile import Profile


def compiled_for(profile: Profile) -> Compiled:
    """The profile's pipeline as its cluster takes it.

    Raises:
        LintError: KFP would run it wrongly.
        SettingsError: a task would be sent somewhere that no pod can reach.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{profile.pipeline.name}.yaml"
        platform, defaults = platform_of(profile), defaults_of(profile)
        return Compiled.read(compile_pipeline(profile.pipeline, platform, path, defaults=defaults))


@dataclass(frozen=True)
class Prepared:
    """A run that could be started."""

    api: KfpApi
    compiled: Compiled
    arguments: Mapping[str, str]

    @property
    def tasks(self) -> list[str]:
        """The names of its tasks."""
        return tasks_in(self.compiled.ir)


def prepare(profile: Profile, videos: str) -> Prepared:
    """Compile, and check all that can be checked; nothing is created.

    Raises:
        InputError: the API cannot be reached; the videos lie on this machine; an image or a parameter is missing.
    """
    check_videos(videos)
    arguments = {"videos": videos, **profile.arguments()}
    api = KfpApi.of(profile.launch)
    compiled = compiled_for(profile)
    check_arguments(compiled, arguments)
    if profile.launch.check_images and (note := told(check_images(compiled))):
        say(note)
    say(f"size     {told_of_room(compiled)}")
    return Prepared(api, compiled, arguments)


def submit(profile: Profile, videos: str, run_name: str = "") -> tuple[KfpApi, str]:
    """Start a run with caching on, once everything was checked; returns the API and the run's id.

    Raises:
        InputError: as `prepare`.
        RewatchError: the KFP API did not accept the run.
    """
    import kfp_server_api as kfp

    prepared = prepare(profile, videos)
    api = prepared.api
    run = kfp.V2beta1Run(
        experiment_id=api.experiment(profile.launch.experiment),
        display_name=run_name or named_by_time(profile.pipeline.name),
        pipeline_spec=spec_of(prepared.compiled),
        runtime_config=kfp.V2beta1RuntimeConfig(parameters=dict(prepared.arguments)),
        service_account=profile.launch.service_account or None,
    )
    return api, str(api.ask(api.runs.run_service_create_run, run=run).run_id)


def resubmit(api: KfpApi, run_id: str) -> str:
    """Start a run like another, as it was compiled then; returns its id. What it finished comes from KFP's cache.

    KFP can retry a run in place, too, and has failed at that more than once; the cache does not.

    Raises:
        InputError: there is no such run, or it is at work.
    """
    import kfp_server_api as kfp

    before = api.run(run_id)
    status = RUN_STATES.get(str(before.state), "waiting")
    if status not in ENDED:
        raise InputError(f"The run {run_id} is {status}.", f"Wait for it, or `rewatch cancel {run_id}`.")
    name = str(before.display_name).partition(" resumed ")[0]
    run = kfp.V2beta1Run(
        experiment_id=before.experiment_id,
        display_name=named_by_time(f"{name} resumed"),
        pipeline_spec=before.pipeline_spec,
        pipeline_version_reference=before.pipeline_version_reference,
        runtime_config=before.runtime_config,
        service_account=before.service_account or None,
    )
    return str(api.ask(api.runs.run_service_create_run, run=run).run_id)


def cancel(api: KfpApi, run_id: str) -> str:
    """Have KFP end a run; returns what it was doing. Its tasks are told and publish what they have."""
    status = RUN_STATES.get(str(api.run(run_id).state), "waiting")
    if status not in ENDED:
        api.ask(api.runs.run_service_terminate_run, run_id)
    return status


def spec_of(compiled: Compiled) -> dict[str, Any]:
    """A compiled pipeline as the API takes it."""
    if not compiled.platform:
        return compiled.ir
    return {"pipeline_spec": compiled.ir, "platform_spec": compiled.platform}


def named_by_time(name: str) -> str:
    """A name for people, who tell runs apart by it."""
    return f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
