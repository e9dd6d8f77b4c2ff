"""Tasks in containers, through kfp's DockerRunner: what each is handed, and an end to each that is as it seems.

A container inherits nothing: the run's environment and every folder that it reads or writes are handed over, under
the same paths, and its files belong to the user who launched. kfp's own way to run one is replaced: it lets Docker
remove a container as it ends, and takes one that is gone for one that succeeded (kubeflow/pipelines#13332).

A container outlives the process that started it. So each is labelled with its runs folder: the launcher ends what
carries the label when a run ends, however that is, and before the next begins. Where the launcher itself was killed,
the task in the container notices (core/processes.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from components.core.data.settings import Settings
from components.core.engine.context import VARIABLES
from components.core.errors import InputError, RewatchError
from components.core.lineage import SECRET
from components.core.stores.files import is_s3
from pipelines.launch.local.mounts import read_by

if TYPE_CHECKING:
    from docker import DockerClient

INHERITED = ("REWATCH_", "MLFLOW_", "AWS_", "GX_", "DO_NOT_TRACK", "TOKENIZERS_", "OMP_")
"""Beginnings of the environment variables that a container receives."""
LABEL = "rewatch.runs"
"""Says which runs folder a container works for."""
PATIENCE_S = 20
"""For Docker to say that it is there."""


class DockerSettings(Settings):
    """What containers of the docker runner get beside what their run needs."""

    mounts: tuple[str, ...] = ()
    """Further files and folders that tasks read, such as a cache of models; read-only, under their own paths. What
    `videos` and the stages' settings name is mounted unasked."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Further variables of every task. Those of secrets are named in `platform.secret_keys`, and come from the
    launcher's own environment."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments that kfp's DockerRunner hands to Docker, such as `shm_size` and `network_mode`."""

    @field_validator("environment")
    @classmethod
    def _holds_no_secret(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if SECRET.search(name):
                raise ValueError(f"{name} looks like a secret: name it in platform.secret_keys")
        return value

    @field_validator("arguments")
    @classmethod
    def _leaves_ours_alone(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("mounts", "volumes", "environment", "labels", "auto_remove", "user"):
            if name in value:
                raise ValueError(f"{name} is the launcher's; launch.docker.mounts and .environment add to it")
        return value


def check_docker(references: Sequence[str]) -> None:
    """Refuse a run whose tasks could not start.

    Args:
        references: the images that the tasks run in.

    Raises:
        RewatchError: Docker does not answer.
        InputError: it lacks images.
    """
    with _client() as client:
        held = {tag for image in client.images.list() for tag in image.tags}
    missing = [reference for reference in references if reference not in held]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(references)} images are not on this machine, such as {missing[0]}.",
            "Build them: `make images`.",
        )


def container_arguments(
    settings: DockerSettings,
    runs: Path,
    arguments: Mapping[str, str],
    environment: Mapping[str, str],
    keys: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments of DockerRunner: those of the profile, and what every task needs.

    Args:
        runs: the runs folder; mounted writable.
        arguments: of the pipeline; what they name on this machine is mounted read-only.
        environment: of the launcher's worker.
        keys: names of further variables to hand over: keys of teachers and of stores.
    """
    from docker.types import Mount

    handed = {name: value for name, value in environment.items() if name.startswith(INHERITED) or name in keys}
    given = {name: value for name, value in arguments.items() if name != "videos"}
    read = read_by(arguments["videos"], given, settings.mounts)
    written = {runs, *_written(handed)}
    for folder in written:
        folder.mkdir(parents=True, exist_ok=True)  # Docker would make it, as root's
    mounts = [
        Mount(target=str(place), source=str(source), type="bind", read_only=True)
        for place, source in read.items()
        if place not in written
    ]
    mounts += [Mount(target=str(folder), source=str(folder), type="bind") for folder in sorted(written)]
    return {
        **settings.arguments,
        "mounts": mounts,
        # what lies in the working directory must not stand in for the image's own code
        "environment": {**settings.environment, **handed, "HOME": "/tmp", "PYTHONSAFEPATH": "1"},
        "labels": {LABEL: str(runs)},
        "user": f"{os.getuid()}:{os.getgid()}",
        "working_dir": os.getcwd(),  # noqa: PTH109  # relative paths in settings mean what they mean outside
    }


def run_container(
    client: DockerClient, image: str, command: Sequence[str], volumes: Mapping[str, Any], **arguments: Any
) -> int:
    """Run a task's container to its end, print what it says, and remove it; its exit code. Stands in for kfp's.

    One that somebody else removed has failed, whatever it did.
    """
    from docker.errors import NotFound

    container = client.containers.create(image=image, command=command, volumes=volumes, **arguments)
    try:
        container.start()
        for said in container.logs(stream=True, follow=True):
            print(said.decode(errors="replace"), end="")
        return int(container.wait()["StatusCode"])
    except NotFound:
        print(f"the container {container.id} was removed while it ran", flush=True)
        return 1
    finally:
        with suppress(NotFound):
            container.remove(force=True)


@contextmanager
def containers_of(runs: Path) -> Iterator[None]:
    """Let no container work for a runs folder but those that are started while the block lasts."""
    _end_containers(runs)
    try:
        yield
    finally:
        with suppress(RewatchError):  # Docker itself has ended, and they with it
            _end_containers(runs)


def _end_containers(runs: Path) -> None:
    from docker.errors import APIError

    with _client() as client:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={runs}"}, ignore_removed=True):
            with suppress(APIError):  # it is being removed by the worker that ran it
                container.remove(force=True)


@contextmanager
def _client() -> Iterator[DockerClient]:
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client = docker.from_env(timeout=PATIENCE_S)
        try:
            yield client
        finally:
            client.close()
    except (DockerException, RequestException) as error:
        raise RewatchError(
            f"Docker does not answer: {error}.",
            "Start it, see with `docker info` that you may use it, or choose the profile laptop.",
        ) from error


def _written(environment: Mapping[str, str]) -> Iterator[Path]:
    """Folders that tasks write: state, scratch, and where MLflow's database lies."""
    for field in ("state_root", "scratch"):
        folder = environment.get(VARIABLES[field], "")
        if folder and not is_s3(folder):
            yield Path(folder)
    tracking = urlsplit(environment.get(VARIABLES["mlflow_uri"], ""))
    if tracking.scheme == "sqlite":
        yield Path(tracking.path[1:]).absolute().parent
