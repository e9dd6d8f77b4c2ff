"""Comparing many answers at once: by rule where a rule can tell, by the judge for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.data.rows import Question
from components.core.judging import prompts
from components.core.judging.matching import compare
from components.core.teachers.batches import ask_in_batches
from components.core.teachers.client import Teachers
from components.core.teachers.roles import RoleSettings


@dataclass(frozen=True)
class PredictedAnswer:
    """A prediction beside the question it answers."""

    question: Question
    prediction: str


@dataclass(frozen=True)
class Matches:
    """Which questions were answered right, by question id, and the stored calls that said so."""

    correct: dict[str, bool]
    request_keys: tuple[str, ...] = ()


async def match_answers(
    teachers: Teachers, judge: RoleSettings | None, answers: Sequence[PredictedAnswer], batch_size: int = 20
) -> Matches:
    """Decide for each prediction whether it says its question's answer; one prediction per question.

    Args:
        judge: who decides where no rule can; None counts every undecided prediction as wrong.
        batch_size: predictions per call of the judge.

    Raises:
        ReplyError: the judge left a prediction out, or its reply stayed invalid.
    """
    by_id = {answer.question.question_id: answer for answer in answers}
    rules = {
        id: compare(answer.prediction, answer.question.answer, question=answer.question.question)
        for id, answer in by_id.items()
    }
    correct = {id: bool(verdict) for id, verdict in rules.items()}
    undecided = {id: by_id[id] for id, verdict in rules.items() if verdict is None}
    if judge is None or not undecided:
        return Matches(correct)
    said = await ask_in_batches(
        teachers, judge, undecided, _prompt, prompts.AnswerMatches, lambda reply: reply.matches, batch_size
    )
    correct.update({id: one.entry.match for id, one in said.items()})
    return Matches(correct, tuple(dict.fromkeys(one.reply.key for one in said.values())))


def _prompt(answers: Sequence[PredictedAnswer]) -> prompts.Prompt:
    return prompts.answer_match(
        [(a.question.question_id, a.question.question, a.prediction, a.question.answer) for a in answers]
    )
