"""Questions about a scene that no teacher was asked about, in the words and by the looks of those that a teacher wrote.

A clip that was put together from others (remixing.py) has a caption, but no questions. What a question of a kind is, is
read off the trajectories there are: which words name the thing or the time that it is about, at which moments of that
thing's stretch its trace looks, and which of the facts is its answer. "What appears right after the red cross?" with a
search for the red cross, a look at its end and what is seen there for an answer becomes the same about any other thing.
A kind of which one reading does not explain nearly every trajectory is left out: it is not understood.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from components.core.data.rows import CaptionEvent, Question, Trajectory
from components.core.students.prompting import Prompter
from components.core.traces.scans import event_at, scan
from components.core.traces.timecodes import parse, render, render_span, times_in

FEWEST, AGREEING = 8, 0.95
"""Trajectories of a kind that are needed, and the share of them that its reading must explain."""
TIME, THING = "{time}", "{thing}"


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

    def shown_at(self, time_s: float) -> str:
        """What is on screen; "" outside of every event."""
        event = event_at(self.events, time_s)
        return self.names[self.events.index(event)] if event else ""

    def stretch(self, name: str) -> dict[str, float]:
        """Moments that a trace may look at, seen from the event of a name."""
        event = self.events[self.names.index(name)]
        inside = [time_s for time_s in self.moments if event.start_s <= time_s < event.end_s]
        before = [time_s for time_s in self.moments if time_s < event.start_s]
        found = {"start": event.start_s, "end": event.end_s}
        return found | ({"last": inside[-1]} if inside else {}) | ({"before": before[-1]} if before else {})


@dataclass(frozen=True)
class Case:
    """A kind of question, and where the thing it is about stands: its looks may differ there.

    Attributes:
        place: whether it is the first event, the last one, and seen at a single moment.
    """

    phrase: str
    options: int
    place: tuple[bool, bool, bool] = (False, False, False)


@dataclass(frozen=True)
class Reading:
    """The looks behind a search, and the answer, by names of moments and facts; what answers were to choose from."""

    looks: tuple[str, ...]
    answer: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Staged:
    """A question as the student is asked it, its answer, and the trace that finds it."""

    question: str
    options: tuple[str, ...]
    answer: str
    trace: str


Kinds = Mapping[str, Mapping[Case, Reading]]
"""Readings by phrase and case."""


def learn_kinds(told: Iterable[tuple[Scene, Question, Trajectory]]) -> Kinds:
    """What kinds of question there are, from those that were asked about simple scenes."""
    readings: dict[Case, Counter[tuple[tuple[str, ...], str]]] = defaultdict(Counter)
    seen: Counter[Case] = Counter()
    choices: dict[Case, Counter[str]] = defaultdict(Counter)
    for scene, question, trajectory in told:
        case, about = _case_of(scene, question)
        if case is None:
            continue
        seen[case] += 1
        choices[case].update(question.options)
        readings[case].update(_readings(scene, about, trajectory))
    kinds: dict[str, dict[Case, Reading]] = defaultdict(dict)
    for case, count in sorted(seen.items(), key=str):
        found = readings[case].most_common(1)
        if count >= FEWEST and found and found[0][1] >= AGREEING * count:
            looks, answer = found[0][0]
            kinds[case.phrase][case] = Reading(looks, answer, tuple(sorted(choices[case])))
    return kinds


def phrase_of(scene: Scene, question: Question) -> str:
    """The kind of a question as its phrase; "" where it names no thing and no time of the scene, or several."""
    case, _ = _case_of(scene, question)
    return case.phrase if case else ""


def restage(kinds: Kinds, scene: Scene, phrase: str, rng: Random) -> Staged | None:
    """A question of a kind about a scene; None where the scene allows none."""
    abouts = [render(time_s) for time_s in scene.moments] if TIME in phrase else list(scene.names)
    for about in rng.sample(abouts, len(abouts)):
        cases = [case for case in kinds[phrase] if case.place == _place(scene, phrase, about)]
        if cases:
            case = rng.choice(cases)
            made = _stage(scene, about, case, kinds[phrase][case], rng)
            if made is not None:
                return made
    return None


def _stage(scene: Scene, about: str, case: Case, reading: Reading, rng: Random) -> Staged | None:
    moments = _moments(scene, about)
    if any(look not in moments or not scene.shown_at(moments[look]) for look in reading.looks):
        return None
    answer = _facts(scene, about, reading.looks).get(reading.answer, "")
    others = [choice for choice in reading.choices if choice != answer]
    if not answer or len(others) < case.options - 1:
        return None
    options = [answer, *rng.sample(others, max(0, case.options - 1))]
    rng.shuffle(options)
    trace = ""
    if THING in case.phrase:
        event = scene.events[scene.names.index(about)]
        found = scan(scene.events, {event.event_id}, scene.moments)
        if found is None:
            return None
        trace = f"<action>find {about}</action><observation>{found}</observation>"
    for look in reading.looks:
        time_s = moments[look]
        seen = f"{render(time_s)} {scene.shown_at(time_s)}"
        trace += f"<action>look at {render(time_s)}</action><observation>{seen}</observation>"
    question = case.phrase.replace(TIME, about).replace(THING, about)
    return Staged(question, tuple(options), answer, f"{trace}<answer>{answer}</answer>")


def _case_of(scene: Scene, question: Question) -> tuple[Case | None, str]:
    """The case of a question, and the thing or the time that it is about."""
    text = Prompter.in_style(question.question, "compact")
    named = [name for name in scene.names if name in text]
    times = [render(time_s) for time_s in times_in(text)]
    if len(named) + len(times) != 1:
        return None, ""
    about = (named or times)[0]
    phrase = text.replace(about, THING if named else TIME)
    return Case(phrase, len(question.options), _place(scene, phrase, about)), about


def _place(scene: Scene, phrase: str, about: str) -> tuple[bool, bool, bool]:
    if TIME in phrase:
        return False, False, False
    moments = scene.stretch(about)
    return about == scene.names[0], about == scene.names[-1], moments["start"] == moments.get("last")


def _moments(scene: Scene, about: str) -> dict[str, float]:
    return scene.stretch(about) if about in scene.names else {"named": parse(about)}


def _facts(scene: Scene, about: str, looks: Sequence[str]) -> dict[str, str]:
    """What could be an answer: the thing that the last look shows, or a word of it; the times of the one searched."""
    moments = _moments(scene, about)
    facts = {}
    if looks and (shown := scene.shown_at(moments[looks[-1]])):
        facts = {"thing": shown, "word 1": shown.split()[0], "word 2": shown.split()[1]}
    if "start" in moments:
        start, end = moments["start"], moments["end"]
        length = round(end - start, 2)
        facts |= {"start": render(start), "span": render_span(start, end), "length": f"{length:g}"}
    return facts


def _readings(scene: Scene, about: str, trajectory: Trajectory) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every way to explain a trajectory."""
    moments = _moments(scene, about)
    steps = list(trajectory.steps)
    if about in scene.names:
        if not steps or steps[0].action != "segment_retrieval":
            return
        steps = steps[1:]
    candidates: list[tuple[str, ...]] = [()]
    for step in steps:
        times = times_in(step.argument)
        if step.action != "segment_query" or len(times) != 1:
            return
        names = [name for name, time_s in moments.items() if render(time_s) == render(times[0])]
        candidates = [(*looks, name) for looks in candidates for name in names]
    answer = Prompter.in_style(trajectory.answer, "compact")
    for looks in candidates:
        for name, fact in _facts(scene, about, looks).items():
            if fact == answer:
                yield looks, name
