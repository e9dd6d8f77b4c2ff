"""Where the right option stands: an equal share of questions for each position, so that no position can be guessed.

Each video deals its questions round the positions from an offset of its own, which needs no knowledge of other videos:
a new video moves no option of an old one. What chance leaves uneven in a small corpus is then corrected by moving as
few questions as needed, in a fixed order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from components.core.data.rows import Question, digest_of


def place_options(questions: Sequence[Question], tolerance: float) -> list[Question]:
    """The same questions, their right options re-placed, in the same order; open ones are left as they are.

    Args:
        tolerance: largest deviation of a position's share from an equal one that is left uncorrected.
    """
    by_size: dict[int, list[Question]] = defaultdict(list)
    for question in questions:
        if question.form == "multiple_choice":
            by_size[len(question.options)].append(question)
    targets: dict[str, int] = {}
    for size, group in by_size.items():
        targets.update(_correct(_deal(group, size), size, tolerance))
    return [move_key(question, targets.get(question.question_id, question.answer_index)) for question in questions]


def move_key(question: Question, position: int) -> Question:
    """The question with its right option at `position`; the other options keep their order."""
    if question.form != "multiple_choice" or position == question.answer_index:
        return question
    others = [option for index, option in enumerate(question.options) if index != question.answer_index]
    options = (*others[:position], question.options[question.answer_index], *others[position:])
    return question.model_copy(update={"options": options, "answer_index": position})


def position_counts(questions: Sequence[Question]) -> dict[int, list[int]]:
    """For each number of options, how many questions have their right option at each position."""
    counts: dict[int, list[int]] = {}
    for question in questions:
        if question.form == "multiple_choice":
            counts.setdefault(len(question.options), [0] * len(question.options))[question.answer_index] += 1
    return counts


def _deal(questions: Sequence[Question], size: int) -> dict[str, int]:
    by_video: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        by_video[question.video_id].append(question.question_id)
    targets: dict[str, int] = {}
    for video_id, ids in by_video.items():
        offset = int(digest_of("positions", video_id)[:8], 16)
        for turn, question_id in enumerate(sorted(ids, key=lambda id: digest_of("turn", id))):
            targets[question_id] = (offset + turn) % size
    return targets


def _correct(targets: dict[str, int], size: int, tolerance: float) -> dict[str, int]:
    """Move questions from the fullest position to the emptiest until every share is within half the tolerance."""
    targets = dict(targets)
    counts = Counter({position: 0 for position in range(size)})
    counts.update(targets.values())
    allowed = max(1.0, tolerance / 2 * len(targets))
    waiting = sorted(targets, key=lambda id: digest_of("move", id))
    while max(counts.values()) - min(counts.values()) > allowed:
        fullest = max(counts, key=lambda position: (counts[position], -position))
        emptiest = min(counts, key=lambda position: (counts[position], position))
        moved = next(id for id in waiting if targets[id] == fullest)
        waiting.remove(moved)
        targets[moved] = emptiest
        counts[fullest] -= 1
        counts[emptiest] += 1
    return targets
