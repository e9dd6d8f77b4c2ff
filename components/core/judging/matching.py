"""Whether two answers say the same, as far as a rule can tell.

Numbers and times are compared as values, everything else as normalised text. `compare` has three replies: equal,
different, and None where only a judge can tell ("a car" against "an automobile"). `match_option` finds the option a
reply means and never guesses between two: a reply that lists every option matches none.

Time intervals are equal when their IoU exceeds 0.7, as in VCR-Bench's scoring; times when they differ by at most the
second to which MM:SS is rounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from components.core.video.timecodes import parse

SPAN_IOU = 0.7
TIME_TOLERANCE_S = 1.0

_CLOCK = r"(?:\d{1,2}:)?\d{1,3}:\d{2}(?:\.\d+)?"
_TIME = re.compile(rf"(?<![\d:]){_CLOCK}(?![\d:])")
_SPAN = re.compile(rf"(?<![\d:])({_CLOCK})\s*(?:-|–|—|to|until)\s*({_CLOCK})(?![\d:])")
_NUMBER = re.compile(r"(?<![\w.:])-?\d+(?:\.\d+)?(?![\w:]|\.\d)")
_LETTER = re.compile(
    r"^\s*(?:option\s+|answer\s*[:is]*\s*)?\(?([A-Z])(?:\s*$|[).:]\s*(.*)$)", re.IGNORECASE | re.DOTALL
)
_ARTICLES = frozenset({"a", "an", "the"})
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_WORDS.split())}


def normalise(text: str) -> str:
    """Lower case, no punctuation, no articles, number words as digits, single spaces; times keep their colons.

    >>> normalise("The  Yellow triangle!"), normalise("three [00:03]")
    ('yellow triangle', '3 00:03')
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"[–—]", "-", plain)
    plain = re.sub(r"[^\w\s:.%+-]|(?<!\d)[.:]|[.:-](?!\d)|(?<=[^\W\d])-", " ", plain)
    words = (_NUMBER_WORDS.get(word, word) for word in plain.split())
    return " ".join(word for word in words if word not in _ARTICLES)


def compare(prediction: str, answer: str, tolerance_s: float = TIME_TOLERANCE_S) -> bool | None:
    """Whether `prediction` says `answer`; None where no rule can tell.

    >>> compare("Three seconds.", "3"), compare("00:02 to 00:05", "00:02-00:05"), compare("car", "automobile")
    (True, True, None)
    """
    said, meant = normalise(prediction), normalise(answer)
    if not said:
        return False
    if said == meant:
        return True
    if _SPAN.fullmatch(answer.strip()):
        return _same_span(prediction, answer)
    if _TIME.fullmatch(answer.strip()):
        return _same_time(prediction, answer, tolerance_s)
    if _NUMBER.fullmatch(meant):
        numbers = _NUMBER.findall(said)
        return float(numbers[0]) == float(meant) if len(numbers) == 1 else None
    return None


def match_option(prediction: str, options: Sequence[str]) -> int | None:
    """The index of the option that a reply means, or None where it means none or more than one.

    The option's text counts first, then its letter, then its text inside a longer reply (the longest option that
    holds all others found).

    >>> options = ["red", "red circle", "blue"]
    >>> [match_option(reply, options) for reply in ("Red.", "(B)", "it is the red circle", "red or blue", "green")]
    [0, 1, 1, None, None]
    """
    said = normalise(prediction)
    plain = [normalise(option) for option in options]
    if said in plain:
        return plain.index(said) if said and plain.count(said) == 1 else None
    letter = _LETTER.match(prediction)
    if letter:
        return _lettered(letter.group(1), letter.group(2) or "", options)
    found = [index for index, option in enumerate(plain) if option and _holds(said, option)]
    longest = max(found, key=lambda index: len(plain[index]), default=None)
    if longest is None or not all(_holds(plain[longest], plain[index]) for index in found):
        return None
    outside = said.replace(plain[longest], " ")
    return None if any(_holds(outside, plain[index]) for index in found if index != longest) else longest


def times_in(text: str) -> list[float]:
    """Every MM:SS or HH:MM:SS in a text, in seconds.

    >>> times_in("from 00:02-00:05, then at [1:00:03]")
    [2.0, 5.0, 3603.0]
    """
    return [seconds for clock in _TIME.findall(text) if (seconds := _seconds(clock)) is not None]


def spans_in(text: str) -> list[tuple[float, float]]:
    """Every interval MM:SS-MM:SS in a text, in seconds; those that end before they start are left out.

    >>> spans_in("00:02-00:05 a red circle; 00:09 to 00:12")
    [(2.0, 5.0), (9.0, 12.0)]
    """
    spans = ((_seconds(start), _seconds(end)) for start, end in _SPAN.findall(text))
    return [(start, end) for start, end in spans if start is not None and end is not None and end > start]


def temporal_iou(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two intervals in seconds.

    >>> temporal_iou((0, 4), (2, 6))
    0.3333333333333333
    """
    shared = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union = (first[1] - first[0]) + (second[1] - second[0]) - shared
    return shared / union if union > 0 else 0.0


def _same_span(prediction: str, answer: str) -> bool:
    said, meant = spans_in(prediction), spans_in(answer)
    return len(said) == 1 and len(meant) == 1 and temporal_iou(said[0], meant[0]) > SPAN_IOU


def _same_time(prediction: str, answer: str, tolerance_s: float) -> bool | None:
    times = times_in(prediction)
    if not times:  # "at 2 seconds": a bare number of seconds
        numbers = _NUMBER.findall(normalise(prediction))
        times = [float(numbers[0])] if len(numbers) == 1 else []
    if not times:
        return None
    meant = times_in(answer)
    return len(times) == 1 and len(meant) == 1 and abs(times[0] - meant[0]) <= tolerance_s


def _lettered(letter: str, rest: str, options: Sequence[str]) -> int | None:
    """The option of a letter, unless the words after it name another option."""
    index = ord(letter.upper()) - ord("A")
    if index >= len(options):
        return None
    named = match_option(rest, options) if rest.strip() else None
    return index if named in (None, index) else None


def _holds(text: str, part: str) -> bool:
    """Whether `part` occurs in `text` as whole words."""
    return re.search(rf"(?<![\w:]){re.escape(part)}(?![\w:])", text) is not None


def _seconds(clock: str) -> float | None:
    """Seconds of a clock time; None for a time that no clock shows, such as 00:75."""
    try:
        return parse(clock)
    except ValueError:
        return None
