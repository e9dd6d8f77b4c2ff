"""What all tests share: a quiet environment, no setting of the person's shell leaking into them, and an S3 store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import settings

# A busy machine takes its time; and every run draws other examples, so that few of them in each are many in time.
settings.register_profile("rewatch", deadline=None, max_examples=50)
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


class Films(NamedTuple):
    """A bucket `films` in a store of its own, which only its owner's keys open."""

    endpoint: str
    access_key: str
    secret_key: str


GUARDED = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
OWNER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@pytest.fixture(scope="session")
def films() -> Iterator[Films]:
    """A second store, in a process of its own: moto keeps one set of buckets in each. It checks every signature once
    the owner, the owner's rights and key, and the bucket are there."""
    import boto3

    guarded = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "4"}
    command = [sys.executable, "-c", GUARDED]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=guarded) as store:
        assert store.stdin is not None and store.stdout is not None
        endpoint = f"http://127.0.0.1:{int(store.stdout.readline())}"
        nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody", "region_name": "us-east-1"}
        accounts = boto3.client("iam", endpoint_url=endpoint, **nobody)
        accounts.create_user(UserName="owner")
        accounts.put_user_policy(UserName="owner", PolicyName="all", PolicyDocument=json.dumps(OWNER))
        key = accounts.create_access_key(UserName="owner")["AccessKey"]
        boto3.client("s3", endpoint_url=endpoint, **nobody).create_bucket(Bucket="films")
        yield Films(endpoint, key["AccessKeyId"], key["SecretAccessKey"])
        store.stdin.close()
