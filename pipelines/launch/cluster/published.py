"""The compiled pipeline as KFP keeps it for schedules and triggers, and for people who start it from KFP's pages.

It is called `<pipeline>-<profile>`, and each version carries the digest of what was uploaded: a version is added when
the content changed, and only then. Schedules name no version, so that the latest one runs: KFP compiles it when a run
begins, and a schedule outlives an upgrade of KFP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.core.data.rows import digest_of
from components.core.errors import InputError
from pipelines.ir.lint import Compiled
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.submit import spec_of
from pipelines.profile import Profile

DIGEST = "digest"
"""Tag of a version; KFP's tags have no dots."""


@dataclass(frozen=True)
class Published:
    """A pipeline that KFP keeps.

    Attributes:
        name: `<pipeline>-<profile>`.
        version_id: of its latest version.
        is_new: whether that version was uploaded just now.
    """

    name: str
    pipeline_id: str
    version_id: str
    is_new: bool = False


def published_name(profile: Profile) -> str:
    """What the profile's pipeline is called in KFP."""
    return f"{profile.pipeline.name}-{profile.name}"


def latest_published(api: KfpApi, profile: Profile) -> Published:
    """The profile's pipeline with its latest version.

    Raises:
        InputError: it was never uploaded.
    """
    name = published_name(profile)
    found = _find(api, name)
    if found is None or not found[1].pipeline_version_id:
        raise InputError(f"KFP keeps no pipeline {name!r}.", "`rewatch schedule` publishes it, with or without cron.")
    return Published(name, found[0], str(found[1].pipeline_version_id))


def start_published(api: KfpApi, profile: Profile, arguments: Mapping[str, str], run_name: str) -> str:
    """Start a run of the latest version that was published; returns its id.

    Raises:
        InputError: none was, or it takes other arguments.
    """
    import kfp_server_api as kfp

    published = latest_published(api, profile)
    run = kfp.V2beta1Run(
        experiment_id=api.experiment(profile.launch.experiment),
        display_name=run_name,
        pipeline_version_reference=reference_to(published, published.version_id),
        runtime_config=kfp.V2beta1RuntimeConfig(parameters=dict(arguments)),
        service_account=profile.launch.service_account or None,
    )
    return str(api.ask(api.runs.run_service_create_run, run=run).run_id)


def reference_to(published: Published, version_id: str | None = None) -> Any:
    """The pipeline as a run or a schedule names it: one version, or whichever is the latest then."""
    import kfp_server_api as kfp

    return kfp.V2beta1PipelineVersionReference(pipeline_id=published.pipeline_id, pipeline_version_id=version_id)


def publish(api: KfpApi, profile: Profile, compiled: Compiled) -> Published:
    """Upload the compiled pipeline if it is not what the latest version holds.

    Raises:
        InputError: KFP refuses it.
    """
    name, digest = published_name(profile), digest_of(spec_of(compiled))[:16]
    found = _find(api, name)
    if found is not None and (found[1].tags or {}).get(DIGEST) == digest:
        return Published(name, found[0], str(found[1].pipeline_version_id))
    version_name = f"{digest[:12]} {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
    with TemporaryDirectory() as folder:
        path = _written(compiled, Path(folder) / f"{name}.yaml")
        pipeline = _create(api, name) if found is None else found[0]
        made = api.ask(
            api.uploads.upload_pipeline_version,
            str(path),
            name=_as_name(version_name),
            display_name=version_name,
            pipelineid=pipeline,
            tags=f'{{"{DIGEST}": "{digest}"}}',
        )
    return Published(name, pipeline, str(made.pipeline_version_id), is_new=True)


def unpublish(api: KfpApi, profile: Profile) -> bool:
    """Remove the pipeline with all its versions; False where there was none. Runs stay."""
    found = _find(api, published_name(profile))
    if found is None:
        return False
    api.ask(api.pipelines.pipeline_service_delete_pipeline, found[0], cascade=True)
    return True


def _find(api: KfpApi, name: str) -> tuple[str, Any] | None:
    """The id of the pipeline of that name, and its latest version."""
    for pipeline in api.named(api.pipelines.pipeline_service_list_pipelines, "pipelines", name):
        pipeline_id = str(pipeline.pipeline_id)
        call = api.pipelines.pipeline_service_list_pipeline_versions
        page = api.ask(call, pipeline_id, page_size=1, sort_by="created_at desc")
        return (pipeline_id, page.pipeline_versions[0]) if page.pipeline_versions else (pipeline_id, _Nothing())
    return None


class _Nothing:
    """Stands for the version of a pipeline whose first upload was cut off."""

    tags: dict[str, str] | None = None
    pipeline_version_id = ""


def _create(api: KfpApi, name: str) -> str:
    import kfp_server_api as kfp

    wanted = kfp.V2beta1Pipeline(display_name=name, name=_as_name(name), namespace=api.namespace or None)
    return str(api.ask(api.pipelines.pipeline_service_create_pipeline, pipeline=wanted).pipeline_id)


def _written(compiled: Compiled, path: Path) -> Path:
    import yaml

    documents = [compiled.ir, *([compiled.platform] if compiled.platform else [])]
    path.write_text(yaml.safe_dump_all(documents, sort_keys=True))
    return path


def _as_name(text: str) -> str:
    """A name as Kubernetes takes it, which KFP wants of pipelines and versions.

    >>> _as_name("notes-My_Profile 2026-01-01 10:00:00.5")
    'notes-my-profile-2026-01-01-10-00-00-5'
    """
    name = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in text.lower()).strip("-")
    if not name:
        raise InputError(f"{text!r} gives no name for KFP.", "Call the profile's file by letters and digits.")
    return name[:253]
