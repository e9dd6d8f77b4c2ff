"""Frames by one plan, read when their pixels are needed and not before; what was measured on them is remembered.

A request about frames is known by what they are of, and to know that, a few numbers about them have to be known: their
times, how much moves. These are kept under (measure and its code, reader's revision, video, plan), so that whoever
looks the same way again opens no video. The code counts by modules of this repository alone: the release of a decoder
or of numpy moves neither a measurement nor the replies that were bought for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from components.core.data.identity import identity_of
from components.core.data.rows import canonical_json, digest_of

if TYPE_CHECKING:
    from components.core.data.rows import Video
    from components.core.stores.keyvalue import KeyValue
    from components.core.video.plans import FramePlan
    from components.core.video.readers.pyav import Frame

Measure = Callable[[Sequence["Frame"]], Any]
"""A function of a module that turns frames into a JSON value."""


class Timed(Protocol):
    """A frame, with or without its pixels."""

    @property
    def asked_s(self) -> float:
        """The time that was asked for, in seconds of the video."""
        ...

    @property
    def time_s(self) -> float:
        """The time of the frame that was on screen then."""
        ...


class Moment(NamedTuple):
    """When a frame was asked for, and its own time."""

    asked_s: float
    time_s: float


def moments(frames: Sequence[Frame]) -> list[Moment]:
    """A measure: the times of frames."""
    return [Moment(frame.asked_s, frame.time_s) for frame in frames]


class Reading:
    """What one plan shows of one video.

    Args:
        revision: of the reader, see `VideoSettings.reader_revision`.
        remembered: where measurements are kept.
        read: reads the frames.
    """

    def __init__(
        self,
        video: Video,
        plan: FramePlan,
        revision: str,
        remembered: KeyValue,
        read: Callable[[FramePlan], Awaitable[list[Frame]]],
    ) -> None:
        self.video, self.plan, self.revision = video, plan, revision
        self._remembered, self._read = remembered, read
        self._frames: list[Frame] | None = None
        self._reading = asyncio.Lock()

    async def frames(self) -> list[Frame]:
        """The frames, read at most once.

        Raises:
            VideoError: if the video is not there, or cannot be read within the limits.
        """
        async with self._reading:
            if self._frames is None:
                self._frames = await self._read(self.plan)
            return self._frames

    async def measured(self, measure: Measure) -> Any:
        """`measure(frames)` as JSON brings it back, without reading them where it is remembered; raises as `frames`.

        What cannot be read is not remembered: it may be readable tomorrow.
        """
        key = f"{measurement(measure.__module__, measure.__qualname__)}/{self.revision}/{self._digest()}"
        stored = await self._remembered.get(key)
        if stored is None:
            value = await asyncio.to_thread(measure, await self.frames())
            stored = await self._remembered.put(key, canonical_json(value).encode())
        return json.loads(stored)

    def _digest(self) -> str:
        return digest_of(self.video.video_id, self.plan.model_dump(mode="json"))


def measurement(module: str, name: str) -> str:
    """Where values of a measure by today's code are kept: `<module>.<name>/<digest of its code>`."""
    return f"{module}.{name}/{digest_of(identity_of(module).modules)[:16]}"
