"""One local copy per video: fetched once, shared, never more than there is room for, and gone in the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from components.core.errors import MissingObject
from components.core.stores.files import storage_for
from components.core.stores.s3 import S3Storage
from components.core.video.local_copies import LocalCopies


class Bucket:
    """Objects named by letters, and how often each was fetched, slowly enough to be asked for meanwhile."""

    def __init__(self, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.fetched = root, Counter[str]()
        for letter in "abcd":
            storage_for(root).write(self.uri(letter), letter.encode())
        download = S3Storage.download

        def slow(storage: S3Storage, uri: str, path: Path, progress: object = None) -> None:
            self.fetched[uri[-1]] += 1
            time.sleep(0.05)
            download(storage, uri, path)

        monkeypatch.setattr(S3Storage, "download", slow)

    def uri(self, letter: str) -> str:
        return f"{self.root}/{letter}"


@pytest.fixture
def bucket(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return Bucket(s3_bucket, monkeypatch)


def copies_below(folder: Path) -> list[Path]:
    return [path for path in folder.glob("copies-*/*") if path.name != "in-use"]


async def read(copies: LocalCopies, uri: str, seconds: float = 0.01) -> bytes:
    async with copies.lease(uri) as path:
        await asyncio.sleep(seconds)
        return path.read_bytes()


async def test_who_asks_meanwhile_shares_the_copy_and_it_stays_for_who_asks_next(
    bucket: Bucket, tmp_path: Path
) -> None:
    copies = LocalCopies(tmp_path, limit=2)
    assert set(await asyncio.gather(*(read(copies, bucket.uri("a")) for _ in range(20)))) == {b"a"}
    assert await read(copies, bucket.uri("a")) == b"a"
    assert bucket.fetched == {"a": 1}
    await copies.close()
    assert not list(tmp_path.glob("copies-*"))


async def test_no_more_copies_than_there_is_room_for_and_the_others_wait(bucket: Bucket, tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, limit=2)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(copies_below(tmp_path)))
            await asyncio.sleep(0.002)

    watching = asyncio.create_task(watch())
    found = await asyncio.gather(*(read(copies, bucket.uri(letter)) for letter in "aabbccddaabb"))
    watching.cancel()
    assert b"".join(found) == b"aabbccddaabb"
    assert most == 2
    assert bucket.fetched == {"a": 1, "b": 1, "c": 1, "d": 1}
    await copies.close()


async def test_a_copy_that_is_expected_to_be_read_again_stays_whoever_waits(bucket: Bucket, tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, limit=1)
    copies.expect(bucket.uri("a"), 2)
    await read(copies, bucket.uri("a"))
    other = asyncio.create_task(read(copies, bucket.uri("b")))
    await asyncio.sleep(0.05)
    assert not other.done()
    copies.expect(bucket.uri("a"), -1)
    await read(copies, bucket.uri("a"))
    copies.expect(bucket.uri("a"), -1)
    assert await other == b"b"
    assert bucket.fetched == {"a": 1, "b": 1}
    await copies.close()


async def test_what_is_missing_is_said_to_all_who_ask_and_leaves_no_copy(bucket: Bucket, tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, limit=1)
    asked = [read(copies, f"{bucket.root}/gone"), read(copies, f"{bucket.root}/gone"), read(copies, bucket.uri("a"))]
    first, second, there = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, MissingObject) and isinstance(second, MissingObject)
    assert there == b"a"
    storage_for(bucket.root).write(f"{bucket.root}/gone", b"back")
    assert await read(copies, f"{bucket.root}/gone") == b"back"
    await copies.close()


async def test_who_gives_up_leaves_the_copy_to_the_others(bucket: Bucket, tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, limit=1)
    gives_up, stays = (asyncio.create_task(read(copies, bucket.uri("a"))) for _ in range(2))
    await asyncio.sleep(0.01)
    gives_up.cancel()
    assert await stays == b"a"
    assert await read(copies, bucket.uri("b")) == b"b"
    assert bucket.fetched == {"a": 1, "b": 1}
    await copies.close()


async def test_closing_ends_what_is_being_fetched(s3_bucket: str, tmp_path: Path) -> None:
    storage_for(s3_bucket).write(f"{s3_bucket}/large", os.urandom(64 << 20))
    copies = LocalCopies(tmp_path, limit=1)
    asking = asyncio.create_task(read(copies, f"{s3_bucket}/large"))
    while not copies_below(tmp_path):
        await asyncio.sleep(0.001)
    asking.cancel()
    await copies.close()
    assert not list(tmp_path.glob("copies-*"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("S3")]


async def test_a_local_file_is_its_own_copy(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    copies = LocalCopies(tmp_path / "scratch", limit=1)
    async with copies.lease(str(tmp_path / "a.mp4")) as path:
        assert path == tmp_path / "a.mp4"
    with pytest.raises(MissingObject, match="put it back"):
        await read(copies, str(tmp_path / "b.mp4"))
    await copies.close()
    assert not (tmp_path / "scratch").exists()


HOLDER = """
import asyncio, sys
from pathlib import Path
from components.core.video.local_copies import LocalCopies
async def hold():
    async with LocalCopies(Path(sys.argv[1]), 1).lease(sys.argv[2]):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(hold())
"""


async def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_holds_is_not(
    bucket: Bucket, tmp_path: Path
) -> None:
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), bucket.uri("a")], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert len(copies_below(tmp_path)) == 2
        holders[0].send_signal(signal.SIGKILL)
        holders[0].wait()
        copies = LocalCopies(tmp_path, limit=1)
        await read(copies, bucket.uri("b"))
        assert sorted(path.read_bytes() for path in copies_below(tmp_path)) == [b"a", b"b"]
        await copies.close()
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
