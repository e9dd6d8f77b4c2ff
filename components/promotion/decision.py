"""Whether a challenger replaces its rival: a paired comparison on the questions of one evaluation, or a refusal.

The rival is the champion, asked in the same evaluation as the challenger, or the untrained model while there is no
champion. What both answered is compared; a few questions that only one of them answered cost nothing. No number is
invented for a rival that could not be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.core.data.rows import Prediction, Strict
from components.core.judging.intervals import clustered_bootstrap
from components.promotion.settings import PromotionSettings

PromotionVerdict = Literal["promoted", "kept", "refused"]


@dataclass(frozen=True)
class AnsweredQuestion:
    """One held-out question as one model answered it."""

    question_id: str
    video_id: str
    correct: bool


@dataclass(frozen=True)
class Rival:
    """Whom a challenger must beat.

    Attributes:
        name: in words, such as "the champion (version 3)".
        answers: to the questions of the challenger's evaluation.
        margin: what the lower bound of the difference must exceed.
        fault: why it has no answers and what to do about it; "" where it has.
    """

    name: str
    answers: Sequence[AnsweredQuestion]
    margin: float
    fault: str = ""


class Decision(Strict):
    """What was decided, why, and on what figures."""

    verdict: PromotionVerdict
    text: str
    challenger_accuracy: float | None = None
    rival: str = ""
    rival_accuracy: float | None = None
    champion_version: str = ""
    version: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


def answers_of(predictions: Iterable[Prediction], system: str) -> list[AnsweredQuestion]:
    """How one system answered."""
    return [AnsweredQuestion(row.question_id, row.video_id, row.correct) for row in predictions if row.system == system]


def decide(challenger: Sequence[AnsweredQuestion], rival: Rival, settings: PromotionSettings) -> Decision:
    """Compare a challenger with its rival."""
    if not challenger:
        text = f"The evaluation holds no answers of '{settings.system}', so there is nothing to promote."
        return Decision(verdict="refused", text=text, rival=rival.name)
    theirs = {answer.question_id: answer.correct for answer in rival.answers}
    common = [answer for answer in challenger if answer.question_id in theirs]
    if rival.fault or len(common) < settings.min_questions:
        return Decision(
            verdict="refused",
            text=rival.fault or _too_few(len(common), rival, settings),
            challenger_accuracy=_accuracy([answer.correct for answer in challenger]),
            rival=rival.name,
            n=len(common),
        )
    mine = [answer.correct for answer in common]
    before = [theirs[answer.question_id] for answer in common]
    gains = [float(now) - float(then) for now, then in zip(mine, before, strict=True)]
    videos = [answer.video_id for answer in common]
    difference = clustered_bootstrap(gains, videos, confidence=settings.confidence)
    promoted = difference.low > rival.margin
    measured = (
        f"{_accuracy(mine):.1%} against {_accuracy(before):.1%} of {rival.name}, difference {difference.mean:+.1%} "
        f"({settings.confidence * 100:g} % {difference.low:+.1%} to {difference.high:+.1%}, "
        f"{difference.n} questions of {len(set(videos))} videos)"
    )
    needed = f"the lower bound must be above {rival.margin:+.1%}"
    return Decision(
        verdict="promoted" if promoted else "kept",
        text=f"Promoted: {measured}." if promoted else f"Not promoted: {measured}; {needed}.",
        challenger_accuracy=_accuracy(mine),
        rival=rival.name,
        rival_accuracy=_accuracy(before),
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        n=difference.n,
    )


def _accuracy(correct: Sequence[bool]) -> float:
    return sum(correct) / len(correct)


def _too_few(common: int, rival: Rival, settings: PromotionSettings) -> str:
    return (
        f"This model and {rival.name} answered {common} questions in common; fewer than {settings.min_questions} "
        "decide nothing. Hold more videos out (--set ingestion.eval_share=0.4, say), ask more questions (--set "
        "evaluation.several_looks_questions=0 asks all of a kind), or accept fewer "
        f"(--set promotion.min_questions={max(1, common)})."
    )
