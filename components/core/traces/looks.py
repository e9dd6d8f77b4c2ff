"""How many looks a question asks for: one, or a search.

One look is enough where the evidence is a single stretch of the video *and* the question says when to look: it names a
time, in whatever words, that lies in that stretch. Evidence alone does not tell: "When does the purple cross appear?"
has one stretch, too, but who is asked has to find it first. A time alone does not tell either: the evidence of "If the
video had stopped at [00:05], how many shapes would have been seen?" lies all over the video. On the sandbox's 9,716
questions this parts the traces that begin with a look from those that begin with a search, without exception.
"""

from __future__ import annotations

from components.core.data.rows import Question
from components.core.traces.timecodes import times_in

ROUNDING_S = 0.5
"""Times in questions are whole seconds, spans are not."""


def is_single_look(question: Question) -> bool:
    """Whether one look, at a time that the question names, shows all of its evidence."""
    if len(question.evidence) != 1:
        return False
    (span,) = question.evidence
    named = times_in(question.question)
    return any(span.start_s - ROUNDING_S <= time <= span.end_s + ROUNDING_S for time in named)
