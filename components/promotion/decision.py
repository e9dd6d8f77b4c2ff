"""Whether a challenger replaces the champion: a paired comparison on the same questions, or a refusal in words.

Scores of different protocols, or on different questions, do not compare (DESIGN §5); no number is invented for a
champion that has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from components.core.intervals import clustered_bootstrap
from components.core.records import Prediction, Protocol, Score, Strict, digest_of
from components.promotion.settings import PromotionSettings

Verdict = Literal["promoted", "kept", "refused"]


class Answered(Strict):
    """One held-out question as one model answered it."""

    question_id: str
    video_id: str
    correct: bool


class ScoreCard(Strict):
    """What a model scored: all that is needed to compare another with it later."""

    system: str
    model_digest: str
    protocol: Protocol
    answers: tuple[Answered, ...]

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return sum(answer.correct for answer in self.answers) / len(self.answers)

    @property
    def questions_digest(self) -> str:
        """Names the set of questions."""
        return digest_of(sorted(answer.question_id for answer in self.answers))


class Decision(Strict):
    """What was decided, why, and on what figures."""

    verdict: Verdict
    text: str
    challenger_accuracy: float | None = None
    champion_accuracy: float | None = None
    champion_version: str = ""
    version: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


def score_card(
    predictions: Iterable[Prediction], scores: Iterable[Score], settings: PromotionSettings, model_digest: str
) -> ScoreCard | None:
    """The score card of the system that stands for promotion; None when the evaluation does not hold it."""
    answers = [
        Answered(question_id=row.question_id, video_id=row.video_id, correct=row.correct)
        for row in predictions
        if row.system == settings.system
    ]
    protocols = [row.protocol for row in scores if row.system == settings.system and row.metric == settings.metric]
    if not answers or not protocols:
        return None
    answers.sort(key=lambda answer: answer.question_id)
    return ScoreCard(system=settings.system, model_digest=model_digest, protocol=protocols[0], answers=tuple(answers))


def decide(
    challenger: ScoreCard | None,
    champion: ScoreCard | None,
    champion_version: str,
    settings: PromotionSettings,
) -> Decision:
    """Compare a challenger with the champion.

    Args:
        champion: None when there is no champion, or when it has no stored score card.
        champion_version: its version in the registry, "" when there is none.
    """
    if challenger is None:
        return Decision(
            verdict="refused",
            champion_version=champion_version,
            text=f"The evaluation holds no {settings.metric} of '{settings.system}', so there is nothing to promote.",
        )
    accuracy, n = challenger.accuracy, len(challenger.answers)
    if not champion_version:
        text = f"There was no champion: this model ({accuracy:.1%}, n = {n}) is the first."
        return Decision(verdict="promoted", text=text, challenger_accuracy=accuracy, n=n)
    refusal = _incomparable(challenger, champion, champion_version, settings)
    if refusal or champion is None:
        return Decision(
            verdict="refused", text=refusal, challenger_accuracy=accuracy, champion_version=champion_version, n=n
        )
    return _compare(challenger, champion, champion_version, settings)


def _incomparable(challenger: ScoreCard, champion: ScoreCard | None, version: str, settings: PromotionSettings) -> str:
    """Why the two cannot be compared; "" when they can."""
    if champion is None:
        return f"The champion (version {version}) has no stored score: evaluate it under this protocol first."
    differing = [
        name for name in Protocol.model_fields if getattr(champion.protocol, name) != getattr(challenger.protocol, name)
    ]
    if champion.questions_digest != challenger.questions_digest:
        common = {a.question_id for a in champion.answers} & {a.question_id for a in challenger.answers}
        return (
            f"The champion (version {version}) answered other questions: {len(common)} in common of "
            f"{len(champion.answers)} and {len(challenger.answers)}. Evaluate it on the new ones first."
        )
    if differing:
        return (
            f"The champion (version {version}) was measured under another protocol ({', '.join(differing)} differ): "
            "evaluate it under this one first."
        )
    if len(challenger.answers) < settings.min_questions:
        return f"{len(challenger.answers)} questions decide nothing; at least {settings.min_questions} are wanted."
    return ""


def _compare(challenger: ScoreCard, champion: ScoreCard, version: str, settings: PromotionSettings) -> Decision:
    before = {answer.question_id: answer.correct for answer in champion.answers}
    gains = [float(answer.correct) - float(before[answer.question_id]) for answer in challenger.answers]
    videos = [answer.video_id for answer in challenger.answers]
    difference = clustered_bootstrap(gains, videos)
    same = champion.model_digest == challenger.model_digest
    promoted = not same and difference.low >= settings.min_gain
    measured = (
        f"{challenger.accuracy:.1%} against {champion.accuracy:.1%} of version {version}, difference "
        f"{difference.mean:+.1%} (95 % {difference.low:+.1%} to {difference.high:+.1%}, {difference.n} questions of "
        f"{len(set(videos))} videos)"
    )
    if same:
        text = f"This model is the champion already (version {version}, {champion.accuracy:.1%}, n = {difference.n})."
    elif promoted:
        text = f"Promoted: {measured}."
    else:
        text = f"The champion stays: {measured}; the lower bound is below {settings.min_gain:+.1%}."
    return Decision(
        verdict="promoted" if promoted else "kept",
        text=text,
        challenger_accuracy=challenger.accuracy,
        champion_accuracy=champion.accuracy,
        champion_version=version,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        n=difference.n,
    )
