"""Whether two answers mean the same: by the sort of answer where the question tells it, by words elsewhere."""

from __future__ import annotations

import re

from components.sandbox.teacher.caption_text import TIME, seconds_of
from components.sandbox.teacher.question_text import Ask, Sort
from components.sandbox.teacher.vocabulary import COLOURS, DIRECTIONS, SHAPES, read_sightings

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ARTICLES = re.compile(r"\b(?:a|an|the|it|is)\b")
_RESERVED = re.compile(r"\b(?:not|no|never|n t|more|less|fewer|than|least|most|almost|nearly)\b|\w*n t\b")
_OTHER_UNIT = re.compile(r"\d (?:minutes?|min|hours?|met(?:er|re)s?|km|cm|kg|frames?)\b")
_CLOSED = {Sort.COLOUR: COLOURS, Sort.SHAPE: SHAPES, Sort.DIRECTION: DIRECTIONS}


def normalise(text: str) -> str:
    """Lower case, digits for small numbers, no articles and no punctuation that carries no meaning."""
    text = re.sub(r"[^\w:.\- ]", " ", text.lower().replace("–", "-"))
    words = [str(_NUMBERS.index(word)) if word in _NUMBERS else word for word in _ARTICLES.sub(" ", text).split()]
    return " ".join(words).strip(" .")


def same_answer(prediction: str, answer: str, ask: Ask | None = None, tolerance_s: float = 0.0) -> bool:
    """Whether a prediction gives the reference answer and nothing that contradicts it.

    Args:
        ask: the question as understood, which tells what sort of answer to compare.
        tolerance_s: by how much times may differ.

    >>> same_answer("A yellow triangle.", "yellow triangle")
    True
    >>> same_answer("red or yellow", "yellow")
    False
    """
    said, meant = normalise(prediction), normalise(answer)
    if said == meant:
        return bool(said)
    sort = ask.sort if ask else None
    if sort in _CLOSED:
        return [word for word in _CLOSED[sort] if re.search(rf"\b{word}\b", said)] == [meant]
    if sort is Sort.THING or (sort is None and read_sightings(meant)):
        return _things(said) == _things(meant) != set()
    if sort in (Sort.TIME, Sort.SPAN) or (sort is None and TIME.search(meant)):
        ours, theirs = _times(said), _times(meant)
        near = all(abs(a - b) <= tolerance_s + 0.05 for a, b in zip(ours, theirs, strict=False))
        return len(ours) == len(theirs) > 0 and near
    if sort in (Sort.COUNT, Sort.SECONDS) or (sort is None and meant.isdigit()):
        reserved = _RESERVED.search(said) or (sort is not Sort.COUNT and _OTHER_UNIT.search(said))
        return not reserved and re.findall(r"\d+(?:\.\d+)?", said) == [meant]
    return False


def _things(text: str) -> set[str]:
    return {str(sighting.thing) for sighting in read_sightings(text)}


def _times(text: str) -> list[float]:
    return [round(seconds_of(time), 1) for time in TIME.findall(text)]
