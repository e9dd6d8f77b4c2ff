"""What is stored for later runs, how much of it today's code would look for, and freeing the rest.

Records, measurements on frames and checkpoints lie at addresses that name the module that made them and the digests of
its code and settings. What names another digest than the module has today is reached by no run of this checkout, in
this environment. A stored reply is found by what is asked, so that none can be called out of reach: replies are freed
by age, and only on demand.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.core.data.identity import work_identity
from components.core.engine.terminal import say
from components.core.errors import InputError
from components.core.processes import is_held
from components.core.stores.files import is_s3
from components.core.stores.keyvalue import PAGE, Entry, S3KeyValue, open_key_value
from components.core.video.readings import measurement

if TYPE_CHECKING:
    from pipelines.launch.local.folders import RunsRoot
    from pipelines.profile import Profile

STORES = ("records", "readings", "checkpoints", "calls")
DAY_S = 86_400.0


@dataclass
class Tally:
    """Entries and their bytes."""

    entries: int = 0
    size_bytes: int = 0

    def add(self, entry: Entry) -> None:
        """Count one more."""
        self.entries, self.size_bytes = self.entries + 1, self.size_bytes + entry.size_bytes

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.entries + other.entries, self.size_bytes + other.size_bytes)

    def __str__(self) -> str:
        return f"{self.entries:>9,} ({self.size_bytes / 1e6:>9,.1f} MB)"


@dataclass
class Survey:
    """What a store holds, by who made it."""

    kept: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    freed: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """What is out of reach, or older than asked for: freed, or to be freed."""


class Store(Protocol):
    """The part of a store that is needed here."""

    def entries(self) -> AsyncIterator[Entry]: ...

    async def delete(self, *keys: str) -> None: ...

    async def reclaim(self) -> None: ...

    def close(self) -> None: ...


def look_after(
    runs: RunsRoot, state: str, settings: frozenset[str] | None, free: bool, calls_older_than_days: float | None
) -> None:
    """Show, and with `free` prune, the state at an address, or that of a runs folder; see `survey`.

    Raises:
        InputError: also if a launcher holds the runs folder: its run may be about to look for what would go.
    """
    if free and not state and is_held(runs.path / ".lock"):
        raise InputError(f"A run is using {runs.path}.", "Wait for it to end, or end it.")
    tell(survey(state or str(runs.state), settings, free, calls_older_than_days), free)


def survey(
    root: str, settings: frozenset[str] | None = None, free: bool = False, calls_older_than_days: float | None = None
) -> dict[str, Survey]:
    """Count what a state root holds, store by store, and free what is out of reach.

    Args:
        root: a folder or an `s3://` prefix.
        settings: digests, 16 digits, of the only settings that count as reached; None: any.
        free: delete what is counted in `freed`.
        calls_older_than_days: count replies written before that as freed; None: no reply.

    Raises:
        InputError: there is nothing at `root`, or it cannot be read or written.
    """
    if not is_s3(root) and not Path(root).is_dir():
        raise InputError(f"There is no state at {root}.", "Run the pipeline first, or give --runs or --state.")

    def stays(store: str, entry: Entry) -> bool:
        if store == "calls":
            return calls_older_than_days is None or entry.written_s >= time.time() - DAY_S * calls_older_than_days
        return is_reached(store, entry.key, settings)

    async def walk_all() -> dict[str, Survey]:
        return {name: await _walk(name, store, stays, free) for name, store in _stores(root)}

    return asyncio.run(walk_all())


def is_reached(store: str, address: str, settings: frozenset[str] | None = None) -> bool:
    """Whether today's code would look at an address, under any settings or one of `settings`."""
    parts = address.split("/")
    if len(parts) < 3:
        return False
    code, _, digest = parts[1].partition("-")
    try:
        if store == "readings":
            return "/".join(parts[:2]) == measurement(*parts[0].rpartition(".")[::2])
        return code == work_identity(parts[0]).digest[:16] and (settings is None or digest in settings)
    except ModuleNotFoundError:
        return False


def settings_of(profile: Profile) -> frozenset[str]:
    """The settings that a profile's tasks file their results under."""
    found = set()
    for name, section in profile.stages.items():
        found |= {section.digest(), *(part.digest() for part in section.arguments(name).values())}
        if without_length := getattr(section, "without_length", None):
            found.add(without_length().digest())
        if video := getattr(section, "video", None):
            found.add(video.digest())
    return frozenset(digest[:16] for digest in found)


def tell(found: dict[str, Survey], freed: bool) -> None:
    """Print a survey, a line for each store and maker, and what to do next."""
    there, gone = Tally(), Tally()
    for store, one in found.items():
        for name in sorted(one.kept.keys() | one.freed.keys()):
            kept, out = one.kept.get(name, Tally()), one.freed.get(name, Tally())
            say(f"{store:<12}{name:<46}{kept}   {'freed' if freed else 'out of reach'} {out}")
            there, gone = there + kept, gone + out
    say(f"{'in all':<58}{there}   {'freed' if freed else 'out of reach'} {gone}")
    if gone.entries and not freed:
        say("next: `rewatch cache prune --yes` and the same options free what is out of reach of this checkout here")


async def _walk(name: str, store: Store, stays: Callable[[str, Entry], bool], free: bool) -> Survey:
    found, waiting = Survey(), list[str]()
    try:
        async for entry in store.entries():
            maker = "replies" if name == "calls" else entry.key.partition("/")[0]
            if stays(name, entry):
                found.kept[maker].add(entry)
                continue
            found.freed[maker].add(entry)
            waiting.append(entry.key)
            if len(waiting) == PAGE:
                if free:
                    await store.delete(*waiting)
                waiting.clear()
        if free and waiting:
            await store.delete(*waiting)
        if free and found.freed:
            await store.reclaim()
    finally:
        store.close()
    return found


def _stores(root: str) -> Iterator[tuple[str, Store]]:
    for name in STORES:
        if is_s3(root):
            yield name, S3KeyValue(f"{root.rstrip('/')}/{name}")
        elif name == "checkpoints":
            yield name, _Files(Path(root) / name)
        elif (Path(root) / f"{name}.sqlite").exists():
            yield name, open_key_value(root, name)


class _Files:
    """The files below a folder as a store whose keys are their paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def entries(self) -> AsyncIterator[Entry]:
        for path in self._folder.rglob("*"):
            if path.is_file():
                status = path.stat()
                yield Entry(path.relative_to(self._folder).as_posix(), status.st_size, status.st_mtime)

    async def delete(self, *keys: str) -> None:
        for key in keys:
            (self._folder / key).unlink(missing_ok=True)

    async def reclaim(self) -> None:
        for folder in sorted((path for path in self._folder.rglob("*") if path.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()

    def close(self) -> None:
        pass
