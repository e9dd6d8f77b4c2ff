"""What can be guessed without the video: the answer that questions of the same kind had most often.

Chance counts the options; a reader of many questions knows more. "For how many seconds is the red circle visible?" is
answered "1" in half of all clips, so one who always says "1" where it is offered is right far above chance. This prior
is learned from questions and answers alone: how often each answer was right for questions of one template (the words
that many questions share; times, numbers and rare words masked), for the question type where the template is rare, and
over all questions where the type is. Of the options offered, the most frequent is chosen.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from components.core.data.rows import Question
from components.core.judging.matching import normalise

COMMON = 0.1
"""A word belongs to a template when this share of the questions holds it; other words are what a question is about."""

WEIGHT = 5.0
"""Answers that the coarser kind is worth in the estimate for the finer one."""

NEVER = 1e-3
"""How likely an answer is that was never seen."""

_TIME = re.compile(r"\d+:\d\d(?:\.\d+)?")
_NUMBER = re.compile(r"(?<!\w)-?\d+(?:\.\d+)?%?(?!\w)")

Kinds = tuple[str, str, str]
"""What a question is an example of, from coarse to fine: any question, its type, its template."""


class Templates:
    """Tells the template of a question, by the words that many of some questions hold."""

    def __init__(self, questions: Iterable[Question]) -> None:
        texts = [frozenset(masked(question.question)) for question in questions]
        seen = Counter(word for words in texts for word in words)
        self._common = {word for word, count in seen.items() if count >= COMMON * len(texts)}

    def of(self, question: Question) -> str:
        """The question with what is its own left out.

        >>> shapes = ("circle", "square", "star", "heart", "cross", "bar", "ring", "arrow", "cube", "cone", "disc")
        >>> asked = [Question.model_construct(question=f"What colour is the {shape} at [00:03]?") for shape in shapes]
        >>> Templates(asked).of(asked[0])
        'what colour is _ at TIME'
        """
        return " ".join(word if word in self._common else "_" for word in masked(question.question))

    def kinds(self, question: Question) -> Kinds:
        """What a question is an example of, from coarse to fine."""
        return "", question.type.value, f"{question.type.value} {self.of(question)}"


class BlindPrior:
    """How often each answer was right, by kind of question; learned without a look.

    Args:
        questions: with their answers. Multiple-choice or open, options are not needed.
    """

    def __init__(self, questions: Sequence[Question], templates: Templates | None = None) -> None:
        self.templates = templates or Templates(questions)
        self._answers: Counter[tuple[str, str]] = Counter()
        self._total: Counter[str] = Counter()
        for question in questions:
            for kind in self.templates.kinds(question):
                self._answers[kind, normalise(question.answer)] += 1
                self._total[kind] += 1

    def __bool__(self) -> bool:
        """Whether anything was learned."""
        return bool(self._total)

    def log_likelihoods(self, question: Question, but: BlindPrior | None = None) -> list[float]:
        """For each option, the logarithm of how likely it is the answer.

        Args:
            but: what was learned from some of the same questions, to be left out.
        """
        kinds = self.templates.kinds(question)
        return [math.log(self._likelihood(kinds, normalise(option), but)) for option in question.options]

    def accuracy(self, question: Question) -> float:
        """The expected accuracy on one question: 1 or 0, or a share where several options are equally likely."""
        return expected_accuracy(self.log_likelihoods(question), question.answer_index)

    def _likelihood(self, kinds: Kinds, answer: str, but: BlindPrior | None) -> float:
        likelihood = NEVER
        for kind in kinds:
            count, total = self._answers[kind, answer], self._total[kind]
            if but is not None:
                count, total = count - but._answers[kind, answer], total - but._total[kind]
            likelihood = (count + WEIGHT * likelihood) / (total + WEIGHT)
        return likelihood


def expected_accuracy(scores: Sequence[float], key: int) -> float:
    """The accuracy of choosing the option with the highest score, ties being broken by chance.

    >>> expected_accuracy([0.5, 0.5, 0.1], 0), expected_accuracy([0.5, 0.5, 0.1], 2)
    (0.5, 0.0)
    """
    best = max(scores)
    chosen = [index for index, score in enumerate(scores) if score >= best - 1e-9]
    return (key in chosen) / len(chosen)


@lru_cache(maxsize=1 << 14)
def masked(text: str) -> tuple[str, ...]:
    """The words of a question, times and numbers masked."""
    return tuple(_NUMBER.sub("NUMBER", _TIME.sub("TIME", normalise(text))).split())
