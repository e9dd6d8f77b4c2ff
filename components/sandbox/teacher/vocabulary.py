"""The words the teacher has for what it sees, and how a caption text is written and read.

Two vocabularies: clean coloured shapes ("a yellow triangle moves left") and, for footage that shows none, honest
measurements of the picture ("shot with dominant colours grey and green, dark, motion to the left, strong movement").
Everything that checks or answers goes through these readers, so that it knows a caption only by its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
SHAPES = ("circle", "square", "triangle", "cross")
DIRECTIONS = ("left", "right", "up", "down")
BRIGHTNESS = ("very dark", "dark", "medium bright", "bright", "very bright")
MOVEMENT = ("no movement", "weak movement", "moderate movement", "strong movement")
PICTURE_COLOURS = ("black", "grey", "white", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "brown")
PICTURE_MOTION = ("to the left", "to the right", "upwards", "downwards", "in no clear direction")
EMPTY_SCENE = "an empty scene"

_THING = re.compile(
    rf"\b({'|'.join(COLOURS)})\s+({'|'.join(SHAPES)})(?:e?s)?\b(?:\s+moves?\s+({'|'.join(DIRECTIONS)})\b)?"
)
_COLOURED = re.compile(rf"\b({'|'.join(COLOURS)}) shapes?\b")
_JOINING = frozenset(("a", "an", "the", "and", "is", "are", "there", "then", "with", "at", "i", "see", "seen", "shown"))
_PICTURE = re.compile(
    r"dominant colours? (?P<colours>[a-z]+(?: and [a-z]+)?), (?P<brightness>[a-z ]+), "
    r"motion (?P<motion>[a-z ]+), (?P<movement>[a-z]+ movement)"
)


@dataclass(frozen=True, order=True)
class Thing:
    """A coloured shape."""

    colour: str
    shape: str

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Sighting:
    """A coloured shape within one event, and which way it moves there ("" = it stays)."""

    thing: Thing
    direction: str = ""

    def __str__(self) -> str:
        moves = f" moves {self.direction}" if self.direction else ""
        return f"a {self.thing}{moves}"


@dataclass(frozen=True)
class Picture:
    """What can be measured of a shot of real footage."""

    colours: tuple[str, ...]
    brightness: str
    motion: str
    movement: str

    def __str__(self) -> str:
        return (
            f"shot with dominant colours {' and '.join(self.colours)}, {self.brightness}, "
            f"motion {self.motion}, {self.movement}"
        )


@lru_cache(maxsize=8192)
def read_sightings(text: str) -> tuple[Sighting, ...]:
    """The coloured shapes that a text names, in its order."""
    return tuple(Sighting(Thing(colour, shape), moves or "") for colour, shape, moves in _THING.findall(text.lower()))


def colour_sought(query: str) -> str:
    """The colour whose shapes a query is for ("red shapes"); "" for any other query."""
    found = _COLOURED.search(query.lower())
    return found[1] if found else ""


def unread_words(text: str) -> list[str]:
    """What a text says beyond naming coloured shapes, joining words aside: claims that nobody here can check."""
    return [word for word in re.findall(r"\w+", _THING.sub(" ", text.lower())) if word not in _JOINING]


@lru_cache(maxsize=8192)
def read_picture(text: str) -> Picture | None:
    """The measurements that a text states, if it describes a shot of real footage."""
    found = _PICTURE.search(text.lower())
    if found is None:
        return None
    colours = tuple(found["colours"].split(" and "))
    return Picture(colours, found["brightness"], found["motion"], found["movement"])


def write_sightings(sightings: tuple[Sighting, ...] | list[Sighting]) -> str:
    """The caption text of a scene with these shapes; shapes in a fixed order, so that equal scenes read equal."""
    if not sightings:
        return EMPTY_SCENE
    return "; ".join(str(sighting) for sighting in sorted(sightings, key=lambda s: (s.thing, s.direction)))


def is_word_in(word: str, text: str) -> bool:
    """Whether `word` stands in `text` as a whole word or phrase, letter case aside."""
    return re.search(rf"(?<![\w:]){re.escape(word.lower())}(?![\w:])", text.lower()) is not None
