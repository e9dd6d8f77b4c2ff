"""The trained text-only probe: how far a reader gets that learned from other videos' questions, and sees none.

The auditor reads a question for the first time. A student reads thousands and learns what their answers have in
common: which answer a template has most often (`BlindPrior`), and what marks a right option among its neighbours: its
words, its length, whether it is the smallest number, how much it shares with the others or with the question. The
latter are hashed features of a conditional logistic regression over the options, whose scores add to the prior's.

Every question is answered by a probe that learned from other videos alone (five folds). All is deterministic.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from components.core.data.rows import Question, digest_of
from components.core.judging.blind import BlindPrior, Templates, expected_accuracy, masked
from components.core.judging.matching import normalise
from components.core.judging.quantities import Quantity, quantities

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray

FOLDS = 5
WIDTH = 1 << 16
"""Weights; features are hashed into so many."""

PENALTY = 0.1
"""Squared weights are charged this much per training question. Of 0.001 to 0.1, the strongest did best on held-out
videos of the sandbox: there is little to learn beside the prior."""

STEPS, RATE = 60, 0.3
"""Of AdaGrad on all questions at once; the accuracy no longer moves after 40."""


@dataclass(frozen=True)
class ProbedQuestions:
    """Whether the probe was right, by question; a share where options were tied."""

    questions: Sequence[Question]
    accuracies: Sequence[float]
    templates: Sequence[str]

    def by_template(self) -> list[tuple[str, float, int]]:
        """(an example, accuracy, questions) of each template, by right answers above chance, most first."""
        groups: dict[str, list[float]] = defaultdict(list)
        above: dict[str, float] = defaultdict(float)
        examples: dict[str, str] = {}
        for question, accuracy, template in zip(self.questions, self.accuracies, self.templates, strict=True):
            groups[template].append(accuracy)
            above[template] += accuracy - 1 / len(question.options)
            examples.setdefault(template, question.question)
        order = sorted(groups, key=lambda template: (-above[template], template))
        return [(examples[name], sum(groups[name]) / len(groups[name]), len(groups[name])) for name in order]


def probe_with_text(questions: Sequence[Question]) -> ProbedQuestions:
    """Let the probe answer multiple-choice questions, each learned from the other folds' videos."""
    templates = Templates(questions)
    features = [_features(question) for question in questions]
    folds = [int(digest_of("fold", question.video_id)[:8], 16) % FOLDS for question in questions]
    accuracies = [0.0] * len(questions)
    for fold in range(FOLDS):
        learned = [index for index, own in enumerate(folds) if own != fold]
        asked = [index for index, own in enumerate(folds) if own == fold]
        if not learned or not asked:
            continue
        prior, scored = _prior_scores([questions[index] for index in learned], templates)
        weights = _fit([features[i] for i in learned], scored, [questions[i].answer_index for i in learned])
        for index in asked:
            question = questions[index]
            scores = [
                known + float(weights[option].sum())
                for known, option in zip(prior.log_likelihoods(question), features[index], strict=True)
            ]
            accuracies[index] = expected_accuracy(scores, question.answer_index)
    return ProbedQuestions(questions, accuracies, [templates.of(question) for question in questions])


def _prior_scores(learned: Sequence[Question], templates: Templates) -> tuple[BlindPrior, list[list[float]]]:
    """The prior, and for each question it was learned from its scores without what that question's video taught it."""
    prior = BlindPrior(learned, templates)
    by_video: dict[str, list[Question]] = defaultdict(list)
    for question in learned:
        by_video[question.video_id].append(question)
    own = {video_id: BlindPrior(questions, templates) for video_id, questions in by_video.items()}
    return prior, [prior.log_likelihoods(question, but=own[question.video_id]) for question in learned]


def _features(question: Question) -> list[Array]:
    """For each option the hashed features of its text, alone and among the others."""
    import numpy as np

    asked = masked(question.question)
    texts = [normalise(option) for option in question.options]
    words = [text.split() for text in texts]
    values = [_value(option) for option in question.options]
    lengths = [float(len(option)) for option in question.options]
    rows = []
    for index, own in enumerate(words):
        others = [word for other, text in enumerate(words) if other != index for word in text]
        found = [f"option {texts[index]}", *(f"word {word}" for word in own), *(f"pair {pair}" for pair in _pairs(own))]
        found += [f"asked {word} {texts[index]}" for word in asked]
        found += [f"length {_rank(lengths, index)}", f"repeats {len(set(own) & set(asked))}"]
        found += [f"shares {sum(other in own for other in others)}"]
        if all(value is not None for value in values):
            rank = _rank([float(value or 0.0) for value in values], index)
            found += [f"value {rank}", *(f"asked {word} value {rank}" for word in asked)]
        rows.append(np.array([zlib.crc32(name.encode()) % WIDTH for name in found]))
    return rows


def _fit(features: Sequence[Sequence[Array]], known: Sequence[Sequence[float]], keys: Sequence[int]) -> Array:
    """Weights that, added to what is known, make the right options likely: softmax over each question's options."""
    import numpy as np

    options = [option for question in features for option in question]
    sizes = np.array([len(question) for question in features])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    question_of = np.repeat(np.arange(len(sizes)), sizes)
    used, places = np.unique(np.concatenate(options), return_inverse=True)
    option_of = np.repeat(np.arange(len(options)), [len(option) for option in options])
    offset = np.array([score for question in known for score in question])
    right = np.zeros(len(options))
    right[starts + np.array(keys)] = 1.0
    weights, moved = np.zeros(len(used)), np.full(len(used), 1e-8)
    for _ in range(STEPS):
        scores = offset + np.bincount(option_of, weights[places], minlength=len(options))
        likely = np.exp(scores - np.maximum.reduceat(scores, starts)[question_of])
        likely /= np.add.reduceat(likely, starts)[question_of]
        slope = np.bincount(places, (likely - right)[option_of], minlength=len(used)) + PENALTY * len(sizes) * weights
        moved += slope * slope
        weights -= RATE * slope / np.sqrt(moved)
    everywhere = np.zeros(WIDTH)
    everywhere[used] = weights
    return everywhere


def _value(option: str) -> float | None:
    """A number, a time, or how long a stretch lasts; None for an option that is none."""
    found = quantities(option)
    if not found:
        return None
    first = found[0]
    return first.value if isinstance(first, Quantity) else first.end_s - first.start_s


def _rank(values: Sequence[float], index: int) -> str:
    """How many are less, and how many more."""
    own = values[index]
    return f"{sum(value < own for value in values)}/{sum(value > own for value in values)}"


def _pairs(words: Sequence[str]) -> Iterator[str]:
    return (f"{first} {second}" for first, second in pairwise(words))
