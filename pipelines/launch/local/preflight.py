"""What must hold before a run starts: wrong input ends here, with one message, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from components.core.engine.prerequisites import check_endpoint
from components.core.errors import InputError
from components.core.stores.addresses import local
from components.core.stores.files import LocalStorage
from pipelines.images import references
from pipelines.launch.local.docker import check_docker
from pipelines.profile import Profile

MAX_ARGUMENT_BYTES = 100_000
"""Parameters travel as arguments of a command; Linux refuses one over 128 KiB."""


def check_run(profile: Profile, videos: str, runs: Path, until: str = "") -> None:
    """Check a local run's input: videos, output folder, parameters, external teachers, and Docker where it is to run.

    Raises:
        InputError: the videos, the runs folder or a parameter cannot be used, or images are missing.
        TeacherUnavailable: an endpoint of the profile does not answer.
        RewatchError: Docker does not answer.
    """
    check_videos(videos)
    check_arguments({"videos": videos, **profile.arguments()})
    check_writable(runs)
    used = {role.endpoint for role in profile.roles()}
    for name, endpoint in profile.endpoints.items():
        if name in used and endpoint.base_url:
            check_endpoint(name, endpoint)
    if profile.launch.runner == "docker":
        check_docker(references(profile.pipeline, until))


def check_videos(videos: str) -> None:
    """A local folder must exist and hold files; buckets and manifests are checked by ingestion."""
    if videos.startswith("s3://"):
        return
    path = local(videos)
    if not path.exists():
        raise InputError(
            f"There is no folder {videos}.", "Give a folder of videos with --videos, or make one with `rewatch corpus`."
        )
    if path.is_dir() and next(LocalStorage().list(videos), None) is None:
        raise InputError(f"The folder {videos} holds no files.", "Put videos into it, or make some: `rewatch corpus`.")


def check_arguments(arguments: Mapping[str, str]) -> None:
    """KFP's local runner rewrites `python3` in every parameter and passes them all as one command's arguments."""
    for name, value in arguments.items():
        if "python3" in value:
            raise InputError(
                f"The parameter {name} holds the text 'python3', which KFP's local runner would replace by a path.",
                "Rename the folder or change the setting.",
            )
    size = sum(len(value.encode()) for value in arguments.values())
    if size > MAX_ARGUMENT_BYTES:
        raise InputError(
            f"The settings take {size} bytes; a task's arguments hold {MAX_ARGUMENT_BYTES}.",
            "Move long values into files.",
        )


def check_writable(runs: Path) -> None:
    """The runs folder, or the nearest folder above it that exists, must be writable."""
    nearest = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"The runs folder {runs} cannot be written.", "Give a writable folder with --runs.")
