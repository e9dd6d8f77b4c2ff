"""The videos of a training run: read once through the sandboxed reader, kept as small as they were decoded.

Frames stay uint8 in memory (a clip of eight seconds takes 150 kB at the laptop's size) up to a limit; the least
recently used go first and are read again when they are wanted. Patches and prefixes are made when asked for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

from components.core.data.rows import Video
from components.core.errors import RecordError
from components.core.students.frames import shifted
from components.core.students.prompting import Prefix
from components.core.students.student import Student

if TYPE_CHECKING:
    from components.core.engine.stage import Task
    from components.core.video.readers.pyav import Frame
    from components.core.video.settings import VideoStageSettings


class Videos:
    """Prefixes of videos by id.

    Args:
        shift_pixels: how far training may move a video each way.
        limit_bytes: decoded frames kept in memory.
    """

    def __init__(
        self,
        task: Task[VideoStageSettings],
        student: Student,
        videos: Iterable[Video],
        shift_pixels: int = 0,
        limit_bytes: int = 2 << 30,
    ) -> None:
        self._task = task
        self._student = student
        self._videos = {video.video_id: video for video in videos}
        self._shift = shift_pixels
        self._limit = limit_bytes
        self._held = 0
        self._frames: OrderedDict[str, list[Frame]] = OrderedDict()
        self.unreadable: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._videos)

    def frames(self, video_ids: Sequence[str]) -> list[list[Frame] | None]:
        """The frames of each video; None where they cannot be read, which is logged and counted once."""
        names = list(dict.fromkeys(video_ids))
        missing = [name for name in names if name not in self._frames and name not in self.unreadable]
        found = {name: self._frames[name] for name in names if name in self._frames}
        if missing:
            found |= self._task.wait(self._read(missing))
        for name, frames in found.items():
            self._keep(name, frames)
        return [found.get(name) for name in video_ids]

    def prefixes(self, video_ids: Sequence[str], rng: Random | None = None) -> list[Prefix | None]:
        """The prefix of each video, one object for equal ids; None where it cannot be read.

        Args:
            rng: moves each video at random by up to `shift_pixels`.
        """
        made: dict[str, Prefix | None] = {}
        for name, frames in zip(video_ids, self.frames(video_ids), strict=True):
            if name not in made:
                duration_s = self._videos[name].duration_s
                made[name] = self._student.prefix(self.moved(frames, rng), duration_s) if frames else None
        return [made[name] for name in video_ids]

    def moved(self, frames: list[Frame], rng: Random | None) -> list[Frame]:
        """Frames shifted at random, all by the same way; as they are without `rng`."""
        if rng is None or not self._shift:
            return frames
        return shifted(frames, rng.randint(-self._shift, self._shift), rng.randint(-self._shift, self._shift))

    async def _read(self, names: Sequence[str]) -> dict[str, list[Frame]]:
        read = await asyncio.gather(*(self._read_one(name) for name in names))
        return {name: frames for name, frames in zip(names, read, strict=True) if frames is not None}

    async def _read_one(self, name: str) -> list[Frame] | None:
        video = self._videos[name]
        try:
            return await self._task.frames(video, self._student.profile.frames.plan(video.duration_s))
        except RecordError as error:
            self.unreadable[name] = str(error)
            self._task.log.warning("%s left out of training: %s", name, error)
            return None

    def _keep(self, name: str, frames: list[Frame]) -> None:
        if name not in self._frames:
            self._frames[name] = frames
            self._held += _size(frames)
        self._frames.move_to_end(name)
        while self._held > self._limit and len(self._frames) > 1:
            _, dropped = self._frames.popitem(last=False)
            self._held -= _size(dropped)


def _size(frames: Sequence[Frame]) -> int:
    return sum(frame.pixels.nbytes for frame in frames)
