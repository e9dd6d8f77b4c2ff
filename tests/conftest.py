"""What all tests share: a quiet environment, no setting of the person's shell leaking into them, and an S3 store."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("rewatch", deadline=None)  # a busy machine takes its time; what must be quick is tested so
settings.load_profile("rewatch")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
os.environ.update(QUIET)


@pytest.fixture(autouse=True)
def _no_inherited_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test must not write into the run, the state or the MLflow server that the shell happens to name."""
    for name in list(os.environ):
        if name.startswith(("REWATCH_", "KF_PIPELINES_", "MLFLOW_TRACKING", "MLFLOW_EXPERIMENT", "MLFLOW_RUN")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a running server, on loopback, which keeps nothing."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, `s3://…`, with boto3's environment set to reach it."""
    environment = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from components.core.stores.s3 import s3_storage

    s3_storage.cache_clear()
    import boto3

    bucket = f"test-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    s3_storage.cache_clear()
