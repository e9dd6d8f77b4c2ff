"""Scenes: simple things that follow each other, as a caption tells them or as somebody makes them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from components.core.data.rows import CaptionEvent
from components.core.students.prompting import Prompter
from components.core.traces.scans import event_at
from components.sft.settings import RemixSettings


@dataclass(frozen=True)
class Scene:
    """Things that follow each other, each named by a colour and a shape, or any two words.

    Attributes:
        names: what each event is called, without its article.
        moments: when somebody can look, ascending.
    """

    events: tuple[CaptionEvent, ...]
    names: tuple[str, ...]
    moments: tuple[float, ...]

    @classmethod
    def of(cls, events: Sequence[CaptionEvent], moments: Sequence[float]) -> Scene | None:
        """None where one event shows more than one thing, and where a thing comes back."""
        names = tuple(Prompter.in_style(event.text, "compact") for event in events)
        simple = all(len(name.split()) == 2 and name.replace(" ", "").isalpha() for name in names)
        return cls(tuple(events), names, tuple(moments)) if simple and len(set(names)) == len(names) else None

    def event_of(self, name: str) -> CaptionEvent:
        """The event that shows a thing."""
        return self.events[self.names.index(name)]

    def shown_at(self, time_s: float) -> str:
        """What is on screen; "" outside of every event."""
        event = event_at(self.events, time_s)
        return self.names[self.events.index(event)] if event else ""

    def stretch(self, name: str) -> dict[str, float]:
        """Moments that a trace may look at, seen from the event of a name."""
        event = self.event_of(name)
        inside = [time_s for time_s in self.moments if event.start_s <= time_s < event.end_s]
        before = [time_s for time_s in self.moments if time_s < event.start_s]
        found = {"start": event.start_s, "end": event.end_s}
        return found | ({"last": inside[-1]} if inside else {}) | ({"before": before[-1]} if before else {})


def invent(
    names: Sequence[str], moments: Sequence[float], end_s: float, settings: RemixSettings, rng: Random, video_id: str
) -> list[CaptionEvent]:
    """The events of a made-up clip: some of these things, of few colours or shapes, cut at random moments.

    Args:
        end_s: when it is over.
    """
    colours, shapes = (sorted({name.split()[place] for name in names}) for place in (0, 1))
    palette = set(rng.sample(colours, min(len(colours), rng.choice(settings.palettes))))
    outlines = set(rng.sample(shapes, min(len(shapes), rng.choice(settings.shapes))))
    of_palette = sorted(name for name in names if name.split()[0] in palette)
    things = [name for name in of_palette if name.split()[1] in outlines]
    fewest, most = settings.events
    things = things if len(things) >= fewest else of_palette  # where not every colour comes in every shape
    count = min(rng.randint(fewest, most), len(things), len(moments))
    cuts = [0, *sorted(rng.sample(range(1, len(moments)), count - 1)), len(moments)]
    ends = [*moments, end_s]
    return [
        CaptionEvent(
            event_id=f"{video_id}-{first}",
            video_id=video_id,
            segment_id="",
            start_s=0.0 if first == 0 else ends[first],
            end_s=ends[end],
            text=thing,
        )
        for thing, first, end in zip(rng.sample(things, count), cuts, cuts[1:], strict=False)
    ]
