"""Which questions of a video get a trajectory.

A share goes to questions that a single look answers, because a student must learn to look before it can look twice; the
rest goes round the other types. The choice depends on the questions' identifiers alone, so that adding a video changes
nobody else's trajectories.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from components.core.data.rows import Question, digest_of


def choose(questions: Sequence[Question], per_video: int, single_look_share: float) -> list[Question]:
    """At most `per_video` of one video's questions (0: all), in a fixed order.

    The single-look share is rounded up; where a video has too few questions of one kind, the other fills its places.
    """
    ordered = sorted(questions, key=lambda question: digest_of("choice", question.question_id))
    if not per_video or len(ordered) <= per_video:
        return ordered
    single = [question for question in ordered if question.is_single_look]
    others = round_robin([question for question in ordered if not question.is_single_look])
    wanted = math.ceil(per_video * single_look_share - 1e-9)
    taken = single[:wanted] + others[: per_video - min(wanted, len(single))]
    return taken + single[wanted : wanted + per_video - len(taken)]


def round_robin(questions: Sequence[Question]) -> list[Question]:
    """One question of each type, then the second of each, and so on; the first type is that of the first question."""
    by_type: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_type[question.type].append(question)
    rounds = max((len(same) for same in by_type.values()), default=0)
    return [same[turn] for turn in range(rounds) for same in by_type.values() if turn < len(same)]
