"""Traces that say what nobody saw: the ablation that asks what true observations are worth.

Everything that a trace's observations name is replaced by something else of the corpus, the same by the same within one
trace: "00:01 purple cross yes 00:02 white circle no" becomes "00:01 red square yes 00:02 blue cross no". Times, spans,
verdicts, actions and answers stay. So question, form and answer are those of the true trace, and the answer does not
follow from what is said to be seen; what looks and searches teach by themselves (`observe`, `find`) stays true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from components.core.students.prompting import Prompter

_OBSERVATION = re.compile(r"(?<=<observation>).*?(?=</observation>)", re.DOTALL)


def unfaithful(trace: str, names: Sequence[str], rng: Random) -> str:
    """The trace with every name in its observations replaced.

    Args:
        names: of everything that the corpus shows, without articles; two at least.

    >>> told = "<action>look at 00:01</action><observation>00:01 red cross</observation><answer>red</answer>"
    >>> unfaithful(told, ["red cross", "blue square"], Random(0))
    '<action>look at 00:01</action><observation>00:01 blue square</observation><answer>red</answer>'
    """
    others = _without_fixed_point(names, rng)
    if not others:
        return trace
    # the longest first: where one name begins another, the whole is meant
    known = re.compile("|".join(re.escape(name) for name in sorted(others, key=len, reverse=True)))

    def replaced(observation: re.Match[str]) -> str:
        plain = Prompter.in_style(observation[0], "compact")
        return known.sub(lambda found: others[found[0]], plain)

    return _OBSERVATION.sub(replaced, trace)


def _without_fixed_point(names: Sequence[str], rng: Random) -> dict[str, str]:
    """Each name with another in its place, every one of them once; nothing where there is no other."""
    if len(names) < 2:
        return {}
    shuffled = rng.sample(list(names), len(names))
    return dict(zip(shuffled, [*shuffled[1:], shuffled[0]], strict=True))
