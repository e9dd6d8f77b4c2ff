"""Does it matter to a student in which order things are shown? The same question about a video and about its reverse.

Both halves of a pair have the same words and the same options; only the right option differs, because the video runs
backwards in one of them. Who answers from the words, or from what is shown without its order, gives one answer to both
and wins no pair; who guesses both wins one of sixteen. A single half cannot tell that.

What is right of the reversed video is derived from the caption reversed in time: the inferrer answers the open question
from its lines, with no option in sight. Where that is no answer, or the same answer, order does not matter and there is
no pair. Only questions about order and time are paired: counts do not change, and ways of moving do where the words of
the caption do not. With captions that name actions ("sits down") a reversed text is false, whatever its order; such
captions make no pairs (`reversed_pairs: 0`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from components.core.data.question_types import QuestionKind, QuestionType
from components.core.data.rows import CaptionEvent, Prediction, Question, Score, digest_of
from components.core.errors import ReplyError
from components.core.judging.judge import Judge
from components.core.judging.options import match_option
from components.core.traces.looks import ALL, GROUPS
from components.core.traces.tags import Pair
from components.core.traces.timecodes import render_span
from components.evaluation.score_table import Measured, ScoreWriter, by_system

if TYPE_CHECKING:
    from components.core.video.readers.pyav import Frame

ORDERED = frozenset(
    {
        QuestionKind.MOMENT,
        QuestionKind.AFTER,
        QuestionKind.BEFORE,
        QuestionKind.WHEN,
        QuestionKind.FROM_TO,
        QuestionKind.ORDER,
    }
)
FORWARD, REVERSED = "_forward", "_reversed"
"""What the names of a pair's two predictions end with."""


@dataclass(frozen=True)
class ReversedPair:
    """One question and its answers to a video and to its reverse; equal but for `answer` and `answer_index`."""

    forward: Question
    backward: Question


def backwards(frames: Sequence[Frame]) -> list[Frame]:
    """The same times, at each what is shown as long before the end."""
    return [replace(frame, pixels=other.pixels) for frame, other in zip(frames, reversed(frames), strict=True)]


def lines_backwards(events: Sequence[CaptionEvent], duration_s: float) -> str:
    """A caption reversed in time, as one observation.

    Args:
        events: in order of time.
    """
    mirrored = [(max(0.0, duration_s - e.end_s), duration_s - e.start_s, e.text) for e in reversed(events)]
    return "; ".join(f"{render_span(start_s, end_s)} {text}" for start_s, end_s, text in mirrored)


def pair_of(question: Question, told: str) -> ReversedPair | None:
    """The pair of a question and what is told of the reversed video; None where that is no other answer.

    An answer that is not among the options takes the place of a wrong one, in both halves.
    """
    if not told.strip():
        return None
    options, right = list(question.options), question.answer_index
    place = match_option(told, options, question.question)
    if place is None:
        place = min((n for n in range(len(options)) if n != right), key=lambda n: digest_of(told, options[n]))
        options[place] = told
    if place == right or any(match_option(text, options, question.question) != n for n, text in enumerate(options)):
        return None
    offered = question.model_copy(update={"options": tuple(options)})
    return ReversedPair(offered, offered.model_copy(update={"answer": options[place], "answer_index": place}))


async def find_pairs(
    judge: Judge,
    questions: Iterable[Question],
    captions: Mapping[str, Sequence[CaptionEvent]],
    durations: Mapping[str, float],
    count: int,
) -> list[ReversedPair]:
    """At most `count` pairs, of the questions that come first by their own digest.

    Args:
        captions: events in order of time, by video id.
        durations: in seconds, by video id.
    """
    fitting = [q for q in questions if q.kind in ORDERED and q.type is not QuestionType.SPATIAL_PERCEPTION]
    ordered = sorted(fitting, key=lambda question: digest_of("reversed", question.question_id))[: 2 * count]

    async def pair(question: Question) -> ReversedPair | None:
        line = lines_backwards(captions[question.video_id], durations[question.video_id])
        try:
            told = await judge.infer(question.model_copy(update={"options": ()}), (Pair("find every event", line),))
        except ReplyError:
            return None
        return pair_of(question, told)

    pairs = await asyncio.gather(*(pair(question) for question in ordered))
    return [found for found in pairs if found is not None][:count]


def pair_scores(writer: ScoreWriter, predictions: Sequence[Prediction]) -> list[Score]:
    """By system and group: pairs of which both halves are right, and pairs that got one and the same answer twice.

    Args:
        predictions: both halves of every pair, told apart by the ends of their systems' names.
    """
    systems = by_system(predictions)
    scores = []
    for name in [name.removesuffix(FORWARD) for name in systems if name.endswith(FORWARD)]:
        backward = {row.question_id: row for row in systems.get(name + REVERSED, ())}
        both = [(row, backward[row.question_id]) for row in systems[name + FORWARD] if row.question_id in backward]
        for group in GROUPS:
            pairs = [pair for pair in both if group in (ALL, *pair[0].groups)]
            won: list[Measured] = [(float(one.correct and two.correct), one.video_id) for one, two in pairs]
            same: list[Measured] = [(float(one.answer == two.answer), one.video_id) for one, two in pairs]
            if pairs:
                scores.append(writer.score(name, "reversed_pairs", group, won))
                scores.append(writer.score(name, "reversed_unchanged", group, same))
    return scores
