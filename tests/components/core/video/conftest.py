"""Small videos whose every frame shows its own number, in the encodings that readers get wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

TICKS = 1000
SIDE = 64


@dataclass(frozen=True)
class Numbered:
    """A video whose frame `n` shows `n`; `times_s` is when each is shown, counted from the first."""

    path: Path
    times_s: list[float]

    def on_screen(self, asked_s: float) -> int:
        """The number of the frame shown at a time."""
        return max(number for number, time_s in enumerate(self.times_s) if time_s <= asked_s + 1e-4)


def number_of(pixels: np.ndarray) -> int:
    """The number a frame shows: eight black or white tiles, the lowest bit first."""
    height, width = pixels.shape[:2]
    tiles = pixels.reshape(2, height // 2, 4, width // 4, 3).mean(axis=(1, 3, 4)).ravel()
    return sum(1 << bit for bit, level in enumerate(tiles) if level > 127)


def picture(number: int) -> np.ndarray:
    """The inverse of `number_of`, (SIDE, SIDE, 3)."""
    bits = np.array([(number >> bit) & 1 for bit in range(8)], dtype=np.uint8).reshape(2, 4)
    return np.repeat(np.kron(bits * 255, np.ones((SIDE // 2, SIDE // 4), np.uint8))[..., None], 3, axis=2)


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Numbered]:
    """Encode a numbered video: `make_video(name, uneven=…, first=…, codec=…, **encoder options)`."""
    folder = tmp_path_factory.mktemp("videos")

    def make(
        name: str, *, frames: int = 200, uneven: bool = False, first: int = 0, codec: str = "libx264", **options: str
    ) -> Numbered:
        rng = random.Random(name)
        pts = [first]
        for _ in range(frames - 1):
            pts.append(pts[-1] + (rng.choice((20, 40, 100, 300)) if uneven else 100))
        path = folder / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, TICKS)
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"preset": "ultrafast", "g": "25", **options}
            for number, at in enumerate(pts):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                frame.pts, frame.time_base = at, Fraction(1, TICKS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        origin = pts[0] if first >= 0 else 0
        return Numbered(path, [(at - origin) / TICKS for at in pts])

    return make


@pytest.fixture(scope="session")
def plain(make_video: Callable[..., Numbered]) -> Numbered:
    """20 s at 10 frames per second, no B-frames."""
    return make_video("plain.mp4", bf="0")
