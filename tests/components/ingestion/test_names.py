"""Whatever a file is called and wherever it lies: it is ingested, or quarantined with a reason, and ends no run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from components.core.stores.addresses import as_address
from components.core.stores.files import storage_for
from components.ingestion.discover import discover_shards
from components.ingestion.fingerprints import Fingerprint, fingerprints
from components.ingestion.listing import list_videos
from components.ingestion.settings import IngestionSettings
from components.sandbox.corpus.generate import Corpus
from pipelines.launch.local.preflight import check_videos

Ingest = Callable[..., Dataset]

NAMES = {
    "not UTF-8": b"caf\xe9.mp4",
    "newline": b"two\nlines.mp4",
    "control characters": b"\x1b[2Jclear\x07.mp4",
    "line separator": "a\u2028b.mp4".encode(),
    "hash": b"clip #1.mp4",
    "question mark": b"what?.mp4",
    "percent": b"100%25 %41.mp4",
    "tilde": b"~nobody.mp4",
    "quotes and braces": b'"it\'s" {x} $(y) \\ .mp4',
    "a protocol": b"concat:a|b.mp4",
    "a dash": b"-i.mp4",
    "255 bytes": b"n" * 251 + b".mp4",
    "spaces around": b" .a .mp4",
    "emoji": "👩‍👩‍👧 影片.mp4".encode(),
}


@pytest.fixture
def named(corpus: Corpus, tmp_path: Path) -> Path:
    """Clips of different content under every name of NAMES."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number, name in enumerate(NAMES.values()):
        content = (corpus.videos / f"learning-{number % 8:04d}.mp4").read_bytes()
        (folder / os.fsdecode(name)).write_bytes(content + bytes(8 * number))
    return folder


def counts(dataset: Dataset) -> dict[str, int]:
    """Rows by outcome, those that there are."""
    return {outcome: count for outcome, count in dataset.manifest.rows.items() if count}


def bytes_of(uri: str) -> bytes:
    """The content at an address, found as later stages find it."""
    with storage_for(uri).open(uri) as file:
        return file.read()


def test_a_video_is_ingested_whatever_its_name_and_found_again_by_its_address(named: Path, ingest: Ingest) -> None:
    shards = discover_shards(str(named), "{}")
    dataset = ingest(named, shards=shards)
    assert counts(dataset) == {"ok": len(NAMES)}
    contents = {path.read_bytes() for path in named.iterdir()}
    assert {bytes_of(video.uri) for video in dataset.rows("videos")} == contents
    for video in dataset.rows("videos"):
        assert video.uri.encode().decode().splitlines() == [video.uri]


def test_a_folder_whose_own_name_is_not_utf_8_is_taken_from_the_command_line(
    corpus: Corpus, ingest: Ingest, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"films \xe9")
    folder.mkdir()
    shutil.copy(corpus.videos / "learning-0001.mp4", folder / "a.mp4")
    address = as_address(str(folder))
    assert address == f"file://{tmp_path}/films%20%E9"
    check_videos(address)
    assert counts(ingest(address)) == {"ok": 1}
    assert as_address("some/folder") == "some/folder"


def test_a_manifest_names_them_all(named: Path, ingest: Ingest, tmp_path: Path) -> None:
    lines = [json.dumps({"uri": f"videos/{path.name}"}).encode() for path in named.iterdir()]
    # As a program writes it that knows bytes alone, a name that is no UTF-8 among them.
    raw = b"\r\n".join([*lines, b'{"uri": "videos/caf\xe9.mp4"}', b""])
    (tmp_path / "list.jsonl").write_bytes(b"\xef\xbb\xbf" + raw)
    dataset = ingest(tmp_path / "list.jsonl")
    assert counts(dataset) == {"ok": len(NAMES)}


def test_what_a_manifest_names_in_vain_is_quarantined_line_by_line(
    corpus: Corpus, ingest: Ingest, tmp_path: Path
) -> None:
    good = str(corpus.videos / "learning-0001.mp4")
    vain = ["missing.mp4", "nul\0byte.mp4", "half \ud800 character.mp4", "x" * 5000 + ".mp4", f"{good}/below.mp4"]
    lines = [json.dumps({"uri": uri}) for uri in [good, *vain]]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    dataset = ingest(tmp_path / "list.jsonl")
    assert counts(dataset) == {"ok": 1, "failed": len(vain)}
    assert all("no file" in failure.reason for failure in dataset.failures())


@pytest.mark.parametrize("line", ['{"uri": ""}', '{"uri": 7}', "[" * 100_000, "no json", '{"url": "a"}'], ids=range(5))
def test_a_malformed_line_is_told_by_its_number(
    line: str, ingest: Ingest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(SystemExit) as ended:
        ingest(tmp_path / "list.jsonl")
    assert ended.value.code == 2
    assert "Line 2" in capsys.readouterr().err


def test_folders_behind_links_are_listed_once_and_without_end(corpus: Corpus, ingest: Ingest, tmp_path: Path) -> None:
    for name, clip in (("one", 1), ("two", 2)):
        (tmp_path / "elsewhere" / name).mkdir(parents=True)
        shutil.copy(corpus.videos / f"learning-000{clip}.mp4", tmp_path / "elsewhere" / name / "a.mp4")
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "first").symlink_to(tmp_path / "elsewhere" / "one")
    (folder / "second").symlink_to(tmp_path / "elsewhere" / "two")
    (folder / "first again").symlink_to(tmp_path / "elsewhere" / "one")
    (tmp_path / "elsewhere" / "one" / "loop").symlink_to(folder)
    (tmp_path / "elsewhere" / "two" / "up").symlink_to("..")
    (folder / "to itself").symlink_to("to itself")
    check_videos(str(folder))
    dataset = ingest(folder)
    assert counts(dataset) == {"ok": 2}


