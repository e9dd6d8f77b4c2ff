"""Ingestion: one row per video, told good from refused before anything is paid for.

A file that cannot be opened becomes a `Failure` row with its reason; a second copy, a video on a benchmark's list and
one that is too short become rejected rows. What a probe found is kept in the state root by content hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from components.core.data.identity import filed_under
from components.core.data.rows import Failure, Outcome, Row, Video, digest_of
from components.core.engine.progress import Progress
from components.core.engine.stage import Stage, Task
from components.core.errors import InputError, MissingObject, VideoError
from components.core.stores.files import storage_for
from components.core.video.frame_service import FrameService
from components.core.video.probe import VideoInfo
from components.ingestion.fingerprints import fingerprints, shard_ids, shard_of, split_of
from components.ingestion.listing import Listed, benchmark_entries, list_videos
from components.ingestion.settings import IngestionSettings
from components.ingestion.watermark import seen

TABLE = "videos"
WINDOW = 64
"""Videos probed at once; their temporary copies, if they lie in a bucket, are on disk at once."""


@dataclass(frozen=True)
class Member:
    """All files of one content: the first in order of URI, and its copies."""

    video_id: str
    files: tuple[Listed, ...]
    problem: str
    """Why the content could not be read; empty if it could."""


async def ingest(task: Task[IngestionSettings]) -> None:
    """Probe every member of the shards and write its row, part by shard."""
    settings = task.settings
    members = _members(task, settings)
    benchmarks = benchmark_entries(settings)
    task.metrics["new_videos"] = len({member.video_id for member in members} - seen(task.state.root))
    progress = Progress(task.name, len(members), task.ledger.total, task.log)
    readable = 0
    reason = ""
    async with FrameService(settings.video, settings.processes) as service:
        for start in range(0, len(members), WINDOW):
            window = members[start : start + WINDOW]
            for member, (rows, reused) in zip(
                window, await asyncio.gather(*(_rows(task, service, each, benchmarks) for each in window)), strict=True
            ):
                task.write(TABLE, rows, part=shard_of(member.video_id, settings.shard_count))
                failed = isinstance(rows[0], Failure)
                readable += not failed
                reason = reason or (rows[0].reason if failed else "")
                progress.advance(failed=failed, reused=reused)
    progress.close()
    task.records |= {"done": progress.done, "reused": progress.reused, "failed": progress.failed}
    if not readable:
        raise InputError(f"None of the {len(members)} videos at {settings.videos} can be read. {reason}")


def _members(task: Task[IngestionSettings], settings: IngestionSettings) -> list[Member]:
    listed = list_videos(settings)
    taken = fingerprints([item.stored for item in listed], task.state.root, settings.buckets)
    problems = {fingerprint.digest: fingerprint.problem for fingerprint in taken}
    files: dict[str, list[Listed]] = {}
    for item, fingerprint in zip(listed, taken, strict=True):
        files.setdefault(fingerprint.digest, []).append(item)
    wanted = set(files)
    if settings.only_new:
        wanted -= seen(task.state.root)
    if settings.shards:
        _refuse_changed(settings, wanted)
        parts = {shard.split("-")[0] for shard in settings.shards}
        wanted = {video_id for video_id in wanted if shard_of(video_id, settings.shard_count) in parts}
    return [Member(video_id, tuple(files[video_id]), problems[video_id]) for video_id in sorted(wanted)]


def _refuse_changed(settings: IngestionSettings, video_ids: Iterable[str]) -> None:
    """What was discovered must still be there: shard ids name their members by content."""
    missing = sorted(set(settings.shards) - set(shard_ids(video_ids, settings.shard_count)))
    if missing:
        raise InputError(
            f"The corpus at {settings.videos} changed since it was discovered (shard {missing[0]}).",
            "Run again once no files are being copied there.",
        )


async def _rows(
    task: Task[IngestionSettings], service: FrameService, member: Member, benchmarks: dict[str, str]
) -> tuple[list[Row], bool]:
    """The rows of one content: the video or its failure, then its copies as rejected; and whether it was known."""
    settings = task.settings
    first = member.files[0]
    try:
        info, reused = await _probe(task, service, member)
    except (VideoError, MissingObject) as error:
        failure = Failure(record_id=member.video_id, stage=STAGE.name, error=type(error).__name__, reason=str(error))
        task.log.warning("quarantined %s: %s", first.stored.uri, error)
        return [failure], False
    reason = _refusal(member, info, benchmarks, settings)
    rows: list[Row] = []
    for position, item in enumerate(member.files):
        refused = reason if position == 0 else "duplicate: the same content is in the corpus under another name"
        rows.append(
            Video(
                video_id=member.video_id,
                uri=item.stored.uri,
                duration_s=info.duration_s,
                fps=info.fps,
                width=info.width,
                height=info.height,
                codec=info.codec,
                rotation=info.rotation,
                size_bytes=info.size_bytes,
                split=split_of(member.video_id, settings.eval_share),
                shard=shard_of(member.video_id, settings.shard_count),
                source=item.source,
                licence=item.licence,
                outcome=Outcome.REJECTED if refused else Outcome.OK,
                reason=refused,
            )
        )
    return rows, reused


def _refusal(member: Member, info: VideoInfo, benchmarks: dict[str, str], settings: IngestionSettings) -> str:
    """Why a readable video may not be used; empty if it may."""
    for entry in (member.video_id, *(item.stem for item in member.files)):
        if entry in benchmarks:
            return f"benchmark: listed in {benchmarks[entry]}"
    if info.duration_s < settings.min_duration_s:
        return f"too short: {info.duration_s:.2f} s, less than {settings.min_duration_s:.2f} s"
    return ""


async def _probe(task: Task[IngestionSettings], service: FrameService, member: Member) -> tuple[VideoInfo, bool]:
    settings = task.settings
    if member.problem:
        raise VideoError(f"{member.files[0].stored.uri}: {member.problem}", "Mend it, or take it out of the corpus.")
    filed = filed_under("components.core.video.worker", settings.video.digest())
    key = f"{filed}/{digest_of(member.video_id, settings.video.limits.model_dump(mode='json'))}"
    if (stored := await task.state.records.get(key)) is not None:
        return VideoInfo.model_validate_json(stored), True
    uri = member.files[0].stored.uri
    with storage_for(uri, settings.buckets).local_path(uri) as path:
        info = await service.probe(path)
    # Failures are not stored: a file may be readable tomorrow, under other limits or by another version.
    await task.state.records.put(key, info.model_dump_json().encode())
    return info, False


STAGE = Stage(name="ingestion", settings=IngestionSettings, inputs=(), tables={TABLE: Video}, run=ingest)
