"""Questions of one video that ask for the same thing twice.

Two questions are duplicates when their answers agree and their texts are equal or share almost all words. Times and
numbers decide: "What is shown at [00:03]?" and "… at [00:05]?" are two questions. The same text with two different
answers is worse than a duplicate, since at most one can be right: the later one is refused as well. Duplicates across
videos are the questions gate's matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\d+(?:[:.]\d+)*|[^\W\d_]+")


def words_of(text: str) -> list[str]:
    """The words, numbers and times of a text, in lower case and without punctuation."""
    return _WORD.findall(text.casefold())


def similarity(first: Sequence[str], second: Sequence[str]) -> float:
    """Jaccard similarity of two lists of words: 1 for equal sets, 0 for disjoint ones.

    Lists whose numbers differ have similarity 0.
    """
    left, right = set(first), set(second)
    if {word for word in left if word[0].isdigit()} != {word for word in right if word[0].isdigit()}:
        return 0.0
    return len(left & right) / len(left | right) if left | right else 1.0


class SeenQuestions:
    """The questions of one video accepted so far.

    Args:
        threshold: similarity from which two questions with the same answer are duplicates.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._seen: list[tuple[list[str], list[str], str]] = []

    def objection(self, question: str, answer: str) -> str:
        """Why the question repeats an accepted one, or an empty string if it does not."""
        words, answer_words = words_of(question), words_of(answer)
        for seen_words, seen_answer, seen_question in self._seen:
            if words == seen_words and answer_words != seen_answer:
                return f"asks the same as an earlier question but answers differently: {seen_question}"
            if answer_words == seen_answer and similarity(words, seen_words) >= self._threshold:
                return f"near-duplicate of an earlier question: {seen_question}"
        return ""

    def accept(self, question: str, answer: str) -> None:
        """Remember a question that was kept."""
        self._seen.append((words_of(question), words_of(answer), question))
