"""One interface over folders and buckets."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from components.core.errors import InputError, MissingObject
from components.core.stores.files import LocalStorage, storage_for
from components.core.stores.s3 import S3Storage


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("s3_bucket")) if request.param == "s3" else str(tmp_path / "root")


def test_what_is_written_is_listed_and_read(root: str, tmp_path: Path) -> None:
    storage = storage_for(root)
    for name in ("b.mp4", "a/c.mp4", "a/b.mp4"):
        storage.write(f"{root}/{name}", name.encode())
    listed = list(storage.list(root))
    assert [item.uri for item in listed] == [f"{root}/{name}" for name in ("a/b.mp4", "a/c.mp4", "b.mp4")]
    assert [item.size_bytes for item in listed] == [7, 7, 5]
    assert storage.read(f"{root}/a/c.mp4") == b"a/c.mp4"
    with storage.open(f"{root}/b.mp4") as file:
        assert file.read() == b"b.mp4"
    storage.download(f"{root}/b.mp4", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"b.mp4"


def test_a_changed_file_has_another_version(root: str) -> None:
    storage = storage_for(root)
    storage.write(f"{root}/a", b"1")
    before = next(iter(storage.list(root))).version
    storage.write(f"{root}/a", b"2")
    assert next(iter(storage.list(root))).version != before


def test_what_is_missing_is_named(root: str, tmp_path: Path) -> None:
    storage = storage_for(root)
    storage.write(f"{root}/there", b"")
    assert storage.exists(f"{root}/there")
    assert not storage.exists(f"{root}/missing")
    with pytest.raises(InputError, match="missing"):
        storage.read(f"{root}/missing")
    with pytest.raises(MissingObject, match="missing"), storage.open(f"{root}/missing"):
        pass
    with pytest.raises(MissingObject, match="missing"):
        storage.download(f"{root}/missing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    storage.delete(f"{root}/there")
    storage.delete(f"{root}/there")
    assert not storage.exists(f"{root}/there")


def test_a_bucket_that_is_not_allowed_is_never_asked(s3_bucket: str) -> None:
    storage = storage_for("s3://other/key", buckets=("mine",))
    with pytest.raises(InputError, match=r"'other' is not allowed.*mine"):
        storage.read("s3://other/key")


def test_a_bucket_that_does_not_exist_is_named(s3_bucket: str) -> None:
    with pytest.raises(InputError, match="NoSuchBucket"):
        list(storage_for("s3://no-such-bucket-here/").list("s3://no-such-bucket-here/"))


def test_a_key_with_a_question_mark_or_hash_is_one_key(s3_bucket: str) -> None:
    storage = S3Storage()
    storage.write(f"{s3_bucket}/what?#1.mp4", b"x")
    assert [item.uri for item in storage.list(s3_bucket)] == [f"{s3_bucket}/what?#1.mp4"]


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    assert [item.uri for item in LocalStorage().list(str(tmp_path))] == [str(tmp_path / "b.mp4")]


def test_other_schemes_are_refused() -> None:
    with pytest.raises(InputError, match="https://example"):
        storage_for("https://example.org/video.mp4")


@pytest.mark.parametrize(("status", "is_missing"), [(404, True), (403, True), (400, False)])
def test_an_object_that_may_not_be_read_is_told_apart_from_a_store_that_does_not_work(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, is_missing: bool
) -> None:
    """A record fails for the first, the task stops for the second."""

    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(InputError) as caught:
            S3Storage().download(f"{s3_bucket}/clip.mp4", tmp_path / "clip.mp4")
        server.shutdown()
    assert isinstance(caught.value, MissingObject) == is_missing
    assert f"{s3_bucket}/clip.mp4" in str(caught.value)
