"""Removes a video and all that was made of it: stored replies, records, datasets, models.

Rows say which video they are about and which stored calls they came from; manifests say what a dataset or model was
made from. So what must go is found, not listed: records that name the video and the calls they name, datasets on this
machine that hold its rows, and whatever was made from those, models among them. The file itself is its owner's.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.data.manifest import MANIFEST_NAME, read_manifest
from components.core.errors import DatasetError, InputError
from components.core.stores.files import is_s3
from components.core.stores.keyvalue import PAGE, KeyValue, open_key_value
from components.core.stores.watermark import forget_content

VIDEO_ID = re.compile("[0-9a-f]{64}")
FRAMES = "frames"
READERS = 32
"""Records read from S3 at once."""


@dataclass
class Traces:
    """What there is of a video."""

    records: list[str] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)
    datasets: list[Path] = field(default_factory=list)
    models: list[Path] = field(default_factory=list)
    addresses: int = 0
    """Files whose content it is known to be."""


def forget(state_root: str, video_id: str, runs: Path | None, free: bool) -> Traces:
    """Find what was made of a video, and with `free` remove it.

    Args:
        state_root: a folder or an `s3://` prefix.
        runs: folder of this machine's runs; None where they lie on a cluster.

    Raises:
        InputError: that is no id of a video, or the state cannot be read or written.
    """
    if not VIDEO_ID.fullmatch(video_id):
        raise InputError(f"{video_id!r} is no id of a video.", "It is the sha256 of its file, in 64 hex digits.")
    if not is_s3(state_root) and not Path(state_root).is_dir():
        raise InputError(f"There is no state at {state_root}.", "Give --runs, or the profile of the runs.")
    traces = asyncio.run(_in_state(state_root, video_id, free))
    made = list(_made_from(video_id, runs)) if runs else []
    traces.models = [path for path in made if not any(path.rglob("*.parquet"))]
    traces.datasets = [path for path in made if path not in traces.models]
    traces.addresses = forget_content(state_root, video_id, free)
    if free:
        for path in made:
            shutil.rmtree(path)
        if not is_s3(state_root):  # pixels, under keys that do not tell whose
            shutil.rmtree(Path(state_root) / FRAMES, ignore_errors=True)
    return traces


async def _in_state(root: str, video_id: str, free: bool) -> Traces:
    records, calls = open_key_value(root, "records"), open_key_value(root, "calls")
    traces, needle = Traces(), video_id.encode()

    async def look(key: str) -> None:
        value = await records.get(key)
        if value and needle in value:
            traces.records.append(key)
            traces.calls.update(_request_keys(json.loads(value)))

    try:
        waiting: list[str] = []
        async for entry in records.entries():
            waiting.append(entry.key)
            if len(waiting) == READERS:
                await asyncio.gather(*map(look, waiting))
                waiting.clear()
        await asyncio.gather(*map(look, waiting))
        if free:
            await _delete(calls, sorted(traces.calls))
            await _delete(records, traces.records)
    finally:
        records.close()
        calls.close()
    return traces


async def _delete(store: KeyValue, keys: list[str]) -> None:
    for start in range(0, len(keys), PAGE):
        await store.delete(*keys[start : start + PAGE])
    if keys:
        await store.reclaim()


def _request_keys(value: Any) -> Iterator[str]:
    """Every key of a stored call that rows name, wherever in them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "request_keys":
                yield from map(str, inner or ())
            else:
                yield from _request_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _request_keys(inner)


def _made_from(video_id: str, runs: Path) -> Iterator[Path]:
    """Datasets that hold rows of the video, and datasets and models that were made from one of these, by anyone."""
    found: dict[Path, Any] = {}
    for path in sorted(runs.glob(f"*/artifacts/**/{MANIFEST_NAME}")):
        try:
            found[path.parent] = read_manifest(path.parent)
        except DatasetError:
            continue
    gone = {folder for folder in found if _holds(folder, video_id)}
    digests = {found[folder].digest for folder in gone}
    while True:
        more = {
            folder
            for folder, manifest in found.items()
            if folder not in gone and any(source.digest in digests for source in manifest.upstream)
        }
        if not more:
            break
        gone |= more
        digests |= {found[folder].digest for folder in more}
    yield from sorted(gone)


def _holds(folder: Path, video_id: str) -> bool:
    """Whether a table of the dataset has a row about the video."""
    from pyarrow import compute, parquet

    for path in folder.rglob("*.parquet"):
        if "video_id" in parquet.read_schema(path).names:
            column = parquet.read_table(path, columns=["video_id"])["video_id"]
            if compute.any(compute.equal(column, video_id)).as_py():
                return True
    return False
