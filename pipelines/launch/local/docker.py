"""How kfp's DockerRunner must start a task's container so that it finds what a task on the host finds.

A container inherits nothing: the run's environment, the runs folder and the videos are handed over explicitly, under
the same paths, so that a dataset's path means the same inside and outside. Files belong to the user who launched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

INHERITED = ("REWATCH_", "MLFLOW_", "AWS_", "GX_", "DO_NOT_TRACK", "TOKENIZERS_", "OMP_")
"""Beginnings of the environment variables that a container receives."""


def container_arguments(
    profile: Mapping[str, Any], runs: Path, videos: str, environment: Mapping[str, str], keys: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Arguments of DockerRunner: those of the profile, and what every task needs.

    Args:
        profile: `launch.docker` of the profile, such as `{"shm_size": "1g"}`.
        runs: the runs folder; mounted writable.
        videos: the videos, mounted read-only where they are a local folder.
        environment: of the launcher's worker.
        keys: names of further variables to hand over: the teachers' keys.
    """
    from docker.types import Mount

    mounts = [Mount(target=str(runs), source=str(runs), type="bind")]
    if "://" not in videos:
        mounts.append(Mount(target=videos, source=videos, type="bind", read_only=True))
    handed = {name: value for name, value in environment.items() if name.startswith(INHERITED) or name in keys}
    return {
        "mounts": mounts,
        "environment": {**handed, "HOME": "/tmp"},
        "user": f"{os.getuid()}:{os.getgid()}",
        **profile,
    }
