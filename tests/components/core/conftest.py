"""What several rooms of core are tested with: an S3 store (a server on loopback, which keeps nothing), and students."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from components.core.stores.s3 import s3_storage
from components.core.students.student import Student
from tests.components.training_world import taught_student, tiny_student, training_data


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a running server."""
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
    s3_storage.cache_clear()
    import boto3

    bucket = f"test-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    s3_storage.cache_clear()


@pytest.fixture(scope="package")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="package")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Student:
    """A student that has learned to look: what it says depends on the video and on the positions."""
    folder = tmp_path_factory.mktemp("taught")
    return taught_student(folder / "student", training_data(folder, 3))
