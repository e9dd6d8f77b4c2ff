"""Which held-out questions are asked.

The same for every system and every run over the same data, whatever the order of rows, so that champions and
challengers are compared on the same questions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from components.core.data.rows import Question, Video, digest_of


def held_out_questions(
    questions: Iterable[Question], videos: Iterable[Video], single_look: int, two_look: int, max_duration_s: float = 0
) -> list[Question]:
    """Multiple-choice questions on videos of the eval split: at most so many of each kind, 0 for all.

    Args:
        max_duration_s: longer videos are left out; 0 means no limit.
    """
    limit = max_duration_s or math.inf
    held_out = {video.video_id for video in videos if video.split == "eval" and video.duration_s <= limit}
    choices = [q for q in questions if q.form == "multiple_choice" and q.video_id in held_out]
    single = [question for question in choices if question.is_single_look]
    others = [question for question in choices if not question.is_single_look]
    return _some(single, single_look) + _some(others, two_look)


def chunks(videos: Iterable[Video], size: int) -> list[list[Video]]:
    """Videos by length, in chunks of about `size`: each has a neighbour of like length for the control.

    A single video in all makes one chunk of one.
    """
    ordered = sorted(videos, key=lambda video: (video.duration_s, video.video_id))
    parts = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2].extend(parts.pop())
    return parts


def _some(questions: Sequence[Question], limit: int) -> list[Question]:
    ordered = sorted(questions, key=lambda question: digest_of("evaluation", question.question_id))
    return ordered[: limit or None]
