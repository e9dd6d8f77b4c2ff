"""Frames on disk: what was put comes back, whole or not at all, and the folder stays within its limit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from components.core.data.rows import Video
from components.core.video.frame_cache import FrameCache
from components.core.video.frame_service import FrameService
from components.core.video.plans import FramePlan
from components.core.video.readers.pyav import Frame
from components.core.video.settings import VideoSettings

from .kinds import Numbered

ROOM = 1 << 30


def frames(count: int = 3, height: int = 8) -> list[Frame]:
    """The first two show one picture."""
    pictures = [np.full((height, 4, 3), number, np.uint8) for number in range(count - 1)]
    return [
        Frame(time_s=max(0, number - 1) / 10, pixels=pictures[max(0, number - 1)], asked_s=number / 10)
        for number in range(count)
    ]


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "frames", ROOM)
    assert cache.get("a") is None
    cache.put("a", frames())
    found = FrameCache(tmp_path / "frames", ROOM).get("a")
    assert found is not None
    assert [(frame.time_s, frame.asked_s) for frame in found] == [(0, 0), (0, 0.1), (0.1, 0.2)]
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(found, frames(), strict=True))


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_a_missing_one_and_is_written_anew(tmp_path: Path, harm: str) -> None:
    cache = FrameCache(tmp_path, ROOM)
    cache.put("a", frames(40))
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes({"cut": data[:-300], "flipped": bytes(data), "empty": b"", "foreign": b"no archive"}[harm])
    assert cache.get("a") is None
    cache.put("a", frames(40))
    assert cache.get("a") is not None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    size = 100 * 1000 * 4 * 3
    cache = FrameCache(tmp_path, 4 * size + size // 2)
    for age, key in enumerate("abcd"):
        cache.put(key, frames(101, 1000))
        os.utime(tmp_path / f"{key}.npz", (time.time() - 100 + age,) * 2)
    assert cache.get("a") is not None
    cache.put("e", frames(101, 1000))
    assert [key for key in "abcde" if cache.get(key) is not None] == ["a", "c", "d", "e"]


def test_what_a_killed_process_left_half_written_goes_and_what_another_is_writing_stays(tmp_path: Path) -> None:
    for name, age_s in ((".x.1.partial", 7200), (".y.2.partial", 5)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    FrameCache(tmp_path, ROOM).put("a", frames())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".y.2.partial", "a.npz"]


WRITER = """
import sys
from pathlib import Path
import numpy as np
from components.core.video.frame_cache import FrameCache
from components.core.video.readers.pyav import Frame
cache = FrameCache(Path(sys.argv[1]), 2_000_000)
for number in range(150):
    key = str(number % 7)
    cache.put(key, [Frame(time_s=1.0, pixels=np.full((300, 300, 3), int(key), np.uint8), asked_s=1.0)] )
    found = cache.get(key)
    assert found is None or (found[0].pixels == int(key)).all()
"""


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_500_000


def test_another_plan_or_reader_is_decoded_and_the_same_again_is_not(
    plain: Numbered, tmp_path: Path, reads: list[Path]
) -> None:
    row = {"duration_s": 20, "fps": 10, "width": 64, "height": 64, "codec": "h264", "size_bytes": 1, "shard": "s00000"}
    video = Video.model_validate({"video_id": "v" * 64, "uri": str(plain.path), "split": "train", **row})
    usual, slower = FramePlan(end_s=4, fps=5), FramePlan(end_s=4, fps=2)
    for plan, settings, expected in (
        (usual, VideoSettings(), 1),
        (usual, VideoSettings(), 1),
        (slower, VideoSettings(), 2),
        (slower, VideoSettings(reader="decord"), 3),
        (slower, VideoSettings(kept_frames_mb=0), 4),
        (slower, VideoSettings(kept_frames_mb=1), 4),
    ):
        with FrameService(settings, tmp_path / "scratch", kept=tmp_path / "kept") as service:
            shown = service.prepared(video, plan).result()
        assert [frame.asked_s for frame in shown] == plan.times()
        assert len(reads) == expected
