"""Objects in S3, or in a store that speaks its protocol, through boto3.

boto3 takes its endpoint and credentials from its usual environment variables (`AWS_ENDPOINT_URL`,
`AWS_ACCESS_KEY_ID`, …).

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
from typing import IO, Any

from components.core.errors import InputError, MissingObject, StoreUnavailable
from components.core.stores.files import StoredObject


class S3Storage:
    """Objects in S3 or a store that speaks its protocol.

    Args:
        buckets: the only buckets that may be used; empty means any.
    """

    def __init__(self, buckets: tuple[str, ...] = ()) -> None:
        import boto3
        from botocore.config import Config

        self._buckets = buckets
        retries: Any = {"mode": "adaptive", "max_attempts": 6}
        self._client: Any = boto3.client("s3", config=Config(retries=retries, max_pool_connections=64))

    def list(self, uri: str) -> Iterator[StoredObject]:
        """Every object below a prefix, markers of folders left out."""
        bucket, prefix = self._locate(uri)
        with _explained(uri):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    key = str(entry["Key"])
                    if not key.endswith("/"):
                        tag, written_s = entry["ETag"].strip('"'), entry["LastModified"].timestamp()
                        yield StoredObject(f"s3://{bucket}/{key}", entry["Size"], tag, written_s=written_s)
                    if key == prefix:
                        return  # the object itself: the first in order, and others only begin like it

    def exists(self, uri: str) -> bool:
        """Whether an object is there."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            return _unless((404,), lambda: self._client.head_object(Bucket=bucket, Key=key)) is not None

    def read(self, uri: str) -> bytes:
        """The whole content."""
        content = self.read_if_exists(uri)
        if content is None:
            raise InputError(f"There is no object at {uri}.", "Correct the address.")
        return content

    def read_if_exists(self, uri: str) -> bytes | None:
        """The whole content, or None where there is no such object."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            found = _unless((404,), lambda: self._client.get_object(Bucket=bucket, Key=key))
            return None if found is None else bytes(found["Body"].read())

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        """Create an object unless it is there; False means another was first (409 or 412 of a conditional put)."""
        bucket, key = self._locate(uri)
        put = {"Bucket": bucket, "Key": key, "Body": data, "IfNoneMatch": "*"}
        with _explained(uri):
            return _unless((409, 412), lambda: self._client.put_object(**put)) is not None

    def upload(self, path: Path, uri: str) -> None:
        """Replace an object by a file of any size, in parts where it is large."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            self._client.upload_file(str(path), bucket, key)

    def delete(self, uri: str) -> None:
        """Remove an object if it is there."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            self._client.delete_object(Bucket=bucket, Key=key)

    @contextmanager
    def open(self, uri: str) -> Iterator[IO[bytes]]:
        """The body of one GET, read as it arrives."""
        bucket, key = self._locate(uri)
        with _explained(uri), closing(self._client.get_object(Bucket=bucket, Key=key)["Body"]) as body:
            yield body

    def download(self, uri: str, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """Fetch the object, a large one in parts side by side; the file is there once it is whole."""
        bucket, key = self._locate(uri)
        with _explained(uri):
            self._client.download_file(bucket, key, str(path), Callback=progress)

    def _locate(self, uri: str) -> tuple[str, str]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if self._buckets and bucket not in self._buckets:
            raise InputError(f"The bucket '{bucket}' is not allowed.", f"Allowed: {', '.join(self._buckets)}.")
        return bucket, key


@cache
def s3_storage(buckets: tuple[str, ...]) -> S3Storage:
    """One client of each restriction for the process: making one takes a quarter of a second."""
    return S3Storage(buckets)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn what boto3 raises into one sentence and a remedy."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    remedy = "Check the bucket's name, the credentials and the endpoint."
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        kind = StoreUnavailable if status is None or status >= 500 or status == 429 else InputError
        kind = MissingObject if status in (403, 404) else kind
        raise kind(f"S3 refused {uri}: {code}.", remedy) from error
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
