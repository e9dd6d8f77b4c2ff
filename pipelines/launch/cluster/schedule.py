"""Brings the schedule that KFP keeps to what the profile says, however often it is called.

KFP cannot change a recurring run. So one that differs from the profile is replaced: the new one is made disabled, every
other of that name is deleted, then it is enabled. Cut off anywhere in between, no two are enabled, and the next call
ends what this one began. Its name is the published pipeline's; what it was made from is told in its description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from components.core.data.rows import digest_of
from components.core.engine.terminal import say
from components.core.errors import InputError
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.preflight import check_arguments, check_images, check_videos, told
from pipelines.launch.cluster.progress import ENDED, RUN_STATES
from pipelines.launch.cluster.published import (
    Published,
    publish,
    published_name,
    reference_to,
    unpublish,
)
from pipelines.launch.cluster.submit import compiled_for
from pipelines.profile import Profile

MADE_FROM = "rewatch schedule, made from "
CLOCK = ("pipeline-install-config", "cronScheduleTimezone")
"""The ConfigMap, and its key, that says in which time zone KFP reads all cron expressions."""


class Removed(NamedTuple):
    """How many schedules were deleted, and how many only stopped, because a run of theirs is going."""

    deleted: int
    stopped: int


@dataclass(frozen=True)
class Reconciled:
    """What a call found and did."""

    published: Published
    schedule_id: str
    """"" where the profile has no schedule."""
    deleted: int
    """Schedules that were replaced, or are not wanted any more."""
    is_new: bool
    forgotten_runs: int


def reconcile(profile: Profile) -> Reconciled:
    """Publish the pipeline if it changed, and make the schedule what the profile says.

    Raises:
        InputError: the API cannot be reached, the profile's cron is refused, or KFP's clock is in another time zone.
    """
    schedule = profile.launch.schedule
    check_videos(profile.launch.videos)
    api = KfpApi.of(profile.launch)
    compiled = compiled_for(profile)
    arguments = arguments_of(profile, profile.launch.videos)
    check_arguments(compiled, arguments)
    if profile.launch.check_images and (note := told(check_images(compiled))):
        say(note)
    if schedule.cron:
        _check_clock(schedule.timezone)
    published = publish(api, profile, compiled)
    known = _schedules(api, published.name)
    kept, is_new = "", False
    if schedule.cron:
        kept, is_new = _ensure(api, profile, published, arguments, known)
    deleted = _delete(api, profile, [one for one in known if one.recurring_run_id != kept])
    if kept and schedule.enabled:
        api.ask(api.schedules.recurring_run_service_enable_recurring_run, kept)
    elif kept:
        api.ask(api.schedules.recurring_run_service_disable_recurring_run, kept)
    forgotten = _forget_runs(api, profile, schedule.keep_runs) if schedule.keep_runs else 0
    return Reconciled(published, kept, deleted, is_new, forgotten)


def remove(profile: Profile, pipeline_too: bool = False) -> Removed:
    """Delete the profile's schedules, and the published pipeline where asked.

    Raises:
        InputError: the API cannot be reached.
    """
    api = KfpApi.of(profile.launch)
    found = _schedules(api, published_name(profile))
    deleted = _delete(api, profile, found)
    if pipeline_too:
        unpublish(api, profile)
    return Removed(deleted, len(found) - deleted)


def arguments_of(profile: Profile, videos: str) -> dict[str, str]:
    """What a run that nobody asked for is given: it ends at once where no video is new."""
    waiting = {
        name: section.model_copy(update={"end_without_new": True})
        for name, section in profile.stages.items()
        if "end_without_new" in type(section).model_fields
    }
    return {"videos": videos, **replace(profile, stages={**profile.stages, **waiting}).arguments()}


def _schedules(api: KfpApi, name: str) -> list[Any]:
    return list(api.named(api.schedules.recurring_run_service_list_recurring_runs, "recurring_runs", name))


def _ensure(
    api: KfpApi, profile: Profile, published: Published, arguments: Mapping[str, str], known: list[Any]
) -> tuple[str, bool]:
    """The schedule that is as the profile says, made if there is none; whether it was made."""
    import kfp_server_api as kfp

    schedule = profile.launch.schedule
    wanted = {
        "cron": schedule.cron,
        "arguments": dict(arguments),
        "pipeline": published.pipeline_id,
        "concurrency": schedule.max_concurrency,
        "catch_up": schedule.catch_up,
        "account": profile.launch.service_account,
    }
    mark = f"{MADE_FROM}{digest_of(wanted)[:16]}"
    for one in known:
        if one.description == mark:
            return str(one.recurring_run_id), False
    made = kfp.V2beta1RecurringRun(
        experiment_id=api.experiment(profile.launch.experiment),
        display_name=published.name,
        description=mark,
        mode=kfp.RecurringRunMode.DISABLE,
        trigger=kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=schedule.cron)),
        max_concurrency=str(schedule.max_concurrency),
        no_catchup=not schedule.catch_up,
        pipeline_version_reference=reference_to(published),
        runtime_config=kfp.V2beta1RuntimeConfig(parameters=dict(arguments)),
        service_account=profile.launch.service_account or None,
    )
    call = api.schedules.recurring_run_service_create_recurring_run
    return str(api.ask(call, recurring_run=made).recurring_run_id), True


def _delete(api: KfpApi, profile: Profile, schedules: list[Any]) -> int:
    """Delete schedules but those of which a run is going, which are stopped; returns how many went.

    Kubernetes removes with a schedule the workflows that it started: a run that is going would be gone without a word,
    and KFP would say for ever that it runs.
    """
    going = {run.recurring_run_id: run.run_id for run in _runs(api, profile) if _is_going(run)} if schedules else {}
    for one in schedules:
        if one.recurring_run_id in going:
            api.ask(api.schedules.recurring_run_service_disable_recurring_run, one.recurring_run_id)
            say(
                f"schedule {one.recurring_run_id} is stopped and not deleted, as its run "
                f"{going[one.recurring_run_id]} is going: call this again once that has ended"
            )
        else:
            api.ask(api.schedules.recurring_run_service_delete_recurring_run, one.recurring_run_id)
    return sum(one.recurring_run_id not in going for one in schedules)


def _runs(api: KfpApi, profile: Profile) -> list[Any]:
    """Runs that schedules of this profile started, the latest first."""
    experiment = api.experiment(profile.launch.experiment, create=False)
    call = api.runs.run_service_list_runs
    runs = api.all(call, "runs", experiment_id=experiment, sort_by="created_at desc") if experiment else iter(())
    return [run for run in runs if run.recurring_run_id and str(run.display_name).startswith(published_name(profile))]


def _is_going(run: Any) -> bool:
    return RUN_STATES.get(str(run.state)) not in ENDED


def _forget_runs(api: KfpApi, profile: Profile, keep: int) -> int:
    """Remove from KFP the oldest runs of the schedule that ended, but for so many; returns how many went."""
    ours = _runs(api, profile)
    old = [run for run in ours[keep:] if not _is_going(run)]
    for run in old:
        api.ask(api.runs.run_service_delete_run, run.run_id)
    return len(old)


def _check_clock(timezone: str) -> None:
    """Refuse a time zone that is not KFP's; where Kubernetes cannot be asked, say which one it must be."""
    clock = _clock_of_kfp()
    name, key = CLOCK
    if clock is None:
        say(f"KFP's clock is not known from here: the schedule is right if {key} in its ConfigMap {name} is {timezone}")
    elif clock != timezone:
        namespace = "kubeflow"
        patch = f'{{"data":{{"{key}":"{timezone}"}}}}'
        raise InputError(
            f"KFP reads schedules in {clock}, and this one is meant in {timezone}: it has one clock for all.",
            f"Set launch.schedule.timezone to {clock}, or change KFP's: `kubectl -n {namespace} patch configmap "
            f"{name} --patch '{patch}'` and `kubectl -n {namespace} rollout restart deployment "
            "ml-pipeline-scheduledworkflow`.",
        )


def _clock_of_kfp(namespace: str = "kubeflow") -> str | None:
    """The time zone of KFP's schedules, from Kubernetes; None where that cannot be asked."""
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        config.load_config()
        found = client.CoreV1Api().read_namespaced_config_map(CLOCK[0], namespace, _request_timeout=5)
    except (ConfigException, ApiException, HTTPError, OSError, TypeError):
        return None
    return (found.data or {}).get(CLOCK[1]) or "UTC"
