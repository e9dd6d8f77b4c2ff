"""Starts a run on Kubeflow Pipelines: compile, upload, submit.

What a task needs to know of its surroundings is set on it as environment (surroundings.py), and secrets by name (the
profile's `platform`), so the parameters are those of a laptop run and the cache works across runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from components.core.errors import InputError, RewatchError
from pipelines.ir.compilation import compile_pipeline
from pipelines.launch.cluster.surroundings import platform_of
from pipelines.profile import Profile


@dataclass(frozen=True)
class Submitted:
    """A run that the cluster accepted."""

    run_id: str
    address: str


def submit(profile: Profile, videos: str, run_name: str = "") -> Submitted:
    """Compile for the profile's platform and start a run with caching on.

    Raises:
        InputError: the profile names no KFP address, or the videos lie on this machine.
        RewatchError: the KFP API did not accept the run.
    """
    launch = profile.launch
    if not launch.host:
        raise InputError(f"The profile {profile.name} names no KFP API.", "Set launch.host.")
    if "://" not in videos:
        raise InputError(f"A cluster cannot read {videos}.", "Give an s3:// prefix with --videos.")
    with TemporaryDirectory() as folder:
        path = compile_pipeline(profile.pipeline, platform_of(profile), Path(folder) / f"{profile.pipeline.name}.yaml")
        import kfp
        from kfp_server_api.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            client = kfp.Client(host=launch.host, namespace=launch.namespace or "kubeflow")
            run = client.create_run_from_pipeline_package(
                str(path),
                arguments={"videos": videos, **profile.arguments()},
                run_name=run_name or None,
                experiment_name=launch.experiment,
                namespace=launch.namespace or None,
                enable_caching=None,
            )
        except (ApiException, HTTPError, OSError) as error:
            raise RewatchError(
                f"The KFP API at {launch.host} did not take the run: {str(error).splitlines()[0]}",
                "Check launch.host and your login, or port-forward svc/ml-pipeline.",
            ) from error
    return Submitted(run.run_id, f"{launch.host}/#/runs/details/{run.run_id}")
