"""Objects in S3, or in a store that speaks its protocol, through boto3.

boto3 takes its endpoint and credentials from its usual environment variables (`AWS_ENDPOINT_URL`,
`AWS_ACCESS_KEY_ID`, …); single buckets may lie elsewhere and have keys of their own (buckets.py).

fsspec with s3fs was looked at in its place and left: its aiobotocore 3.10 wants botocore below 1.43.118 where the rest
of this project is locked to 1.44.5, so that one of the two would have to give way; importing it takes twice the time of
boto3 (0.30 s and 0.15 s of CPU) and a data task is to start within a second; and conditional puts, which decide who
was first, would stay with boto3 all the same: two ways into one bucket. On local folders, names that are bytes, links
and files that cannot be read have to be told apart (files.py), which fsspec's listing does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any

from components.core.errors import InputError, MissingObject, StoreUnavailable
from components.core.stores.buckets import told_buckets
from components.core.stores.files import StoredObject

_MAKING = Lock()
"""boto3 makes one client at a time."""


class S3Storage:
    """Objects in S3 or a store that speaks its protocol.

    Args:
        buckets: the only buckets that may be used; empty means any.
    """

    def __init__(self, buckets: tuple[str, ...] = ()) -> None:
        self._buckets = buckets
        self._told = told_buckets()
        self._clients: dict[str, Any] = {}

    def list(self, uri: str) -> Iterator[StoredObject]:
        """Every object below a prefix, markers of folders left out."""
        client, bucket, prefix = self._locate(uri)
        with _explained(uri):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    key = str(entry["Key"])
                    if not key.endswith("/"):
                        tag, written_s = entry["ETag"].strip('"'), entry["LastModified"].timestamp()
                        yield StoredObject(f"s3://{bucket}/{key}", entry["Size"], tag, written_s=written_s)
                    if key == prefix:
                        return  # the object itself: the first in order, and others only begin like it

    def exists(self, uri: str) -> bool:
        """Whether an object is there."""
        client, bucket, key = self._locate(uri)
        with _explained(uri):
            return _unless((404,), lambda: client.head_object(Bucket=bucket, Key=key)) is not None

    def read(self, uri: str) -> bytes:
        """The whole content."""
        content = self.read_if_exists(uri)
        if content is None:
            raise InputError(f"There is no object at {uri}.", "Correct the address.")
        return content

    def read_if_exists(self, uri: str) -> bytes | None:
        """The whole content, or None where there is no such object."""
        client, bucket, key = self._locate(uri)
        with _explained(uri):
            found = _unless((404,), lambda: client.get_object(Bucket=bucket, Key=key))
            return None if found is None else bytes(found["Body"].read())

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object."""
        client, bucket, key = self._locate(uri)
        with _explained(uri):
            client.put_object(Bucket=bucket, Key=key, Body=data)

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        """Create an object unless it is there; False means another was first (409 or 412 of a conditional put)."""
        client, bucket, key = self._locate(uri)
        put = {"Bucket": bucket, "Key": key, "Body": data, "IfNoneMatch": "*"}
        with _explained(uri):
            return _unless((409, 412), lambda: client.put_object(**put)) is not None

    def upload(self, path: Path, uri: str) -> None:
        """Replace an object by a file of any size, in parts where it is large."""
        client, bucket, key = self._locate(uri)
        with _explained(uri):
            client.upload_file(str(path), bucket, key)

    def delete(self, uri: str) -> None:
        """Remove an object if it is there."""
        client, bucket, key = self._locate(uri)
        with _explained(uri):
            client.delete_object(Bucket=bucket, Key=key)

    @contextmanager
    def open(self, uri: str) -> Iterator[IO[bytes]]:
        """The body of one GET, read as it arrives."""
        client, bucket, key = self._locate(uri)
        with _explained(uri), closing(client.get_object(Bucket=bucket, Key=key)["Body"]) as body:
            yield body

    def download(self, uri: str, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """Fetch the object, a large one in parts side by side; the file is there once it is whole."""
        client, bucket, key = self._locate(uri)
        with _explained(uri):
            client.download_file(bucket, key, str(path), Callback=progress)

    def client(self, bucket: str) -> Any:
        """boto3's client for a bucket, made when it is first asked: one for all that nothing is told of.

        Raises:
            InputError: its keys are not set.
        """
        told = self._told.get(bucket)
        name = bucket if told else ""
        with _MAKING:
            if name not in self._clients:
                self._clients[name] = _connect(told.client_arguments(bucket) if told else {})
            return self._clients[name]

    def _locate(self, uri: str) -> tuple[Any, str, str]:
        """The client, the bucket and the key of an address."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if self._buckets and bucket not in self._buckets:
            raise InputError(f"The bucket '{bucket}' is not allowed.", f"Allowed: {', '.join(self._buckets)}.")
        return self.client(bucket), bucket, key


def _connect(arguments: dict[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    retries: Any = {"mode": "adaptive", "max_attempts": 6}
    return boto3.client("s3", config=Config(retries=retries, max_pool_connections=64), **arguments)


@cache
def s3_storage(buckets: tuple[str, ...]) -> S3Storage:
    """One storage of each restriction for the process: making a client takes a quarter of a second."""
    return S3Storage(buckets)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn what boto3 raises into one sentence and a remedy."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    remedy = "Check the bucket's name, the credentials and the endpoint."
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        kind = StoreUnavailable if status is None or status >= 500 or status == 429 else InputError
        kind = MissingObject if status in (403, 404) else kind
        raise kind(f"S3 refused {uri}: {code}.", remedy) from error
    except NoCredentialsError as error:
        raise InputError(
            f"Nobody says with which keys {uri} is asked for.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (on a cluster: platform.secret_keys), or give the account "
            "of the pods (launch.service_account) a role.",
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreUnavailable(f"S3 could not be asked for {uri}: {error}.", remedy) from error


def _unless(statuses: tuple[int, ...], call: Callable[[], Any]) -> Any:
    """The call's result, or None where S3 answers with one of these statuses."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in statuses:
            return None
        raise
