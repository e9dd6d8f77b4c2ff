"""Buckets that lie elsewhere than all others, or are reached with other keys: videos are often somebody else's.

boto3 knows one store and one pair of keys, from its usual variables. What differs for single buckets stands beside
them in one variable, JSON by the bucket's name, which the launcher and the compiled pipeline write (engine/context.py).
Keys are named there, never held: each is read from a variable of its own when the bucket is first asked.
"""

from __future__ import annotations

import json
import os
from typing import Annotated, Self

from pydantic import ValidationError, model_validator

from components.core.data.settings import Settings, web_address
from components.core.errors import InputError, SettingsError

VARIABLE = "REWATCH_BUCKETS"


class BucketSettings(Settings):
    """Where a bucket lies, and with whose keys it is reached; what is empty is as for all others."""

    endpoint: Annotated[str, web_address("https://host:port", keys="access_key_env and secret_key_env")] = ""
    """Address of the store that speaks S3; Amazon's own is `https://s3.<region>.amazonaws.com`."""

    region: str = ""
    """Such as `eu-central-1`."""

    access_key_env: str = ""
    """Name of the variable that holds the id of the access key. Empty: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and
    where they are not set the role of the service account."""

    secret_key_env: str = ""
    """Name of the variable that holds the secret of that access key."""

    @model_validator(mode="after")
    def _has_both_keys_or_none(self) -> Self:
        if bool(self.access_key_env) != bool(self.secret_key_env):
            raise ValueError("access_key_env and secret_key_env go together: name both, or neither")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that hold its keys."""
        return tuple(name for name in (self.access_key_env, self.secret_key_env) if name)

    def client_arguments(self, bucket: str) -> dict[str, str]:
        """What boto3's client is told of it.

        Raises:
            InputError: a key is not set.
        """
        given = {"endpoint_url": self.endpoint, "region_name": self.region}
        for argument, name in zip(("aws_access_key_id", "aws_secret_access_key"), self.variables, strict=False):
            given[argument] = os.environ.get(name, "").strip()
            if not given[argument]:
                raise InputError(
                    f"The bucket '{bucket}' takes a key from {name}, which is not set.",
                    f"export {name}=…; on a cluster, add it to platform.secret_keys and to the Secret.",
                )
        return {argument: value for argument, value in given.items() if value}


def told_buckets() -> dict[str, BucketSettings]:
    """The buckets that this process was told of, by name.

    Raises:
        SettingsError: the variable holds something else.
    """
    try:
        told = json.loads(os.environ.get(VARIABLE, "").strip() or "{}")
        return {str(name): BucketSettings.model_validate(it) for name, it in told.items()}
    except (ValueError, AttributeError, ValidationError) as error:
        raise SettingsError(f"{VARIABLE} does not describe buckets: {error}.", "Correct it and run again.") from error
