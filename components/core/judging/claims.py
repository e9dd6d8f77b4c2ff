"""What a reply says once its wrapping is off: tags, boxes, LaTeX, Markdown, and the words that lead up to an answer.

Models wrap answers in whatever their training liked: `**B**`, `\\boxed{\\text{B}}`, `<answer>B</answer>`, "The final
answer is (B)". None of it is part of the answer. The last `<answer>` counts, as in the benchmarks' own extractors;
several boxes count only where they agree. Struck-out text was withdrawn.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 20_000
"""Characters of a reply that are read, its last ones: answers stand at the end, and nobody's reply may cost minutes."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_TYPOGRAPHY = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-") | dict.fromkeys("‘’‛′", "'") | dict.fromkeys("“”„″", '"'))

_ANSWER_TAG = re.compile(r"<answer>", re.IGNORECASE)
_ANSWER_END = re.compile(r"</answer>.*", re.IGNORECASE | re.DOTALL)
_ASIDE = re.compile(r"<(think|thinking|reasoning|action|observation|caption|time)>.*?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[a-z_]{1,20}>", re.IGNORECASE)

_BRACES = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*\{)|(?P<open>\{)|(?P<close>\})")
_COMMAND = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf)?|math(?:rm|bf|it|sf|tt)|operatorname|emph|underline|mbox|boxed|fbox)\s*\{([^{}]*)\}"
)
_MATHS = re.compile(r"\$\$?([^$]{1,200}?)\$\$?")
_LATEX = (
    (re.compile(r"\\d?t?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"\1/\2"),
    (re.compile(r"\^\s*\{?\\circ\}?"), " degrees "),
    (re.compile(r"\\([%$#&_])"), r"\1"),
    (re.compile(r"\\(?:[,;:! ()\[\]]|q?quad\b|left\b|right\b)"), " "),
)
_STRUCK = re.compile(r"~~.*?~~", re.DOTALL)
_STARS = re.compile(r"(?<!\d)[*`]+|[*`]+(?!\d)")
_UNDERSCORES = re.compile(r"(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)")
_BULLET = re.compile(r"^[ \t]*(?:#{1,6}|>+|[-•+])[ \t]+", re.MULTILINE)

_DECLARATION = re.compile(
    r"""\b(?:answer|solution|correct\s+(?:option|choice)|(?<!an\s)(?:option|choice)(?=\s*:|\s+is\b))\b
        (?:\s+to\s+(?:the|this|your)\s+question)?["')\]]*\s*
        (?:\b(?:is|was|would\s+be|should\s+be|must\s+be|has\s+to\s+be)\b\s*:?|[:=])
        \s*(?:(?:clearly|definitely|probably|therefore|then|simply|option|choice|letter)\s+)*""",
    re.IGNORECASE | re.VERBOSE,
)
_LEAD_IN = re.compile(
    r"""^[\s"'(:;.,]*(?:(?:so|thus|hence|therefore|ok|okay|well|yes|then|i\s+(?:think|believe|see|would\s+say)(?:\s+that)?)\b[\s,]*)*
        (?:(?:it|this|that|there)(?:\s+(?:is|was|are|were|would\s+be)|'s)\b\s*|(?:at|on)\s+(?=[\[\d]))?""",
    re.IGNORECASE | re.VERBOSE,
)
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\n\s+")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")


def unwrap(text: str) -> str:
    """The reply without tags, boxes, LaTeX and Markdown, in plain Unicode.

    >>> [unwrap(reply) for reply in ("**B**", r"$\\boxed{\\text{B}}$", "I see. <answer>B</answer>", "~~A~~ `B`")]
    ['B', 'B', 'B', 'B']
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text[-LONGEST:])).translate(_TYPOGRAPHY)
    text = _LINES.sub("\n", _SPACES.sub(" ", text))
    *_, last = _ANSWER_TAG.split(text)
    text = _TAG.sub(" ", _ASIDE.sub(" ", _ANSWER_END.sub("", last)))
    boxes = _boxes(text)
    if boxes:
        text = boxes[0] if len(set(boxes)) == 1 else " ; ".join(boxes)
    for _ in range(4):  # innermost first; nobody nests deeper
        text = _COMMAND.sub(r"\1", text)
    text = _MATHS.sub(r"\1", text)
    for pattern, plain in _LATEX:
        text = pattern.sub(plain, text)
    return _UNDERSCORES.sub("", _STARS.sub("", _BULLET.sub("", _STRUCK.sub(" ", text)))).strip()


def declarations(text: str) -> list[str]:
    """What follows each "the answer is", "Answer:" and the like, up to the next one; the text is already unwrapped.

    >>> declarations("The red one comes first. The answer is B, I think.")
    ['B, I think.']
    """
    found = list(_DECLARATION.finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    return [text[match.end() : end] for match, end in zip(found, ends, strict=True)]


def claim(text: str) -> str:
    """The words of an unwrapped reply that state the answer, without what leads up to them.

    A reply that declares two answers is returned whole: which of them it means, no rule can tell.

    >>> claim("Final answer: yellow."), claim("I think it's yellow"), claim("The answer is red. The answer is blue.")
    ('yellow', 'yellow', 'The answer is red. The answer is blue.')
    """
    declared = [sentences(part)[0] for part in declarations(text) if part.strip()]
    if len({said.casefold() for said in declared}) > 1:
        return text
    return _LEAD_IN.sub("", declared[0] if declared else text).strip()


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, without their full stops; at least one, which may be empty."""
    parts = [part.strip() for part in _SENTENCE_END.split(text)]
    return [part for part in parts if part] or [""]


def _boxes(text: str) -> list[str]:
    """The contents of every outermost \\boxed{…}, braces balanced; an unclosed box ends with the text."""
    contents: list[str] = []
    start, depth = -1, 0  # where the box began, and how many braces are open in it
    for brace in _BRACES.finditer(text):
        if start < 0:
            if brace["box"]:
                start, depth = brace.end(), 1
            continue
        depth += -1 if brace["close"] else 1
        if depth == 0:
            contents.append(text[start : brace.start()].strip())
            start = -1
    return contents if start < 0 else [*contents, text[start:].strip()]
