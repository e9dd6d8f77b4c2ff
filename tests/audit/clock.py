"""The clock clip's captions against the clock burnt into its frames.

The clip is decoded here, frame by frame and without the project's reader; each frame's clock is read by comparing its
digits with the font. A picture that changes above the clock starts an event, at the time that its first frame shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from components.core.data.rows import CaptionEvent
from components.core.traces.timecodes import parse
from components.sandbox.corpus.drawing import CLOCK_COLOUR, CLOCK_STRIP, GLYPHS, clock_mask, clock_origin
from tests.audit.table import Line, share, spread

PATTERN = "00:00.0"
CHANGED = 1.0
"""Mean change of the picture, in grey levels, that starts an event; compression alone changes about 0.2."""
WORST_S = 0.5
"""The laptop's captioner looks twice a second where little moves: it cannot tell nearer when a change came."""


@dataclass(frozen=True)
class ClockFrame:
    """One frame: its timestamp, what its clock shows, and whether its picture differs from the frame before."""

    time_s: float
    clock_s: float
    changed: bool


def read_clip(path: Path) -> list[ClockFrame]:
    """Every frame of the clip."""
    frames: list[ClockFrame] = []
    before: np.ndarray | None = None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            pixels = frame.to_ndarray(format="rgb24")
            picture = pixels[:-CLOCK_STRIP].astype(np.int16)
            changed = before is not None and float(np.abs(picture - before).mean()) > CHANGED
            frames.append(ClockFrame(float(frame.time), parse(read_clock(pixels)), changed))
            before = picture
    return frames


def read_clock(pixels: np.ndarray) -> str:
    """The clock of one frame, as MM:SS.s: for each place the digit whose picture agrees best."""
    mask = clock_mask(PATTERN)
    top, left = clock_origin(pixels.shape[1], pixels.shape[0], mask)
    lit = pixels[top : top + mask.shape[0], left : left + mask.shape[1]].mean(axis=2) / CLOCK_COLOUR[0]
    width = mask.shape[1] // len(PATTERN)
    return "".join(
        char if char in ":." else _digit(lit[:, place * width : (place + 1) * width])
        for place, char in enumerate(PATTERN)
    )


def _digit(cell: np.ndarray) -> str:
    return min("0123456789", key=lambda digit: float(np.abs(cell - clock_mask(digit)).sum()))


def clock_lines(path: Path, caption: Sequence[CaptionEvent]) -> list[Line]:
    """Caption times of the clock clip against its clock."""
    assert set(PATTERN) <= set(GLYPHS)
    frames = read_clip(path)
    starts = [frame.clock_s for frame in frames if frame.changed]
    said = [event.start_s for event in caption if event.start_s > 0]
    drift = max(abs(frame.clock_s - frame.time_s) for frame in frames)
    errors = [min((abs(time_s - start_s) for start_s in starts), default=float("inf")) for time_s in said]
    missed = [min((abs(time_s - start_s) for time_s in said), default=float("inf")) for start_s in starts]
    return [
        Line("clock clip: clock against timestamp, worst", drift, f"n = {len(frames)} frames", 0.05, "at most", " s"),
        *spread("clock clip: caption start against clock", errors, WORST_S),
        share("clock clip: changes that a caption starts at", sum(e <= WORST_S for e in missed), len(missed), 0.9),
    ]
