"""Frames that were decoded once, kept on disk for whoever wants the same again: training, its repetition, evaluation.

A student is shown the same frames of a video in every epoch of every run, and decoding them costs more than reading
them back. They are kept as they are, uint8 RGB, under a name made of the video, the plan and the reader. Files are
written whole or not at all, so that several processes may share the folder; a file that is damaged counts as missing.
Beyond the limit, those that were not used for longest are removed. Nothing is lost with it but time.
"""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.video.readers.pyav import Frame

if TYPE_CHECKING:
    import numpy as np

SUFFIX = ".npz"
PARTIAL = ".partial"
ABANDONED_S = 3600.0
"""A partial file this old is of a process that was killed."""
SHARE_BETWEEN_LOOKS = 1 / 16
"""The folder is measured again when so much of its limit was written: it is shared, and measuring costs a listing."""


class FrameCache:
    """Frames by key in one bounded folder.

    Args:
        folder: made when something is kept.
        limit_bytes: of all files; a sixteenth more for a moment.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._unmeasured: float = limit_bytes

    def get(self, key: str) -> list[Frame] | None:
        """The frames kept under a key; None where there are none, or the file is damaged."""
        import numpy as np

        path = self._folder / f"{key}{SUFFIX}"
        try:
            with np.load(path, allow_pickle=False) as file:
                pixels, places = file["pixels"], file["places"].tolist()
                times, asked = file["times"].tolist(), file["asked"].tolist()
            os.utime(path)  # used now
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return [
            Frame(time_s=time_s, pixels=pixels[place], asked_s=asked_s)
            for time_s, place, asked_s in zip(times, places, asked, strict=True)
        ]

    def put(self, key: str, frames: Sequence[Frame]) -> None:
        """Keep frames of one size; of several sizes, which no student takes, none.

        Raises:
            OSError: they cannot be written.
        """
        import numpy as np

        distinct, places = _distinct(frames)
        if not distinct or len({pixels.shape for pixels in distinct}) > 1:
            return
        size = sum(pixels.nbytes for pixels in distinct)
        if size > self._limit:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{key}.{os.getpid()}{PARTIAL}"
        try:
            with partial.open("wb") as file:
                np.savez(
                    file,
                    pixels=np.stack(distinct),
                    places=np.array(places),
                    times=np.array([frame.time_s for frame in frames]),
                    asked=np.array([frame.asked_s for frame in frames]),
                )
            partial.replace(self._folder / f"{key}{SUFFIX}")
        finally:
            partial.unlink(missing_ok=True)
        self._unmeasured += size
        if self._unmeasured > self._limit * SHARE_BETWEEN_LOOKS:
            self._unmeasured = 0
            self._shrink()

    def _shrink(self) -> None:
        """Remove what was not used for longest until the rest is within the limit, and what killed processes left."""
        files: list[tuple[float, int, Path]] = []
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):
                status = entry.stat()
                if entry.name.endswith(SUFFIX):
                    files.append((status.st_mtime, status.st_size, Path(entry.path)))
                elif entry.name.endswith(PARTIAL) and status.st_mtime < time.time() - ABANDONED_S:
                    Path(entry.path).unlink()
        held = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if held <= self._limit:
                return
            path.unlink(missing_ok=True)
            held -= size


def _distinct(frames: Sequence[Frame]) -> tuple[list[np.ndarray], list[int]]:
    """The arrays of frames, once where following ones share it, and the place of each frame's among them."""
    distinct: list[np.ndarray] = []
    places: list[int] = []
    for frame in frames:
        if not distinct or distinct[-1] is not frame.pixels:
            distinct.append(frame.pixels)
        places.append(len(distinct) - 1)
    return distinct, places
