"""What of this machine a task's container must see: the folders that a run reads and writes, under their own paths.

A path means the same inside and outside. So what a setting names is mounted where it lies, and what links or a
manifest of videos lead to is mounted, too, by the folder that holds it: a corpus of links is thousands of files in a
few folders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.core.stores.addresses import local

MANIFEST_SUFFIX = ".jsonl"


def read_by(videos: str, arguments: Mapping[str, str], further: Iterable[str] = ()) -> dict[Path, Path]:
    """The files and folders that tasks read: the place in the container and what is mounted there.

    Args:
        videos: folder, file or manifest; what lies in S3 needs no mount.
        arguments: the pipeline's, JSON; every text in them that is the path of something here counts.
        further: paths that the profile adds.
    """
    named = [videos, *further]
    for text in arguments.values():
        named += _texts(_parsed(text))
    found: dict[Path, Path] = {}
    for place in map(_place, named):
        if place is None:
            continue
        found[place] = place.resolve()
        if place.name.endswith(MANIFEST_SUFFIX):
            for entry in _entries(place):
                found |= _reached(entry, entry.parent)
        found |= _links_below(place)
    return _outermost(found)


def _place(text: str) -> Path | None:
    """The absolute path that a text names, where something is; None for any other text."""
    if "://" in text and not text.startswith("file://"):
        return None
    try:
        path = Path(os.path.normpath(local(text).absolute())) if text and "\n" not in text else None
        return path if path is not None and path.exists() and path != Path("/") else None
    except (OSError, ValueError):  # longer than any path, or with a NUL
        return None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value that may be a path: one without a slash names no more than a word does."""
    if isinstance(value, str):
        if "/" in value:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _entries(manifest: Path) -> Iterator[Path]:
    """What of a manifest lies on this machine; a line that is none is for ingestion to complain of."""
    for line in manifest.read_bytes().decode("utf-8", "surrogateescape").splitlines():
        entry = _parsed(line)
        address = entry.get("uri") if isinstance(entry, Mapping) else None
        if isinstance(address, str) and address and ("://" not in address or address.startswith("file://")):
            yield Path(os.path.normpath((manifest.parent / local(address)).absolute()))


def _links_below(place: Path) -> dict[Path, Path]:
    """The folders that links in a folder lead to, each walked once."""
    found: dict[Path, Path] = {}
    waiting, walked = [place], set[Path]()
    while waiting:
        folder = waiting.pop()
        if folder.resolve() in walked:
            continue
        walked.add(folder.resolve())
        for root, folders, files in os.walk(folder):
            for path in (Path(root, name) for name in (*folders, *files)):
                if path.is_symlink():
                    is_folder = path.is_dir()
                    found |= _reached(path, path if is_folder else path.parent)
                    waiting += [path] if is_folder else []
    return found


def _reached(path: Path, holder: Path) -> dict[Path, Path]:
    """The folder that holds a path, or each folder that a chain of links leads through from there."""
    found: dict[Path, Path] = {holder: holder.resolve()} if holder.exists() else {}
    source = path
    for _ in range(40):  # as many as Linux follows
        if not source.is_symlink():
            break
        link = source.readlink()
        target = Path(os.path.normpath(path.parent / link))
        source = Path(os.path.normpath(source.parent.resolve() / link))
        inside = (target, source) if source.is_dir() else (target.parent, source.parent)
        if inside[1].is_dir():
            found[inside[0]] = inside[1].resolve()
        path = target
    return found


def _outermost(found: Mapping[Path, Path]) -> dict[Path, Path]:
    """Those that no other shows already, in order of place."""
    kept: dict[Path, Path] = {}
    for place, source in sorted(found.items()):
        above = next((upper for upper in place.parents if upper in kept), None)
        if above is None or (kept[above] / place.relative_to(above)).resolve() != source:
            kept[place] = source
    return kept
