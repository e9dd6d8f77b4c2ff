"""Where frames come from, for every stage: one local copy per video, decoders behind pipes, frames kept on disk.

Decoding takes place in child processes (process.py), each of which serves many reads, because starting one costs more
than most reads; a lost one is replaced on the next. What lies in S3 is copied once (local_copies.py); what a student is
shown is kept (frame_cache.py). All of it is run by an event loop in a thread of its own, so that stages that wait and
stages that compute are served alike: `await service.read(…)` in the one, in the other `service.prepared(…)`, which
reads ahead, and its result later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Self, TypeVar

from components.core.data.rows import Video, digest_of
from components.core.errors import MissingObject, VideoError
from components.core.stores.keyvalue import KeyValue
from components.core.video.frame_cache import FrameCache
from components.core.video.local_copies import LocalCopies
from components.core.video.plans import FramePlan
from components.core.video.probe import VideoInfo
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import Frame
from components.core.video.readings import Reading
from components.core.video.settings import VideoSettings

T = TypeVar("T")
log = logging.getLogger("rewatch.video")


class FrameService:
    """Frames of videos wherever they lie, within limits: a crash or a limit passed costs one video a `VideoError`.

    Args:
        scratch: folder for local copies of what lies in S3; one more than there are decoders at once.
        kept: folder for the frames that `prepared` reads; None keeps none.
    """

    def __init__(
        self,
        settings: VideoSettings,
        scratch: Path,
        *,
        decoders: int = 1,
        kept: Path | None = None,
    ) -> None:
        self.settings = settings
        self._decoders = [DecoderProcess(settings) for _ in range(decoders)]
        self._idle: asyncio.Queue[DecoderProcess] = asyncio.Queue()
        for decoder in self._decoders:
            self._idle.put_nowait(decoder)
        self._copies = LocalCopies(scratch, decoders + 1)
        limit = settings.kept_frames_mb << 20
        self._cache = FrameCache(kept, limit) if kept is not None and limit else None
        self._loop = asyncio.new_event_loop()
        # A thread for each decoder, each copy on its way, and a few that read and write kept frames.
        self._loop.set_default_executor(ThreadPoolExecutor(2 * decoders + 4, thread_name_prefix="frames"))
        self._thread = Thread(target=self._loop.run_forever, name="frames", daemon=True)
        self._thread.start()

    async def read(self, uri: str, plan: FramePlan) -> list[Frame]:
        """See `FrameReader.read`.

        Raises:
            VideoError: it is not there, or cannot be read within the limits.
            InputError: the store it lies in cannot be asked.
        """
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._read(uri, plan), self._loop))

    async def probe(self, uri: str) -> VideoInfo:
        """See `probe.probe`; raises as `read` does."""
        probed = self._with_decoder(uri, lambda decoder, path: decoder.probe(path))
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(probed, self._loop))

    def prepared(self, video: Video, plan: FramePlan) -> Future[list[Frame]]:
        """The frames of a video that a student is shown, from disk where they were read before; raises as `read`.

        Reading begins at once; the result may be asked for at any time, or never.
        """
        return asyncio.run_coroutine_threadsafe(self._prepared(video, plan), self._loop)

    def expect(self, uri: str, reads: int) -> None:
        """See `LocalCopies.expect`."""
        self._loop.call_soon_threadsafe(self._copies.expect, uri, reads)

    def close(self) -> None:
        """End every read, the decoders and the thread, and remove the copies."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _read(self, uri: str, plan: FramePlan) -> list[Frame]:
        return await self._with_decoder(uri, lambda decoder, path: decoder.read(path, plan))

    async def _prepared(self, video: Video, plan: FramePlan) -> list[Frame]:
        if self._cache is None:
            return await self._read(video.uri, plan)
        key = digest_of(video.video_id, plan.model_dump(mode="json"), self.settings.content())
        frames = await asyncio.to_thread(self._cache.get, key)
        if frames is None:
            frames = await self._read(video.uri, plan)
            try:
                await asyncio.to_thread(self._cache.put, key, frames)
            except OSError as error:
                log.warning("frames cannot be kept, and will be decoded again: %s", error)
                self._cache = None
        return frames

    async def _with_decoder(self, uri: str, work: Callable[[DecoderProcess, Path], T]) -> T:
        try:
            async with self._copies.lease(uri) as path:
                return await self._lend(lambda decoder: work(decoder, path))
        except MissingObject as error:
            raise VideoError(error.what, error.remedy) from error

    async def _lend(self, work: Callable[[DecoderProcess], T]) -> T:
        decoder = await self._idle.get()
        try:
            return await asyncio.to_thread(work, decoder)
        except asyncio.CancelledError:
            # The thread cannot be cancelled; without its process it ends at once.
            decoder.kill()
            raise
        finally:
            self._idle.put_nowait(decoder)

    async def _end(self) -> None:
        reads = asyncio.all_tasks() - {asyncio.current_task()}
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        await self._copies.close()
        for decoder in self._decoders:
            await asyncio.to_thread(decoder.close)
        await self._loop.shutdown_default_executor()


class Footage:
    """One video that a record looks at more than once; its local copy stays meanwhile.

    Args:
        reads: how many readings there will be at most: after so many, the copy is no longer held although the block
            goes on (waiting for teachers, as a rule). None, where nobody knows: it is held until the block ends.
    """

    def __init__(self, video: Video, service: FrameService, remembered: KeyValue, reads: int | None = None) -> None:
        self.video = video
        self._service, self._remembered = service, remembered
        self._is_counted = reads is not None
        self._left = 1 if reads is None else reads

    def reading(self, plan: FramePlan) -> Reading:
        """What a plan shows of it, read when it is needed."""
        return Reading(self.video, plan, self._service.settings.reader_revision, self._remembered, self.frames)

    async def frames(self, plan: FramePlan) -> list[Frame]:
        """Frames by a plan; raises as `FrameService.read`."""
        try:
            return await self._service.read(self.video.uri, plan)
        finally:
            if self._is_counted and self._left:
                self._release(1)

    def __enter__(self) -> Self:
        self._service.expect(self.video.uri, self._left)
        return self

    def __exit__(self, *_: object) -> None:
        self._release(self._left)

    def _release(self, reads: int) -> None:
        self._left -= reads
        self._service.expect(self.video.uri, -reads)
