"""A search written as a scan: what each second shows and whether it is what was sought, and what follows from that.

    find purple cross     00:00 white circle no 00:01 purple cross yes 00:02 purple cross yes 00:03 yellow circle no.
                          00:01-00:03
    find white shapes     00:00 white circle 1 00:01 white cross 2 00:02 white cross 2 00:03 red circle no. 2

Whoever is told a span at once has to find it in the video in one go: a comparison of two words at once, with a time to
carry along, which a small student never learned. A scan takes it apart into looks, and a comparison of words that stand
side by side (sft/README.md). A search for one thing runs from the start to the first moment after the last yes, and
tells from when to when. One for several runs to the end, numbers what it finds, and tells how many they are. What a
scan says is the caption's: the verdict of a moment is whether the event on screen is one that the search's own step
cites.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.traces import timecodes

if TYPE_CHECKING:
    from components.core.data.rows import CaptionEvent, Step, Trajectory

YES, NO = "yes", "no"
_TIME = r"\d{1,4}:[0-5]\d(?:\.\d)?"
_SPAN = rf"{_TIME}-{_TIME}"
_WHOLE = re.compile(rf"(?P<entries>{_TIME} .*) ?\. (?P<result>{_SPAN}|\d+)", re.DOTALL)
_ENTRY = re.compile(rf"({_TIME}) (.+?) ({YES}|{NO}|\d+)(?= {_TIME} |$)", re.DOTALL)
_TOLD = re.compile(rf"({_SPAN})([^;]*)(?:; |$)")


@dataclass(frozen=True)
class Entry:
    """A moment of a scan: what is shown, and which of the things sought it is, 1 for the first and 0 for none."""

    time_s: float
    text: str
    number: int


@dataclass(frozen=True)
class Scan:
    """Moments in order of time, and the stretches of what was sought, each from when to when.

    Attributes:
        counts: whether several things were sought, and are numbered.
    """

    entries: tuple[Entry, ...]
    spans: tuple[tuple[float, float], ...]
    counts: bool = False

    def __str__(self) -> str:
        told = (f"{timecodes.render(entry.time_s)} {entry.text} {self.verdict(entry)}" for entry in self.entries)
        return f"{' '.join(told)}. {self.result}"

    @property
    def result(self) -> str:
        """What it ends with."""
        return str(len(self.spans)) if self.counts else timecodes.render_span(*self.spans[0])

    @property
    def found(self) -> list[str]:
        """What each stretch shows, by the first of its moments; "" where none is in it."""
        numbers = range(1, len(self.spans) + 1)
        return [next((entry.text for entry in self.entries if entry.number == number), "") for number in numbers]

    def verdict(self, entry: Entry) -> str:
        """What is said of an entry."""
        return NO if not entry.number else str(entry.number) if self.counts else YES


def event_at(events: Sequence[CaptionEvent], time_s: float) -> CaptionEvent | None:
    """The event on screen at a time."""
    return next((event for event in events if event.start_s <= time_s < event.end_s), None)


def scan(
    events: Sequence[CaptionEvent],
    stretches: Sequence[Collection[str]],
    moments: Sequence[float],
    *,
    counts: bool = False,
) -> Scan | None:
    """The search for some events.

    Args:
        events: of the whole video, in order of time.
        stretches: ids of the events sought, those of each unbroken stretch.
        moments: the times in seconds at which somebody can look, ascending.
        counts: several things are sought: who searches cannot know that none will come, and goes on to the end.

    Returns:
        None where no moment shows a stretch, where its events come and go (one span would say more than was seen),
        where stretches are not in order of time, and where two moments are one timecode.
    """
    shown = [(time_s, event) for time_s in moments if (event := event_at(events, time_s)) is not None]
    timecoded = {timecodes.render(time_s) for time_s, _ in shown}
    if not stretches or (len(stretches) > 1 and not counts) or len(timecoded) < len(shown):
        return None
    spans, numbers = [], dict[int, int]()
    for number, stretch in enumerate(stretches, 1):
        places = [place for place, (_, event) in enumerate(shown) if event.event_id in stretch]
        if not places or places[-1] - places[0] >= len(places):
            return None
        behind = shown[places[-1] + 1][0] if places[-1] + 1 < len(shown) else shown[places[-1]][1].end_s
        spans.append((shown[places[0]][0], behind))
        numbers |= dict.fromkeys(places, number)
    entries = [Entry(time_s, event.text, numbers.get(place, 0)) for place, (time_s, event) in enumerate(shown)]
    if spans != sorted(spans):
        return None
    return Scan(tuple(entries if counts else entries[: max(numbers) + 2]), tuple(spans), counts)


def parse(text: str) -> Scan:
    """Read what `str` of a scan wrote.

    Raises:
        ValueError: it is not a scan and nothing else.
    """
    whole = _WHOLE.fullmatch(text.strip())
    told = _ENTRY.findall(whole["entries"]) if whole else []
    if whole is None or " ".join(" ".join(entry) for entry in told) != whole["entries"]:
        raise ValueError(f"not a scan: {text!r}")
    result, verdicts = whole["result"], [verdict for _, _, verdict in told]
    counts = result.isdigit()
    numbers = [int(verdict) if verdict.isdigit() else int(verdict == YES) for verdict in verdicts]
    read = zip(told, numbers, strict=True)
    entries = tuple(Entry(timecodes.parse(time), said, number) for (time, said, _), number in read)
    spans = _numbered(entries) if counts else (timecodes.parse_span(result),)
    mixed = any(verdict.isdigit() != counts for verdict in verdicts if verdict != NO)
    if mixed or (counts and len(spans) != int(result)):
        raise ValueError(f"not a scan: {text!r}")
    return Scan(entries, spans, counts)


def _numbered(entries: Sequence[Entry]) -> tuple[tuple[float, float], ...]:
    """From when to when each number was seen; the last moment lasts as long as the one before it."""
    times = [entry.time_s for entry in entries]
    ends = [*times[1:], times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0)]
    places = [[p for p, entry in enumerate(entries) if entry.number == n] for n in range(1, len(entries) + 1)]
    return tuple((times[seen[0]], ends[seen[-1]]) for seen in places if seen)


def scanned(trajectory: Trajectory, events: Sequence[CaptionEvent], moments: Sequence[float]) -> str:
    """The trajectory's text with every search written as a scan; what cannot be one stays."""
    text = trajectory.text
    for step in trajectory.steps:
        written = scan_of(step, events, moments)
        if written is not None:
            told, seen = (f"<observation>{said}</observation>" for said in (step.observation, written))
            text = text.replace(told, seen, 1)
    return text


def scan_of(step: Step, events: Sequence[CaptionEvent], moments: Sequence[float]) -> Scan | None:
    """The step of a trajectory as a scan; None where it is no search, or tells what a scan cannot."""
    told = _TOLD.findall(step.observation) if step.action == "segment_retrieval" else []
    if "; ".join(f"{span}{said}" for span, said in told) != step.observation:
        return None
    cited = [event for event in events if event.event_id in step.event_ids]
    stretches = []
    for span, _ in told:
        start_s, end_s = timecodes.parse_span(span)
        within = (event for event in cited if start_s < (event.start_s + event.end_s) / 2 < end_s)
        stretches.append([event.event_id for event in within])
    is_one_thing = len(told) == 1 and told[0][1].strip() == step.argument
    return scan(events, stretches, moments, counts=not is_one_thing)
