"""The judge of re-watching traces: the terms of the O&R reward for samples of a policy.

Decisions: multiple choice is scored by matching the option, never by a model. Judge and inferrer are asked only where
the answer is right, for elsewhere their terms are multiplied by zero. All pairs of a trajectory go to the judge in
one call, and what several samples share (the same pairs for the same question) is asked once. A sample whose judge
failed has no reward: it is None, and `rewards.group_advantages` leaves it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.core.data.rows import CaptionEvent, Question
from components.core.errors import ReplyError
from components.core.judging import prompts
from components.core.judging.answers import PredictedAnswer, match_answers
from components.core.judging.options import match_option
from components.core.judging.rewards import RewardTerms, observation_term
from components.core.teachers.client import Teachers
from components.core.teachers.roles import RoleSettings
from components.core.traces.tags import Pair

Pairs = tuple[Pair, ...]
Value = TypeVar("Value")


@dataclass(frozen=True)
class RewardSample:
    """One sampled answer to one question, parsed.

    Attributes:
        caption: the events of the question's video in order of time (C_detail).
        pairs: the (action, observation) pairs of the trace; () in direct mode.
        answer: the answer as written; None or "" where there is none.
        well_formed: whether the text follows the format that its prompt asked for.
    """

    question: Question
    caption: Sequence[CaptionEvent]
    pairs: Pairs
    answer: str | None
    well_formed: bool


class Judge:
    """Scores samples with the roles `judge` and `inferrer`.

    Args:
        teachers: where the roles are asked.
        judge, inferrer: who they are.

    `asked` and `failed` count the samples for which the two were asked, and those among them without a result.
    """

    def __init__(self, teachers: Teachers, judge: RoleSettings, inferrer: RoleSettings) -> None:
        self._teachers = teachers
        self._judge = judge
        self._inferrer = inferrer
        self.asked = 0
        self.failed = 0

    async def score(
        self, samples: Sequence[RewardSample], *, judge_wrong_answers: bool = False
    ) -> list[RewardTerms | None]:
        """The reward terms of each sample, None for those whose judge failed.

        Args:
            judge_wrong_answers: judge the looks of wrong answers too, as evaluation does to measure faithfulness.

        Raises:
            TeacherUnavailable: an endpoint is down; BudgetExceeded: the budget is spent.
        """
        once = _Once()
        return list(await asyncio.gather(*(self._score(sample, once, judge_wrong_answers) for sample in samples)))

    async def _score(self, sample: RewardSample, once: _Once, judge_wrong_answers: bool) -> RewardTerms | None:
        question, pairs, form = sample.question, sample.pairs, float(sample.well_formed)
        asking = False
        try:
            correct = await self._correct(question, sample.answer or "", once)
            if not pairs or not (correct or judge_wrong_answers):
                return RewardTerms(float(correct), 0.0, 0.0, form, judged=False)
            asking = True
            self.asked += 1
            verdicts, inferred = await asyncio.gather(
                once.of(("seen", question.video_id, pairs), lambda: self._seen(sample.caption, pairs)),
                once.of(("inferred", question.question_id, pairs), lambda: self.infer(question, pairs)),
            )
            proved = await self._correct(question, inferred, once)
        except ReplyError:
            self.failed += asking
            return None
        seen = observation_term(verdicts)
        return RewardTerms(float(correct), seen, float(proved), form, True, inferred, tuple(verdicts))

    async def _correct(self, question: Question, answer: str, once: _Once) -> bool:
        if question.form == "multiple_choice":
            return match_option(answer, question.options, question.question) == question.answer_index
        return await once.of(("answer", question.question_id, answer), lambda: self._match(question, answer))

    async def _match(self, question: Question, answer: str) -> bool:
        matches = await match_answers(self._teachers, self._judge, [PredictedAnswer(question, answer)])
        return matches.correct[question.question_id]

    async def _seen(self, caption: Sequence[CaptionEvent], pairs: Pairs) -> list[bool]:
        prompt, check = prompts.observation_check(caption, pairs), prompts.verdict_per_pair(pairs)
        return (await self._teachers.ask(self._judge, prompt, prompts.ObservationVerdicts, check=check)).value.verdicts

    async def infer(self, question: Question, pairs: Pairs) -> str:
        """The inferrer's answer to a question from observations alone.

        Raises:
            ReplyError: its reply stayed invalid.
        """
        reply = await self._teachers.ask(self._inferrer, prompts.inference(question, pairs), prompts.InferredAnswer)
        return reply.value.answer


class _Once:
    """Runs each question to the teachers once, and gives its result to all who ask meanwhile or later."""

    def __init__(self) -> None:
        self._running: dict[object, asyncio.Future[object]] = {}

    async def of(self, key: object, ask: Callable[[], Awaitable[Value]]) -> Value:
        if key not in self._running:
            self._running[key] = asyncio.ensure_future(ask())
        return await self._running[key]  # type: ignore[return-value]  # the key determines the type of its value
