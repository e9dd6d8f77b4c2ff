"""Wrong frames, wrong times and seconds lost on every kind of file: our reader, plain decoding, decord.

Each is asked for four frames a second of the whole video. Plain decoding takes the last frame decoded whose time, from
the first frame's, is not later, and ends where a packet cannot be decoded; decord is asked by number, as time times
mean rate, and behind our protocol, where it refuses what it is known to get wrong. Ours must make no mistake and lose
no more than what is damaged; the other columns are there to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import decord
import numpy as np
import pytest

from components.core.errors import VideoError
from components.core.video.plans import FramePlan
from components.core.video.probe import probe
from components.core.video.readers.decord import DecordReader
from components.core.video.readers.pyav import Frame, PyAVReader
from tests.bench.measuring import record
from tests.components.core.video.kinds import KINDS, Numbered, make, number_of

pytestmark = pytest.mark.bench

Read = Callable[[Path, FramePlan], Sequence[Frame]]


def plainly(path: Path, plan: FramePlan) -> list[Frame]:
    """Sequential decoding with PyAV."""
    decoded: list[tuple[float, np.ndarray]] = []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        try:
            for frame in container.decode(container.streams.video[0]):
                decoded.append((frame.time or 0.0, frame.to_ndarray(format="rgb24")))
        except av.FFmpegError as error:
            print(f"plain decoding of {path.name} ended: {error}")
    frames = []
    for asked_s in plan.times():
        shown = [each for each in decoded if each[0] - decoded[0][0] <= asked_s + 1e-3]
        if asked_s <= decoded[-1][0] - decoded[0][0] + 0.2:
            frames.append(Frame(shown[-1][0] - decoded[0][0], shown[-1][1], asked_s))
    return frames


def by_number(path: Path, plan: FramePlan) -> list[Frame]:
    """decord as it is mostly used."""
    reader = decord.VideoReader(str(path), num_threads=1)
    rate = reader.get_avg_fps()
    numbers = [min(len(reader) - 1, int(asked_s * rate + 1e-6)) for asked_s in plan.times()]
    pixels = {number: reader[number].asnumpy() for number in sorted(set(numbers))}
    return [
        Frame(number / rate, pixels[number], asked_s) for number, asked_s in zip(numbers, plan.times(), strict=True)
    ]


def judged(kind: str, video: Numbered, read: Read) -> tuple[int, int, float] | None:
    """Wrong frames, wrong times and seconds lost; None where the reader refused the file."""
    plan = FramePlan(end_s=probe(video.path).duration_s, fps=4)
    try:
        frames = read(video.path, plan)
    except (VideoError, decord.DECORDError, RuntimeError, IndexError):
        return None
    frames_wrong = times_wrong = 0
    for frame in frames:
        shown = video.on_screen(frame.asked_s)
        # Plain decoding leaves rotation to the caller.
        pixels = frame.pixels if read is plainly else np.rot90(frame.pixels, -KINDS[kind].turned // 90)
        frames_wrong += number_of(pixels) != shown
        times_wrong += abs(frame.time_s - video.times_s[shown - video.first]) > 2e-3
    return frames_wrong, times_wrong, (len(plan.times()) - len(frames)) / plan.fps


def test_frame_truth(tmp_path: Path) -> None:
    readers: dict[str, Read] = {
        "ours": PyAVReader().read,
        "plain": plainly,
        "decord by number": by_number,
        "decord reader": DecordReader().read,
    }
    table: dict[str, dict[str, tuple[int, int, float] | None]] = {}
    for kind, recipe in KINDS.items():
        video = make(kind, recipe, tmp_path)
        table[kind] = {name: judged(kind, video, read) for name, read in readers.items()}
    print(f"\n{'wrong frames / wrong times / seconds lost':<36}" + "".join(f"{name:>20}" for name in readers))
    for kind, row in table.items():
        cells = (f"{c[0]} / {c[1]} / {c[2]:.2f}" if c else "refused" for c in row.values())
        print(f"{kind:<36}" + "".join(f"{cell:>20}" for cell in cells))
    ours = {kind: row["ours"] for kind, row in table.items()}
    record("frame truth", {k: {"frames": v[0], "times": v[1], "lost_s": v[2]} for k, v in ours.items() if v})
    assert [kind for kind, row in ours.items() if row is None or row[0] or row[1]] == []
    assert [k for k, v in ours.items() if v and v[2] and not k.startswith(("damaged", "hole"))] == []
