"""What a container is handed. No Docker is needed to know."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.launch.local.docker import container_arguments


def test_a_container_gets_the_runs_environment_folders_and_owner() -> None:
    environment = {"REWATCH_RUN_ID": "r", "MLFLOW_TRACKING_URI": "u", "MY_KEY": "k", "PATH": "/bin", "SECRET": "s"}
    given = container_arguments({"shm_size": "1g"}, Path("/data/runs"), "/data/films", environment, ("MY_KEY",))
    assert given["environment"] == {"REWATCH_RUN_ID": "r", "MLFLOW_TRACKING_URI": "u", "MY_KEY": "k", "HOME": "/tmp"}
    assert given["user"] == f"{os.getuid()}:{os.getgid()}"
    assert given["shm_size"] == "1g"
    mounts = {mount["Target"]: mount["ReadOnly"] for mount in given["mounts"]}
    assert mounts == {"/data/runs": False, "/data/films": True}


def test_a_bucket_is_not_mounted() -> None:
    given = container_arguments({}, Path("/data/runs"), "s3://bucket/films", {})
    assert [mount["Target"] for mount in given["mounts"]] == ["/data/runs"]
