"""Who appears when: the seeded scripts of the four kinds of clips.

Each clip draws from its own generator, so that a larger corpus keeps every clip of a smaller one, byte for byte.
"""

from __future__ import annotations

import random
from itertools import pairwise, product

from components.sandbox.corpus.scene import COLOURS, SHAPES, Clip, Event, Thing

PAIRS = tuple(product(COLOURS, SHAPES))
LEARNING_SIDE, LEARNING_FPS, LEARNING_S = 112, 8, 8
SHOWCASE_SIZE, SHOWCASE_FPS = (320, 240), 12
LONG_SIZE, LONG_FPS = (160, 120), 5
_TINTS = (
    (62, 54, 46),
    (46, 58, 50),
    (46, 50, 66),
    (58, 58, 58),
    (32, 32, 34),
    (64, 50, 60),
    (40, 60, 62),
    (78, 76, 72),
)


LONGEST_S = 4
PALETTES = (1, 2, 3, 6)


def learning_clip(index: int, seed: int) -> Clip:
    """Eight seconds, one large shape at a time, three to six events of one to four seconds, changing on whole ones.

    A clip has one colour, two, three, or any: where colours repeat, the shape of a second cannot be told by its colour,
    so that it has to be looked at. Events, lengths and shapes of a colour are spread so that "how many" and "how long"
    have no answer that is right as a rule: with four to six events of any length and colour half of all things lasted
    one second, and four colours in five had one shape.
    """
    rng = random.Random(f"learning/{seed}/{index}")
    grey = rng.randint(38, 70)
    palette = rng.sample(sorted(COLOURS), rng.choice(PALETTES))
    count = rng.randint(3, min(6, len(palette) * len(SHAPES)))
    cuts = _even(rng, LEARNING_S, count, LONGEST_S)
    pairs = rng.sample(list(product(palette, SHAPES)), count)
    events = []
    for (colour, shape), (start, end) in zip(pairs, pairwise(cuts), strict=True):
        size = rng.uniform(0.35, 0.60) * LEARNING_SIDE
        margin = size / 2 + 3
        at = (rng.uniform(margin, LEARNING_SIDE - margin), rng.uniform(margin, LEARNING_SIDE - margin))
        events.append(Event(float(start), float(end), (Thing(colour, shape, size, at, at),), (grey, grey, grey)))
    return Clip(
        file=f"learning-{index:04d}.mp4",
        kind="learning",
        width=LEARNING_SIDE,
        height=LEARNING_SIDE,
        duration_s=float(LEARNING_S),
        times_s=_regular(LEARNING_S, LEARNING_FPS),
        events=tuple(events),
        seed=rng.getrandbits(32),
        trembles=True,
    )


def showcase_clip(index: int, seed: int) -> Clip:
    """20 to 60 s; one to three shapes that appear, leave, move and change colour at times that are no whole seconds."""
    rng = random.Random(f"showcase/{seed}/{index}")
    seconds = rng.uniform(20, 32) if index % 4 else rng.uniform(40, 60)
    duration_s = round(seconds * SHOWCASE_FPS) / SHOWCASE_FPS
    grey = rng.randint(34, 60)
    stage = _Stage(rng, *SHOWCASE_SIZE)
    cuts = _irregular(rng, duration_s, 1.6, 5.0)
    events = []
    for start, end in pairwise(cuts):
        events.append(Event(start, end, stage.next_things(end - start), (grey, grey, grey + 4)))
    return Clip(
        file=f"showcase-{index:02d}.{'mkv' if index % 6 == 5 else 'mp4'}",
        kind="showcase",
        width=SHOWCASE_SIZE[0],
        height=SHOWCASE_SIZE[1],
        duration_s=duration_s,
        times_s=_regular(duration_s, SHOWCASE_FPS),
        events=tuple(events),
        seed=rng.getrandbits(32),
    )


def long_clip(duration_s: float, seed: int) -> Clip:
    """Many scenes, told apart by the tint of their background, each with a few events of one shape."""
    rng = random.Random(f"long/{seed}")
    width, height = LONG_SIZE
    scene_cuts = _irregular(rng, duration_s, 14.0, 30.0)
    events: list[Event] = []
    tint, pair = _TINTS[0], PAIRS[0]
    for scene_start, scene_end in pairwise(scene_cuts):
        tint = rng.choice([other for other in _TINTS if other != tint])
        cuts = [round(scene_start + cut, 2) for cut in _irregular(rng, scene_end - scene_start, 4.0, 9.0)]
        cuts[-1] = scene_end
        for start, end in pairwise(cuts):
            pair = rng.choice([other for other in PAIRS if other[0] != pair[0]])
            size = rng.uniform(0.35, 0.5) * height
            at = (rng.uniform(size / 2 + 4, width - size / 2 - 4), rng.uniform(size / 2 + 4, height - size / 2 - 4))
            events.append(Event(start, end, (Thing(*pair, size, at, at),), tint))
    return Clip(
        file="long.mp4",
        kind="long",
        width=width,
        height=height,
        duration_s=duration_s,
        times_s=_regular(duration_s, LONG_FPS),
        events=tuple(events),
        seed=rng.getrandbits(32),
        cuts_s=tuple(scene_cuts[1:-1]),
    )


