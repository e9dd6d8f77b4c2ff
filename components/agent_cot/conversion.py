"""Whether prose still says what the steps said.

The converter may phrase, but not add: the prose must follow the tag grammar, keep each step as one pair in order, end
in the same answer, and name no time that neither the question nor the steps name. Invented times are the invention
that hurts most, since the student learns to look where they point.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.core.judging.matching import normalise, times_in
from components.core.records import Step
from components.core.students.tags import parse


def unfaithful(text: str, question: str, steps: Sequence[Step], answer: str) -> str:
    """Why `text` is no rendering of these steps and this answer; "" when it is one."""
    trace = parse(text)
    if not trace.well_formed:
        return "tags do not parse"
    if len(trace.pairs) != len(steps):
        return f"{len(trace.pairs)} looks instead of {len(steps)}"
    if normalise(trace.answer) != normalise(answer):
        return "another answer"
    known = set(times_in(question)) | set(times_in(answer))
    for step in steps:
        known.update(times_in(step.argument), times_in(step.observation))
    invented = [time for time in times_in(text) if time not in known]
    return f"names a time that no step names: {invented[0]:g} s" if invented else ""
