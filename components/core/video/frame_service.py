"""Reading frames in child processes, for stages that must not block.

Each process serves many reads, because starting one costs more than most reads; a lost one is replaced on the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from components.core.video.plans import FramePlan
from components.core.video.probe import VideoInfo
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import Frame
from components.core.video.settings import VideoSettings

T = TypeVar("T")


class FrameService:
    """Frames for asynchronous stages: `async with FrameService() as service: await service.read(path, plan)`."""

    def __init__(self, settings: VideoSettings | None = None, processes: int = 1) -> None:
        self._all = [DecoderProcess(settings) for _ in range(processes)]
        self._idle: asyncio.Queue[DecoderProcess] = asyncio.Queue()

    async def read(self, path: Path, plan: FramePlan) -> list[Frame]:
        """See `FrameReader.read`; a crash or a limit passed raises `VideoError` for this video only."""
        return await self._lend(lambda process: process.read(path, plan))

    async def probe(self, path: Path) -> VideoInfo:
        """See `probe.probe`; raises as `read` does."""
        return await self._lend(lambda process: process.probe(path))

    async def __aenter__(self) -> Self:
        for process in self._all:
            self._idle.put_nowait(process)
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._all:
            await asyncio.to_thread(process.close)

    async def _lend(self, work: Callable[[DecoderProcess], T]) -> T:
        process = await self._idle.get()
        try:
            return await asyncio.to_thread(work, process)
        except asyncio.CancelledError:
            # The thread cannot be cancelled; without its process it ends at once.
            process.kill()
            raise
        finally:
            self._idle.put_nowait(process)
