"""What really happens in a sandbox video, and the words for it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

Pair = tuple[str, str]
"""Colour and shape."""

_PAIR = r"(red|green|blue|yellow|purple|white) (circle|square|triangle|cross)"
_NAMED = re.compile(rf"\b{_PAIR}(?: moves (left|right|up|down))?")


def named(text: str) -> dict[Pair, str]:
    """The shapes a text names, each with the direction it is said to move in ("" for none)."""
    return {(colour, shape): motion for colour, shape, motion in _NAMED.findall(text.lower())}


@dataclass(frozen=True)
class TrueEvent:
    """A stretch in which the same shapes are visible, and how each moves ("" for not at all)."""

    start_s: float
    end_s: float
    things: dict[Pair, str]


@dataclass(frozen=True)
class TrueVideo:
    """The ground truth of one video."""

    file: str
    kind: str
    duration_s: float
    events: tuple[TrueEvent, ...]
    cuts_s: tuple[float, ...] = ()

    def at(self, time_s: float) -> TrueEvent:
        """The event on screen at a time; the last one at the very end."""
        return next((event for event in self.events if event.start_s <= time_s < event.end_s), self.events[-1])

    def near(self, time_s: float, within_s: float) -> list[TrueEvent]:
        """All events on screen at some time within `within_s` of a time."""
        return [e for e in self.events if e.start_s <= time_s + within_s and e.end_s > time_s - within_s]

    def runs(self, *pairs: Pair) -> list[tuple[float, float]]:
        """The unbroken stretches in which all of the given shapes are visible."""
        found: list[tuple[float, float]] = []
        for event in self.events:
            if not all(pair in event.things for pair in pairs):
                continue
            if found and found[-1][1] == event.start_s:
                found[-1] = (found[-1][0], event.end_s)
            else:
                found.append((event.start_s, event.end_s))
        return found

    def moves(self, pair: Pair, motion: str) -> list[tuple[float, float]]:
        """The unbroken stretches in which the shape moves that way."""
        moving = tuple(event for event in self.events if event.things.get(pair) == motion)
        return replace(self, events=moving).runs(pair)

    def pairs(self) -> set[Pair]:
        """Every shape that is shown."""
        return {pair for event in self.events for pair in event.things}


class Truth:
    """The truth folder, by file name. A copy shows what its original shows."""

    def __init__(self, folder: Path) -> None:
        self._entries: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")):
            entry = json.loads(path.read_text())
            self._entries[entry["file"]] = entry
        if not self._entries:
            raise FileNotFoundError(f"{folder} holds no ground truth; `rewatch corpus` writes it")

    def of(self, uri: str) -> TrueVideo | None:
        """The truth of the video at an address; None for a video that is not of the sandbox."""
        entry = self._entries.get(Path(uri).name)
        if entry is not None and entry.get("fault") == "duplicate":
            entry = self._entries[entry["whole"]]
        if entry is None or "events" not in entry:
            return None
        events = tuple(
            TrueEvent(e["start_s"], e["end_s"], {(t["colour"], t["shape"]): t["motion"] for t in e["things"]})
            for e in entry["events"]
        )
        return TrueVideo(entry["file"], entry["kind"], entry["duration_s"], events, tuple(entry["cuts_s"]))

    def broken(self) -> set[str]:
        """Names of the files that must be in quarantine."""
        return {
            name for name, entry in self._entries.items() if entry["kind"] == "broken" and entry["fault"] != "duplicate"
        }

    def kinds(self) -> dict[str, int]:
        """How many readable videos there are of each kind."""
        kinds = [entry["kind"] for entry in self._entries.values() if entry["kind"] != "broken"]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
