"""The tag grammar of a re-watching chain of thought, read leniently and judged strictly.

    trace  = prose* (action prose* observation prose*)* answer prose*
    action = "<action>" text "</action>"      likewise observation, answer

The text inside the tags is natural language (ReWatch-R1, stage 3): `look at 00:03`, `find a red circle`. `parse` takes
what it can from any text, so that rewards and reports can use half a trace; `well_formed` is true only for text that
follows the grammar exactly, with one answer at the end and no empty tag. Free prose between tags is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SEARCH = "find "
"""What the text of a search begins with (`action_text` of agent_cot); any other action is a look at a moment."""

TAGS = ("<action>", "</action>", "<observation>", "</observation>", "<answer>", "</answer>")

_TOKEN = re.compile(r"<(/?)(action|observation|answer)>")


@dataclass(frozen=True)
class Pair:
    """One look: what was done, and what was seen."""

    action: str
    observation: str

    @property
    def is_search(self) -> bool:
        """Whether something is sought, rather than a moment looked at."""
        return self.action.startswith(SEARCH)


@dataclass(frozen=True)
class ParsedTrace:
    """What a text says: its pairs in order, its last answer ("" without one), and whether it follows the grammar."""

    pairs: tuple[Pair, ...]
    answer: str
    well_formed: bool


def parse(text: str) -> ParsedTrace:
    """Read a trace.

    >>> parse("<action>look at 00:03</action><observation>00:03 a red cross</observation><answer>red</answer>")
    ParsedTrace(pairs=(Pair(action='look at 00:03', observation='00:03 a red cross'),), answer='red', well_formed=True)
    """
    spans, balanced = _spans(text)
    pairs: list[Pair] = []
    answers: list[str] = []
    pending: str | None = None
    ordered = True
    for tag, content in spans:
        if answers:
            ordered = False  # nothing may follow the answer
        if tag == "action":
            ordered = ordered and pending is None
            pending = content
        elif tag == "observation":
            if pending is None:
                ordered = False
            else:
                pairs.append(Pair(pending, content))
            pending = None
        else:
            answers.append(content)
    filled = all(content for _, content in spans)
    well_formed = balanced and ordered and filled and pending is None and len(answers) == 1
    return ParsedTrace(tuple(pairs), answers[-1] if answers else "", well_formed)


def render(pairs: tuple[Pair, ...], answer: str) -> str:
    """The plainest trace with these pairs and this answer; `parse` gives them back."""
    looks = "".join(f"<action>{pair.action}</action><observation>{pair.observation}</observation>" for pair in pairs)
    return f"{looks}<answer>{answer}</answer>"


def strip(text: str) -> str:
    """The text without any tag of the grammar, for quoting what a policy wrote inside a prompt.

    Removing one tag may join the halves of another, so what is kept is looked at again at every `>`: only its end can
    have become a tag, and one pass is enough however deep tags are nested.

    >>> strip("<act<answer>ion>red</answer> < blue")
    'red < blue'
    """
    if not _TOKEN.search(text):
        return text
    kept: list[str] = []
    pieces = text.split(">")
    for piece in pieces[:-1]:
        kept.extend(piece)
        kept.append(">")
        tag = next((tag for tag in TAGS if "".join(kept[-len(tag) :]) == tag), "")
        if tag:
            del kept[-len(tag) :]
    return "".join(kept) + pieces[-1]


def _spans(text: str) -> tuple[list[tuple[str, str]], bool]:
    """The closed tags in order, with their stripped content, and whether every tag was opened and closed singly."""
    spans: list[tuple[str, str]] = []
    balanced = True
    opened: tuple[str, int] | None = None
    for match in _TOKEN.finditer(text):
        closing, tag = match.group(1) == "/", match.group(2)
        if closing and opened is not None and opened[0] == tag:
            spans.append((tag, text[opened[1] : match.start()].strip()))
            opened = None
        elif closing:
            balanced = False
        else:
            balanced = balanced and opened is None
            opened = (tag, match.end())
    return spans, balanced and opened is None
