"""What a trace has at hand as it goes: what its question names, and what was found and seen since.

A *role* names a thing without saying which: the thing asked about, the later of two, what the last look showed. So an
action is a template, `find {thing}` or `look at {later.start}`: read off one trace, written anew in another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

from components.core.traces.scans import Scan, scan
from components.core.traces.timecodes import render, render_span, times_in
from components.sft.scenes import Scene

NAMED = re.compile(r"{([^}]+)}")
"""What a template names."""


@dataclass
class Course:
    """What a trace has at hand: what its question names, and what was found and seen since.

    Attributes:
        things: by role: `thing`, or of two `first` and `second` as named and `earlier` and `later` as they come;
            `seen` at the last look; `found 1`, `found 2` and on of a search for several.
        times, words: that the question names.
        found: how many things the last search for several found.
    """

    scene: Scene
    things: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    found: int = 0

    @classmethod
    def about(cls, scene: Scene, things: Sequence[str], times: Sequence[float], words: Sequence[str]) -> Course:
        if len(things) == 2:
            earlier, later = sorted(things, key=scene.names.index)
            named = {"first": things[0], "second": things[1], "earlier": earlier, "later": later}
        else:
            named = dict(zip(["thing"], things, strict=False))
        times_by_role = dict(zip(["time"], times, strict=False))
        return cls(scene, named, times_by_role, dict(zip(["word"], words, strict=False)))

    def moments(self) -> dict[str, float]:
        stretches = ((role, self.scene.stretch(name)) for role, name in self.things.items())
        return self.times | {f"{role}.{end}": at for role, ends in stretches for end, at in ends.items()}

    def written(self, template: str) -> str:
        """A template with what it names; raises KeyError for what there is not."""
        return NAMED.sub(lambda match: self._value(match[1]), template)

    def _value(self, name: str) -> str:
        role, _, end = name.partition(".")
        if end:
            return render(self.scene.stretch(self.things[role])[end])
        return render(self.times[role]) if role in self.times else {**self.things, **self.words}[role]

    def templates(self, action: str) -> list[str]:
        """Every template that an action may have been written from."""
        what = action.removeprefix("find ")
        if what in self.things.values():
            return [f"find {{{role}}}" for role, name in self.things.items() if name == what]
        for role, word in self.words.items():
            action = re.sub(rf"\b{word}\b", f"{{{role}}}", action)
        times = [render(time_s) for time_s in times_in(action)]
        if len(times) != 1:
            return [action] if not times else []
        return [
            action.replace(times[0], f"{{{name}}}") for name, at in self.moments().items() if render(at) == times[0]
        ]

    def sought(self, template: str) -> list[str] | None:
        """Names of what a search finds: a thing, all of a colour, all before a moment, all there is."""
        named = NAMED.findall(template)
        if not named:
            return list(self.scene.names)
        if named[0] in self.things:
            return [self.things[named[0]]]
        if named[0] in self.words:
            return [name for name in self.scene.names if self.words[named[0]] in name.split()]
        before = self.moments().get(named[0])
        if before is None:
            return None
        return [name for name in self.scene.names if self.scene.event_of(name).start_s < before]

    def seek(self, template: str) -> Callable[[], Scan | None] | None:
        """A search: what it found is at hand from then on, and how it is told, for whom that is worth its time (None
        where it cannot be); None where it finds nothing."""
        names = self.sought(template)
        if not names:
            return None
        is_one_thing = names == [self.things.get(template.removeprefix("find {").removesuffix("}"))]
        stretches = [[self.scene.event_of(name).event_id] for name in names]
        if not is_one_thing:
            self.things |= {f"found {number}": name for number, name in enumerate(names, 1)}
            self.found = len(names)
        return partial(scan, self.scene.events, stretches, self.scene.moments, counts=not is_one_thing)

    def look(self, time_s: float) -> str:
        """What a look shows, which is at hand from then on."""
        shown = self.scene.shown_at(time_s)
        if shown:
            self.things["seen"] = shown
        return shown

    def facts(self) -> dict[str, str]:
        """What could be an answer."""
        facts = {"count": str(self.found)} if self.found else {}
        if shown := self.things.get("seen"):
            facts |= {"shown": shown, "word 1": shown.split()[0], "word 2": shown.split()[1]}
        for role, name in self.things.items():
            if role != "seen":
                event = self.scene.event_of(name)
                facts |= {
                    f"{role}.start": render(event.start_s),
                    f"{role}.span": render_span(event.start_s, event.end_s),
                    f"{role}.length": f"{round(event.end_s - event.start_s, 2):g}",
                }
        return facts


def search_for_several(template: str, scene: Scene, rng: Random) -> tuple[str, Scan] | None:
    """A search for all of a colour, or for all that came before a thing, and what it tells; None where it finds
    nothing, or nothing that could be told."""
    words = sorted({name.split()[0] for name in scene.names})
    course = Course(scene, {"thing": rng.choice(scene.names)}, words={"word": rng.choice(words)})
    action, found = course.written(template), course.seek(template)
    told = found() if found is not None else None
    return (action, told) if told is not None else None
