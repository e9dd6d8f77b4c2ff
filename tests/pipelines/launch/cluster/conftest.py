"""A KFP API on loopback, and the options that point a command at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.core.engine.record import RunRecord
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.progress import ClusterRun
from tests.pipelines.launch.cluster.kfp_server import FakeKfp, serving


@pytest.fixture
def kfp() -> Iterator[FakeKfp]:
    with serving() as running:
        yield running


@pytest.fixture
def options(kfp: FakeKfp, s3_bucket: str, s3_server: str) -> list[str]:
    """What a command is told of this cluster: the tests' small pipeline, the API, the bucket."""
    settings = {
        "launch.runner": "cluster",
        "launch.host": kfp.address,
        "launch.state": f"{s3_bucket}/state",
        "launch.s3_endpoint": s3_server,
        "launch.check_images": "false",
        "launch.videos": f"{s3_bucket}/videos/",
    }
    told = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return ["--profile", "tests/pipelines/notes.yaml", *told]


@pytest.fixture
def run(kfp: FakeKfp, s3_bucket: str, tmp_path: object) -> ClusterRun:
    """A run of three tasks that KFP was given, of which nothing has begun; its record is empty."""
    cached, one = {"cachingOptions": {"enableCache": True}}, {"componentRef": {"name": "one"}}
    loop = {
        "componentRef": {"name": "loop"},
        "dependentTasks": ["ingest"],
        "parameterIterator": {"items": {"inputParameter": "shards"}},
    }
    tasks = {
        "ingest": {**one, **cached},
        "for-loop-1": loop,
        "train": {**one, **cached, "dependentTasks": ["for-loop-1"]},
    }
    components = {"one": {"executorLabel": "one"}, "loop": {"dag": {"tasks": {"caption": {**one, **cached}}}}}
    spec = {"components": components, "root": {"dag": {"tasks": tasks}}}
    made = kfp.add("runs", {"display_name": "films", "pipeline_spec": spec, "state": "RUNNING"})
    record = RunRecord(f"{s3_bucket}/state/runs/{made['run_id']}", f"{tmp_path}/scratch")
    return ClusterRun(KfpApi(kfp.address), made["run_id"], record)
