"""Numbers in words: counts, times, durations and stretches of time, read from what people and models write.

`3`, `three`, `1,200`, `the 3rd`, `50 %`, `00:03`, `2 minutes 5 seconds`, `90 s`, `between 00:02 and 00:05`.
Durations are converted to seconds; other units are kept by name, with the dimension they measure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.core.traces.timecodes import parse

CLOCK, SECONDS, BARE, ORDINAL, PERCENT = "clock", "s", "", "ordinal", "%"

_TIME_UNITS = {
    r"h(?:ou)?rs?|h": 3600.0,
    r"min(?:ute)?s?": 60.0,
    r"sec(?:ond)?s?|s": 1.0,
    r"milliseconds?|ms": 0.001,
}
_OTHER_UNITS = {  # pattern: (name, dimension)
    r"%|percent(?:age)?|per\s+cent": (PERCENT, "share"),
    r"m": ("m", ""),  # minutes or metres: compared with neither
    r"metres?|meters?": ("metre", "length"),
    r"kilomet(?:re|er)s?|km": ("km", "length"),
    r"centimet(?:re|er)s?|cm": ("cm", "length"),
    r"millimet(?:re|er)s?|mm": ("mm", "length"),
    r"inch(?:es)?": ("inch", "length"),
    r"feet|foot|ft": ("foot", "length"),
    r"miles?": ("mile", "length"),
    r"kilograms?|kg": ("kg", "mass"),
    r"grams?|g": ("gram", "mass"),
    r"degrees?|°": ("degree", "angle"),
    r"dollars?|usd": ("dollar", "money"),
    r"euros?|eur": ("euro", "money"),
    r"pixels?|px": ("pixel", "picture"),
    r"frames?": ("frame", "frames"),
}
_N = r"\d+(?:\.\d+)?"
_TIME_UNIT = "|".join(f"(?:{unit})" for unit in _TIME_UNITS)
_OTHER_UNIT = "|".join(f"(?:{unit})" for unit in _OTHER_UNITS)
_CLOCK_TIME = r"(?:\d{1,2}:)?\d{1,4}:[0-5]\d(?:\.\d+)?"
_TOKEN = re.compile(
    rf"""(?<![\w.:/])(?:
        (?P<clock>{_CLOCK_TIME})(?![\d:])
      | (?P<duration>{_N}[\s-]*(?:{_TIME_UNIT}|m(?=\s*\d))(?![a-z])
                     (?:\s*(?:,|and)?\s*{_N}[\s-]*(?:{_TIME_UNIT})(?![a-z]))*)
      | (?P<ordinal>\d+)(?:st|nd|rd|th)\b
      | (?P<measured>-?{_N})[\s-]*(?P<unit>{_OTHER_UNIT})(?![a-z])
      | (?P<bare>-?{_N})(?![\w:/]|\.\d)
    )""",
    re.VERBOSE,
)
_PART = re.compile(rf"({_N})[\s-]*({_TIME_UNIT}|m)(?![a-z])")
_TO = re.compile(r"[\]\s\"')]*(?:-|to|until|till|through|thru)[\[\s\"'(]*")
_AND = re.compile(r"[\]\s\"')]*and[\[\s\"'(]*")
_BETWEEN = re.compile(r"\bbetween[\[\s\"'(]*$")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SYMBOLS = {"$": " dollars", "€": " euros", "°": " degrees "}
_MONEY = re.compile(rf"([$€])\s*({_N})")
_ASKED = re.compile(
    rf"\b(?:how\s+many|how\s+much|in|what)\s+(?:(?P<time>{_TIME_UNIT})|(?P<other>{_OTHER_UNIT}))\b", re.I
)

_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_SMALL = _CARDINALS.split()
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_TIMES = {"once": "1", "twice": "2", "thrice": "3"}
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_ORDINAL_VALUES = {word: value for value, word in enumerate(_ORDINALS.split())} | {
    f"{word[:-1]}ieth": 10 * n for n, word in enumerate(_TENS, 2)
}
_WORD = "|".join(sorted((*_VALUES, *_SCALES, *(o for o in _ORDINAL_VALUES if o != "second")), key=len, reverse=True))
_RUN = re.compile(rf"\b(?:{_WORD})(?:(?:\s+and\s+|[\s-]+)(?:{_WORD}))*\b")


@dataclass(frozen=True)
class Quantity:
    """One value: seconds for `CLOCK` and `SECONDS`; what `dimension` measures is "" where nothing is known."""

    value: float
    unit: str
    dimension: str = ""

    @property
    def is_time(self) -> bool:
        """Whether it is a moment or a duration, in seconds."""
        return self.unit in (CLOCK, SECONDS)


@dataclass(frozen=True)
class Stretch:
    """From when to when, in seconds."""

    start_s: float
    end_s: float


def quantities(text: str) -> list[Quantity | Stretch]:
    """Every quantity of a text, in order; the two ends of a stretch are one.

    >>> quantities("two minutes and 5 seconds") == [Quantity(125.0, SECONDS, "time")]
    True
    >>> quantities("3 circles between 00:02 and 00:05") == [Quantity(3.0, BARE), Stretch(2.0, 5.0)]
    True
    """
    text = in_digits(text.casefold())
    tokens = list(_tokens(text))
    found: list[Quantity | Stretch] = []
    place = 0
    while place < len(tokens):
        stretch = _stretch(text, tokens[place], tokens[place + 1]) if place + 1 < len(tokens) else None
        found.append(stretch or tokens[place][0])
        place += 2 if stretch else 1
    return found


def whole_quantity(text: str) -> Quantity | Stretch | None:
    """The quantity that a text is, with nothing else in it; None for any other text.

    >>> whole_quantity("[00:03]"), whole_quantity("3 seconds in")
    (Quantity(value=3.0, unit='clock', dimension='time'), None)
    """
    found = quantities(text)
    plain = in_digits(text.casefold())
    left = re.sub(r"\b(?:at|from|between|to|until|till|through|and|the)\b|[\s\[\]().,-]", "", _TOKEN.sub(" ", plain))
    return found[0] if len(found) == 1 and not left else None


def in_unit_asked(found: Sequence[Quantity | Stretch], question: str) -> list[Quantity | Stretch]:
    """Bare numbers in the unit that the question asks for, unless something else is said in that unit.

    >>> in_unit_asked(quantities("3"), "For how many minutes is it visible?")
    [Quantity(value=180.0, unit='s', dimension='time')]
    >>> in_unit_asked(quantities("3 shapes for 5 seconds"), "For how many seconds?")[0]
    Quantity(value=3.0, unit='', dimension='')
    """
    asked = _ASKED.search(question)
    if asked is None:
        return list(found)
    if asked["time"]:
        unit, dimension, factor = SECONDS, "time", _seconds_per(asked["time"].casefold())
    else:
        (unit, dimension), factor = _other_unit(asked["other"].casefold()), 1.0
    if any(isinstance(item, Quantity) and item.unit == unit for item in found):
        return list(found)
    return [
        Quantity(item.value * factor, unit, dimension) if isinstance(item, Quantity) and item.unit == BARE else item
        for item in found
    ]


def in_digits(text: str) -> str:
    """Number words as digits, thousands without separators, signs of money after their number; lower-case text.

    >>> in_digits("one hundred and five, twenty-first, 1,200")
    '105, 21st, 1200'
    """
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _MONEY.sub(lambda match: match[2] + _SYMBOLS[match[1]], text).replace("°", _SYMBOLS["°"])
    text = re.sub(r"\bhalf an? (?=second\b|minute\b|hour\b)", "0.5 ", text)
    text = re.sub(r"\ban? (?=minute\b|hour\b)", "1 ", text)
    text = re.sub(r"\b(?:once|twice|thrice)\b", lambda match: _TIMES[match[0]], text)
    text = _RUN.sub(lambda match: " ".join(_numbers(match[0])), text)
    text = re.sub(r"^(\W*(?:the )?)second(?=(?: one)?\W*$)", r"\g<1>2nd", text)
    return re.sub(r"\b(\d+) and (?:a|1) half\b", r"\1.5", text)


def _numbers(run: str) -> Iterator[str]:
    """The numbers that a run of number words spells: "two three" are two, "twenty-three" is one."""
    total = current = 0
    room = 0  # what may still be added to `current`: 10 after "twenty", 100 after "hundred", 0 after "three"
    open_number = False
    for word in re.findall(r"[a-z]+", run):
        ordinal = word in _ORDINAL_VALUES
        value = _ORDINAL_VALUES.get(word, _VALUES.get(word))
        if word == "and":
            continue
        if value is None:  # a scale
            scale = _SCALES[word]
            if scale == 100:
                current, room = (current or 1) * 100, 100
            else:
                total, current, room = total + (current or 1) * scale, 0, scale
            open_number = True
            continue
        if open_number and not 0 < value < room:
            yield str(total + current)
            total = current = 0
        current += value
        room = 10 if value >= 20 else 0
        open_number = True
        if ordinal:
            yield f"{total + current}{_suffix(total + current)}"
            total = current = room = 0
            open_number = False
    if open_number:
        yield str(total + current)


def _suffix(number: int) -> str:
    return "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _tokens(text: str) -> Iterator[tuple[Quantity, re.Match[str]]]:
    for match in _TOKEN.finditer(text):
        if match["clock"]:
            try:
                yield Quantity(parse(match["clock"]), CLOCK, "time"), match
            except ValueError:  # 1:75:00 is no time
                continue
        elif match["duration"]:
            parts = _PART.findall(match["duration"])
            yield Quantity(sum(float(n) * _seconds_per(unit) for n, unit in parts), SECONDS, "time"), match
        elif match["ordinal"]:
            yield Quantity(float(match["ordinal"]), ORDINAL), match
        elif match["measured"]:
            yield Quantity(float(match["measured"]), *_other_unit(match["unit"])), match
        else:
            yield Quantity(float(match["bare"]), BARE), match


def _stretch(
    text: str, first: tuple[Quantity, re.Match[str]], second: tuple[Quantity, re.Match[str]]
) -> Stretch | None:
    """The stretch from one token to the next; None where the words between them do not say so."""
    (start, before), (end, after) = first, second
    gap = text[before.end() : after.start()]
    joined = _TO.fullmatch(gap) or (_AND.fullmatch(gap) and _BETWEEN.search(text[: before.start()]))
    if not joined or not end.is_time or not (start.is_time or start.unit == BARE):
        return None
    start_s = start.value
    if start.unit == BARE:  # "2 to 5 minutes": the unit stands once
        if end.unit == CLOCK:
            return None
        start_s *= _seconds_per(_PART.findall(after["duration"])[0][1])
    return Stretch(start_s, end.value) if start_s < end.value else None


def _seconds_per(unit: str) -> float:
    if unit == "m":
        return 60.0
    return next(seconds for pattern, seconds in _TIME_UNITS.items() if re.fullmatch(pattern, unit))


def _other_unit(unit: str) -> tuple[str, str]:
    return next(named for pattern, named in _OTHER_UNITS.items() if re.fullmatch(pattern, unit))
