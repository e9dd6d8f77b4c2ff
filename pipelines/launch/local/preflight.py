"""What must hold before a run starts: wrong input ends here, with one message, before anything is written."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from components.core.errors import InputError, TeacherUnavailable
from components.core.stores.addresses import local
from components.core.stores.files import LocalStorage
from components.core.teachers.endpoints import EndpointSettings
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


def check_endpoint(name: str, endpoint: EndpointSettings) -> None:
    """Ask the endpoint for its models, once, with its key."""
    if endpoint.api_key_env and not os.environ.get(endpoint.api_key_env):
        raise InputError(
            f"The endpoint {name!r} takes its key from {endpoint.api_key_env}, which is not set.",
            f"export {endpoint.api_key_env}=…",
        )
    headers = {"Authorization": f"Bearer {os.environ[endpoint.api_key_env]}"} if endpoint.api_key_env else {}
    address = f"{endpoint.base_url.rstrip('/')}/models"
    if not address.startswith(("http://", "https://")):
        raise InputError(f"The endpoint {name!r} has the address {endpoint.base_url!r}.", "Write http://host:port/v1.")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as reply:
            reply.read(1)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise TeacherUnavailable(
                f"The teacher at {endpoint.base_url} refused its key ({error.code}).", f"Check {endpoint.api_key_env}."
            ) from error
        if error.code >= 500:
            raise TeacherUnavailable(
                f"The teacher at {endpoint.base_url} answers {error.code}.", "Look at its log."
            ) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise TeacherUnavailable(
            f"The teacher {name!r} at {endpoint.base_url} does not answer: {reason}.",
            "Start it, or correct endpoints in the profile.",
        ) from error