def test_a_file_is_listed_at_its_own_place_rather_than_behind_a_link(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "videos" / "z").mkdir(parents=True)
    shutil.copy(corpus.videos / "learning-0001.mp4", tmp_path / "videos" / "z" / "a.mp4")
    (tmp_path / "videos" / "a").symlink_to("z")
    (listed,) = list_videos(IngestionSettings(videos=str(tmp_path / "videos")))
    assert listed.stored.uri == str(tmp_path / "videos" / "z" / "a.mp4")


def test_what_is_no_file_is_quarantined_with_its_reason(corpus: Corpus, ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(corpus.videos / "learning-0001.mp4", folder / "good.mp4")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    (folder / "circle.mp4").symlink_to("circle.mp4")
    (folder / "folder.mp4").mkdir()
    (folder / "note").symlink_to(tmp_path / "no video and not there")
    listening = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder)
    try:
        listening.bind("socket.mp4")
    finally:
        os.chdir(here)
    dataset = ingest(folder)
    listening.close()
    assert counts(dataset) == {"ok": 1, "failed": 4}
    reasons = sorted(failure.reason for failure in dataset.failures())
    for name, why in (
        ("circle", "link to nothing"),
        ("dangling", "link to nothing"),
        ("pipe", "no file"),
        ("socket", "no file"),
    ):
        assert any(name in reason and why in reason for reason in reasons), reasons


@contextmanager
def without_roots_rights() -> Iterator[None]:
    """As another user: nothing is closed to root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)


def test_what_may_not_be_read_is_quarantined_and_a_video_once_it_may(corpus: Corpus) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "videos" / "closed").mkdir(parents=True)
        for number, file in enumerate(("good.mp4", "secret.mp4", "closed/a.mp4"), start=1):
            shutil.copy(corpus.videos / f"learning-{number:04d}.mp4", root / "videos" / file)
        (root / "videos" / "secret.mp4").chmod(0)
        (root / "videos" / "closed").chmod(0)
        (root / "state").mkdir()
        for open_to_all in (root, root / "state"):
            open_to_all.chmod(0o777)

        def look() -> dict[str, Fingerprint]:
            with without_roots_rights():
                listed = [item.stored for item in list_videos(IngestionSettings(videos=str(root / "videos")))]
                return {
                    Path(item.uri).name: taken
                    for item, taken in zip(listed, fingerprints(listed, str(root / "state")), strict=True)
                }

        before = look()
        (root / "videos" / "secret.mp4").chmod(0o644)
        (root / "videos" / "closed").chmod(0o755)
        after = look()
    assert before["good.mp4"] == after["good.mp4"] == Fingerprint(after["good.mp4"].digest)
    assert "Permission denied" in before["secret.mp4"].problem
    assert "Permission denied" in before["closed"].problem
    assert set(after) == {"good.mp4", "secret.mp4", "a.mp4"}
    assert not any(taken.problem for taken in after.values())
    assert after["secret.mp4"].digest != before["secret.mp4"].digest


def test_an_entry_of_a_benchmarks_list_may_hold_the_sign_of_comments(
    corpus: Corpus, ingest: Ingest, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(corpus.videos / "learning-0001.mp4", folder / "clip#1.mp4")
    shutil.copy(corpus.videos / "learning-0002.mp4", folder / os.fsdecode(b"\xff.mp4"))
    shutil.copy(corpus.videos / "learning-0003.mp4", folder / "clip.mp4")
    (tmp_path / "bench.txt").write_bytes(b"# held out\nclip#1 # the first\n\xff\n")
    dataset = ingest(folder, benchmarks=[str(tmp_path / "bench.txt")])
    assert counts(dataset) == {"ok": 1, "rejected": 2}
    assert [Path(video.uri).name for video in dataset.rows("videos")] == ["clip.mp4"]


KEYS = (
    "a b#1?.mp4",
    "100%25.mp4",
    "new\nline.mp4",
    "/leading.mp4",
    "deep//double.mp4",
    "~x.mp4",
    "+plus&.mp4",
    "é.mp4",
)


def test_keys_with_odd_characters_are_ingested_and_found_again(
    corpus: Corpus, ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto import mock_aws

    from components.core.stores.s3 import s3_storage

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    s3_storage.cache_clear()
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="films")
        bodies = {}
        for number, key in enumerate(KEYS):
            bodies[key] = (corpus.videos / f"learning-{number:04d}.mp4").read_bytes()
            client.put_object(Bucket="films", Key=key, Body=bodies[key])
        client.put_object(Bucket="films", Key="marker.mp4/", Body=b"")
        dataset = ingest("s3://films", "all")
        assert counts(dataset) == {"ok": len(KEYS)}
        found = {video.uri.removeprefix("s3://films/"): bytes_of(video.uri) for video in dataset.rows("videos")}
        assert found == bodies
        # A manifest means the object it names, not those whose keys begin like it; one that is gone is one failure.
        client.put_object(Bucket="films", Key="~x.mp4.bak", Body=b"no video")
        lines = [{"uri": "s3://films/~x.mp4"}, {"uri": "s3://films/gone.mp4"}]
        (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
        dataset = ingest(tmp_path / "list.jsonl", "listed")
        assert counts(dataset) == {"ok": 1, "failed": 1}
        assert "gone.mp4" in next(iter(dataset.failures())).reason
    s3_storage.cache_clear()
