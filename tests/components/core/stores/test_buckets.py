"""Videos in one store and state in another, each with its own keys; and no keys at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.core.engine.context import Context
from components.core.errors import InputError, MissingObject, SettingsError
from components.core.stores.buckets import BucketSettings, told_buckets
from components.core.stores.files import storage_for
from components.core.stores.s3 import S3Storage, s3_storage
from components.core.stores.watermark import known_contents
from components.ingestion.discover import discover_shards
from tests.conftest import Films


@pytest.fixture
def told(films: Films, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The bucket `films` lies in its own store; all others where `s3_bucket` does."""
    bucket = BucketSettings(endpoint=films.endpoint, access_key_env="FILMS_ID", secret_key_env="FILMS_KEY")
    for name, value in Context(buckets={"films": bucket}).environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FILMS_ID", films.access_key)
    monkeypatch.setenv("FILMS_KEY", films.secret_key)
    return monkeypatch


def test_videos_are_read_in_their_store_and_state_is_kept_in_the_other(
    told: pytest.MonkeyPatch, s3_bucket: str, tmp_path: Path
) -> None:
    storage_for("s3://films/").write("s3://films/year/a.mp4", b"no film, but content")
    told.setenv("REWATCH_STATE_ROOT", f"{s3_bucket}/state")
    assert discover_shards("s3://films/year/", '{"shard_count": 1}')
    (known,) = known_contents(f"{s3_bucket}/state")
    assert known.endswith("s3://films/year/a.mp4")
    storage_for("s3://films/").download("s3://films/year/a.mp4", tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"no film, but content"
    told.delenv("REWATCH_BUCKETS")
    with pytest.raises(InputError, match="There is no object"):
        S3Storage().read("s3://films/year/a.mp4")


@pytest.mark.parametrize("wrong", ["FILMS_ID", "FILMS_KEY"])
def test_a_key_that_its_store_does_not_take_is_told_without_its_value(told: pytest.MonkeyPatch, wrong: str) -> None:
    told.setenv(wrong, "not-the-right-one")
    with pytest.raises(MissingObject, match=r"S3 refused s3://films/a\.mp4") as caught:
        S3Storage().read("s3://films/a.mp4")
    assert "not-the-right-one" not in str(caught.value)


def test_a_key_that_is_not_set_troubles_only_its_bucket(told: pytest.MonkeyPatch, s3_bucket: str) -> None:
    told.delenv("FILMS_KEY")
    storage = S3Storage()
    storage.write(f"{s3_bucket}/here", b"")
    with pytest.raises(InputError, match="'films' takes a key from FILMS_KEY, which is not set"):
        storage.exists("s3://films/a.mp4")


def test_without_keys_a_bucket_is_reached_by_the_role_of_the_service_account(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Amazon's webhook hands a pod whose account has a role: a token in a file, and the role's name."""
    (tmp_path / "token").write_text("of-the-service-account")
    _forget_keys(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/rewatch")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    storage = S3Storage()
    storage.write(f"{s3_bucket}/by-role", b"here")
    assert storage.read(f"{s3_bucket}/by-role") == b"here"
    credentials: Any = storage.client("")._request_signer._credentials
    assert credentials.method == "assume-role-with-web-identity"


def test_no_keys_and_no_role_are_told_with_the_settings_that_name_them(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forget_keys(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"platform\.secret_keys.*launch\.service_account"):
        S3Storage().read(f"{s3_bucket}/here")


def _forget_keys(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "none"))
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    s3_storage.cache_clear()


@pytest.mark.parametrize("text", ["[", "[1]", '{"films": 3}', '{"films": {"endpiont": "x"}}'])
def test_a_variable_that_describes_no_buckets_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("REWATCH_BUCKETS", text)
    with pytest.raises(SettingsError, match="REWATCH_BUCKETS"):
        told_buckets()
