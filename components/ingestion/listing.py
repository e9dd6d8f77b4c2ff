"""Which videos a folder, a prefix or a manifest names, and which of them stand on a benchmark's list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from components.core.errors import InputError, MissingObject
from components.core.stores.addresses import address_of, local
from components.core.stores.files import Storage, StoredObject, is_s3, storage_for
from components.core.video.containers import VIDEO_SUFFIXES
from components.ingestion.settings import IngestionSettings, as_of_seconds

MANIFEST_SUFFIX = ".jsonl"
_COMMENT = re.compile(r"(?:^|\s)#")
"""A name may hold the sign too: `clip#1` is an entry of a benchmark's list."""


@dataclass(frozen=True)
class Listed:
    """One file that is taken for a video, by its name."""

    stored: StoredObject
    source: str
    licence: str

    @property
    def stem(self) -> str:
        """The file's name without suffix: the id by which benchmarks list videos."""
        uri = self.stored.uri
        return PurePosixPath(uri if is_s3(uri) else local(uri)).stem


def list_videos(settings: IngestionSettings) -> list[Listed]:
    """Every video that `settings.videos` names, in order of URI; what cannot be read is among them, with its problem.

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
        found = (stored for stored in storage.list(where) if _may_be_video(stored))
        listed = [Listed(stored, settings.source, settings.licence) for stored in found]
    listed = [item for item in listed if item.stored.written_s <= as_of_seconds(settings.as_of)]
    if not listed and settings.as_of:
        raise InputError(f"There were no videos at {where} by {settings.as_of}.", "Give a later time, or none.")
    if not listed:
        known = " ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"There are no videos at {where}.", f"Put files there whose names end in one of: {known}.")
    return sorted(listed, key=lambda item: item.stored.uri)


def benchmark_entries(settings: IngestionSettings) -> dict[str, str]:
    """The benchmark list that names an id or hash, by that id or hash."""
    entries: dict[str, str] = {}
    for uri in settings.benchmarks:
        name = PurePosixPath(uri).stem
        for line in _lines(storage_for(uri, settings.buckets), uri):
            entry = _COMMENT.split(line, maxsplit=1)[0].strip()
            if entry:
                entries.setdefault(entry, name)
    return entries


def _may_be_video(stored: StoredObject) -> bool:
    """By its name; a folder that cannot be listed may hold some."""
    return PurePosixPath(stored.uri).suffix.lower() in VIDEO_SUFFIXES or stored.uri.endswith("/")


def _from_manifest(uri: str, storage: Storage, settings: IngestionSettings) -> list[Listed]:
    listed: dict[str, Listed] = {}
    for number, line in enumerate(_lines(storage, uri), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            address = entry["uri"]
            if not (isinstance(address, str) and address):
                raise ValueError("no address")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"Line {number} of {uri} is no JSON object with a 'uri'.", 'Write lines such as {"uri": "a.mp4"}.'
            ) from error
        source, licence = (str(entry.get(key) or getattr(settings, key)) for key in ("source", "licence"))
        for stored in _named(_resolve(address, uri), settings):
            listed[stored.uri] = Listed(stored, source, licence)
    return list(listed.values())


def _named(address: str, settings: IngestionSettings) -> Iterator[StoredObject]:
    """The file that a manifest names, whatever its name, or the videos of the folder; nothing there is one problem."""
    found: list[StoredObject] = []
    problem = f"Nothing is there, and the manifest {PurePosixPath(settings.videos).name} names it."
    try:
        found = list(storage_for(address, settings.buckets).list(address))
    except MissingObject as error:
        problem = error.what
    if not found:
        yield StoredObject(address.encode("utf-8", "backslashreplace").decode(), 0, "", problem)
    else:
        itself = address if is_s3(address) else address_of(local(address))
        yield from (stored for stored in found if stored.uri == itself or _may_be_video(stored))


def _lines(storage: Storage, uri: str) -> list[str]:
    """The lines of a text; bytes that are no UTF-8 stand for themselves, as in names of files."""
    return storage.read(uri).decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n").split("\n")


def _resolve(address: str, manifest: str) -> str:
    """An address in a manifest; a relative one is taken from the manifest's folder."""
    if "://" in address or local(address).is_absolute():
        return address
    folder = manifest.rsplit("/", 1)[0] if "/" in manifest else "."
    return f"{folder}/{address}" if is_s3(manifest) else str(local(folder) / address)
