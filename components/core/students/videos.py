"""The videos of a training run: kept as small as they were decoded, and read ahead of the step that needs them.

Frames stay uint8 in memory (a clip of eight seconds takes 150 kB at the laptop's size) up to a limit; the least
recently used go first and are read again, from disk as a rule, when they are wanted. Patches and prefixes are made when
asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
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
        self._service, self._log = task.frame_service, task.log
        self._student = student
        self._videos = {video.video_id: video for video in videos}
        self._shift = shift_pixels
        self._limit = limit_bytes
        self._held = 0
        self._frames: OrderedDict[str, list[Frame]] = OrderedDict()
        self._coming: dict[str, Future[list[Frame]]] = {}
        self.unreadable: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._videos)

    def read_ahead(self, video_ids: Iterable[str]) -> None:
        """Begin to read these videos, in the background, for a step that comes next."""
        for name in dict.fromkeys(video_ids):
            if not (name in self._frames or name in self.unreadable or name in self._coming):
                video = self._videos[name]
                plan = self._student.profile.frames.plan(video.duration_s)
                self._coming[name] = self._service.prepared(video, plan)

    def frames(self, video_ids: Sequence[str]) -> list[list[Frame] | None]:
        """The frames of each video; None where they cannot be read, which is logged and counted once."""
        self.read_ahead(video_ids)
        found: dict[str, list[Frame]] = {}
        for name in dict.fromkeys(video_ids):
            frames = self._frames.get(name) or self._arrived(name)
            if frames is not None:
                found[name] = frames
        for name, frames in found.items():
            self._keep(name, frames)
        return [found.get(name) for name in video_ids]

    def prefixes(
        self, video_ids: Sequence[str], rng: Random | None = None, own: Collection[str] | None = None
    ) -> list[Prefix | None]:
        """The prefix of each video, one object for equal ids; None where it cannot be read.

        Args:
            rng: moves each video at random by up to `shift_pixels`.
            own: those that are wanted, all if left out. The others, which another rank reads, are moved all the same: a
                video's movement does not depend on the ranks.
        """
        wanted = list(dict.fromkeys(name for name in video_ids if own is None or name in own))
        read = dict(zip(wanted, self.frames(wanted), strict=True))
        made: dict[str, Prefix | None] = {}
        for name in dict.fromkeys(video_ids):
            frames, duration_s = read.get(name), self._videos[name].duration_s
            if frames:
                made[name] = self._student.prefix(self.moved(frames, rng), duration_s)
            elif name not in read:
                self.moved([], rng)
        return [made.get(name) for name in video_ids]

    def moved(self, frames: list[Frame], rng: Random | None) -> list[Frame]:
        """Frames shifted at random, all by the same way; as they are without `rng`."""
        if rng is None or not self._shift:
            return frames
        return shifted(frames, rng.randint(-self._shift, self._shift), rng.randint(-self._shift, self._shift))

    def _arrived(self, name: str) -> list[Frame] | None:
        """What was begun to be read, waited for."""
        if name in self.unreadable:
            return None
        try:
            return self._coming.pop(name).result()
        except RecordError as error:
            self.unreadable[name] = str(error)
            self._log.warning("%s left out of training: %s", name, error)
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
