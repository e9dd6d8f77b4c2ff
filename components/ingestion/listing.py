"""Which videos a folder, a prefix or a manifest names, and which of them stand on a benchmark's list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.core.errors import InputError
from components.core.storage import Storage, StoredObject, is_s3, local, storage_for
from components.core.video.containers import VIDEO_SUFFIXES
from components.ingestion.settings import IngestionSettings

MANIFEST_SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Listed:
    """One file that is taken for a video, by its name."""

    stored: StoredObject
    source: str
    licence: str

    @property
    def stem(self) -> str:
        """The file's name without suffix: the id by which benchmarks list videos."""
        return PurePosixPath(self.stored.uri).stem


def list_videos(settings: IngestionSettings) -> list[Listed]:
    """Every video that `settings.videos` names, in order of URI.

    Raises:
        InputError: nothing is there, nothing there is a video, or a manifest is malformed.
    """
    where = settings.videos
    if not where:
        raise InputError("No videos were named.", "Give a folder, an s3:// prefix or a manifest.")
    storage = storage_for(where, settings.buckets)
    if not is_s3(where):
        # Rows outlive the working directory of the task that wrote them.
        where = str(local(where).absolute())
    if where.endswith(MANIFEST_SUFFIX):
        listed = _from_manifest(where, storage, settings)
    else:
        listed = [
            Listed(stored, settings.source, settings.licence)
            for stored in storage.list(where)
            if PurePosixPath(stored.uri).suffix.lower() in VIDEO_SUFFIXES
        ]
    if not listed:
        known = " ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"There are no videos at {where}.", f"Put files there whose names end in one of: {known}.")
    return sorted(listed, key=lambda item: item.stored.uri)


def benchmark_entries(settings: IngestionSettings) -> dict[str, str]:
    """The benchmark list that names an id or hash, by that id or hash."""
    entries: dict[str, str] = {}
    for uri in settings.benchmarks:
        name = PurePosixPath(uri).stem
        for line in storage_for(uri, settings.buckets).read(uri).decode().splitlines():
            entry = line.split("#")[0].strip()
            if entry:
                entries.setdefault(entry, name)
    return entries


def _from_manifest(uri: str, storage: Storage, settings: IngestionSettings) -> list[Listed]:
    listed: dict[str, Listed] = {}
    for number, line in enumerate(storage.read(uri).decode().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            address = str(entry["uri"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"Line {number} of {uri} is no JSON object with a 'uri'.", 'Write lines such as {"uri": "a.mp4"}.'
            ) from error
        address = _resolve(address, uri)
        source, licence = (str(entry.get(key) or getattr(settings, key)) for key in ("source", "licence"))
        for stored in storage_for(address, settings.buckets).list(address):
            listed[stored.uri] = Listed(stored, source, licence)
    return list(listed.values())


def _resolve(address: str, manifest: str) -> str:
    """An address in a manifest; a relative one is taken from the manifest's folder."""
    if "://" in address or local(address).is_absolute():
        return address
    folder = manifest.rsplit("/", 1)[0] if "/" in manifest else "."
    return f"{folder}/{address}" if is_s3(manifest) else str(local(folder) / address)