def clock_clip(duration_s: float, seed: int) -> Clip:
    """A burnt-in clock, and a frame rate that wanders from 2.5 to 10 per second; frames fall on tenths of a second."""
    rng = random.Random(f"clock/{seed}")
    tenths, times = 0, []
    while tenths < duration_s * 10:
        gap = rng.choice((1, 2, 3, 4))
        for _ in range(rng.randint(4, 20)):
            if tenths < duration_s * 10:
                times.append(tenths / 10)
                tenths += gap
    width, height = SHOWCASE_SIZE
    changes = [0.0]
    # An event starts on the first frame at or after its time, so that the clock on that frame is its start.
    for cut in _irregular(rng, duration_s, 2.0, 5.0)[1:-1]:
        changes.append(next(time_s for time_s in times if time_s >= cut))
    changes.append(duration_s)
    events = []
    pair = PAIRS[0]
    for start, end in pairwise(changes):
        pair = rng.choice([other for other in PAIRS if other[0] != pair[0]])
        size = rng.uniform(80, 120)
        at = (rng.uniform(size / 2 + 4, width - size / 2 - 4), rng.uniform(size / 2 + 4, height - 44 - size / 2))
        events.append(Event(start, end, (Thing(*pair, size, at, at),), (48, 48, 48)))
    return Clip(
        file="clock.mp4",
        kind="clock",
        width=width,
        height=height,
        duration_s=duration_s,
        times_s=tuple(times),
        events=tuple(events),
        seed=rng.getrandbits(32),
        clock=True,
    )


class _Stage:
    """Who is on stage. Each shape keeps to a lane of its own, so that none hides another."""

    def __init__(self, rng: random.Random, width: int, height: int) -> None:
        self._rng = rng
        self._rows = rng.random() < 0.6
        self._along, self._across = (width, height) if self._rows else (height, width)
        self._unused = rng.sample(PAIRS, len(PAIRS))
        self._lanes: dict[int, Thing] = {}

    def next_things(self, lasts_s: float) -> tuple[Thing, ...]:
        """Change who is visible (someone comes, leaves or changes colour), and let some of them move."""
        moves = (
            ["change"] * bool(self._lanes) + ["come"] * 2 * (len(self._lanes) < 3) + ["leave"] * (len(self._lanes) > 1)
        )
        match self._rng.choice(moves):
            case "come":
                lane = self._rng.choice([lane for lane in range(3) if lane not in self._lanes])
                self._lanes[lane] = self._enter(lane)
            case "leave":
                del self._lanes[self._rng.choice(list(self._lanes))]
            case _:
                lane = self._rng.choice(list(self._lanes))
                self._lanes[lane] = self._recolour(self._lanes[lane])
        self._lanes = {lane: self._walk(thing, lasts_s) for lane, thing in sorted(self._lanes.items())}
        return tuple(self._lanes.values())

    def _take(self, shape: str = "") -> tuple[str, str]:
        """A pair not yet seen in this clip while there is one, in a colour that is not on stage."""
        colours = {thing.colour for thing in self._lanes.values()}
        candidates = [pair for pair in (*self._unused, *PAIRS) if pair[0] not in colours]
        pair = next(pair for pair in candidates if pair[1] == (shape or pair[1]))
        self._unused = [other for other in self._unused if other != pair]
        return pair

    def _enter(self, lane: int) -> Thing:
        size = self._rng.uniform(0.62, 0.8) * min(self._across / 3, 90)
        along = self._rng.uniform(size, self._along - size)
        at = self._point(along, self._across * (lane + 0.5) / 3)
        return Thing(*self._take(), size, at, at)

    def _recolour(self, thing: Thing) -> Thing:
        colour, shape = self._take(thing.shape)
        return Thing(colour, shape, thing.size, thing.end, thing.end)

    def _walk(self, thing: Thing, lasts_s: float) -> Thing:
        """Carry on from where the last event left it; in four of ten events it moves along its lane."""
        along, across = thing.end if self._rows else thing.end[::-1]
        target = along
        if self._rng.random() < 0.4:
            far = min(self._along * 0.6, 45 * lasts_s)
            reach = [along + sign * self._rng.uniform(max(50.0, far * 0.6), max(55.0, far)) for sign in (-1, 1)]
            inside = [spot for spot in reach if thing.size / 2 + 4 <= spot <= self._along - thing.size / 2 - 4]
            target = self._rng.choice(inside) if inside else along
        return Thing(thing.colour, thing.shape, thing.size, thing.end, self._point(target, across))

    def _point(self, along: float, across: float) -> tuple[float, float]:
        return (along, across) if self._rows else (across, along)


def _regular(duration_s: float, fps: int) -> tuple[float, ...]:
    return tuple(index / fps for index in range(round(duration_s * fps)))


def _even(rng: random.Random, seconds: int, parts: int, longest_s: int) -> list[int]:
    """Whole seconds from 0 to `seconds` that part them, no part longer than `longest_s`: any such, equally often."""
    while True:
        cuts = [0, *sorted(rng.sample(range(1, seconds), parts - 1)), seconds]
        if max(end - start for start, end in pairwise(cuts)) <= longest_s:
            return cuts


def _irregular(rng: random.Random, duration_s: float, least_s: float, most_s: float) -> list[float]:
    """Cut points from 0 to `duration_s`, each part between `least_s` and about `most_s` long."""
    cuts = [0.0]
    while duration_s - cuts[-1] > most_s + least_s:
        cuts.append(round(cuts[-1] + rng.uniform(least_s, most_s), 2))
    rest = duration_s - cuts[-1]
    if rest > most_s:
        cuts.append(round(cuts[-1] + rest / 2, 2))
    return [*cuts, duration_s]
