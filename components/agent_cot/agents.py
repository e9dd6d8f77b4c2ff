"""Reasoner, observer and converter at work on one question: one attempt at one trajectory.

(thought, action) = A_R(history); observation = A_O(action, caption); until the reasoner answers (ReWatch-R1, stage 3).
What goes wrong with the words ends the attempt with a fault; what goes wrong with a teacher raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from components.agent_cot import prompts
from components.agent_cot.conversion import assemble, check_prose
from components.agent_cot.settings import AgentCotSettings
from components.core.data.rows import CaptionEvent, Question, Step
from components.core.judging.answers import PredictedAnswer, match_answers
from components.core.judging.options import match_option
from components.core.teachers.client import Teachers
from components.core.teachers.prompts import Prompt, ReplyModel
from components.core.teachers.roles import RoleSettings
from components.core.traces.tags import strip

Model = TypeVar("Model", bound=ReplyModel)
Action = Literal["segment_retrieval", "segment_query"]


@dataclass
class Attempt:
    """One attempt so far. `fault` says why it is no trajectory to learn from; "" while nothing speaks against it."""

    number: int
    steps: list[Step] = field(default_factory=list)
    answer: str = ""
    text: str = ""
    fault: str = ""
    request_keys: list[str] = field(default_factory=list)


class Agents:
    """Writes attempts at trajectories for one question.

    Args:
        caption: the events of the question's video in order of time (C_detail).
        duration_s: length of the video in seconds.
    """

    def __init__(
        self,
        teachers: Teachers,
        settings: AgentCotSettings,
        question: Question,
        caption: Sequence[CaptionEvent],
        duration_s: float,
    ) -> None:
        self._teachers = teachers
        self._settings = settings
        self._question = question
        self._caption = caption
        self._duration_s = duration_s

    async def attempt(self, number: int) -> Attempt:
        """Look until the reasoner answers, check the answer, and write it all as prose."""
        attempt = Attempt(number)
        await self._look_and_answer(attempt)
        if not attempt.fault:
            await self._check_answer(attempt)
        if not attempt.fault:
            await self._convert(attempt)
        return attempt

    async def _look_and_answer(self, attempt: Attempt) -> None:
        while not attempt.fault:
            prompt = prompts.next_step(self._question, self._duration_s, attempt.steps)
            step = await self._ask(attempt, attempt.number, self._settings.reasoner, prompt, prompts.NextStep)
            argument = _plain(step.argument)
            if step.action == "answer":
                attempt.answer = argument
                attempt.fault = "" if attempt.steps else "answered without a look"
                return
            if not argument:
                attempt.fault = "a look for nothing"
            elif len(attempt.steps) >= self._settings.max_steps:
                attempt.fault = f"no answer after {self._settings.max_steps} looks"
            elif any((step.action, argument) == (past.action, past.argument) for past in attempt.steps):
                attempt.fault = f"repeats a look: {step.action} {argument!r}"
            else:
                await self._observe(attempt, step.action, argument, _plain(step.thought))

    async def _observe(self, attempt: Attempt, action: Action, argument: str, thought: str) -> None:
        prompt = prompts.observe(self._caption, action, argument)
        seen = await self._ask(attempt, attempt.number, self._settings.observer, prompt, prompts.Observation)
        cited, observation = seen.events, _plain(seen.observation)
        unknown = [number for number in cited if not 0 <= number < len(self._caption)]
        if unknown or not cited:
            known = f"the caption has events 0 to {len(self._caption) - 1}"
            attempt.fault = f"cites event {unknown[0]}, {known}" if unknown else "an observation cites no event"
        elif not observation:
            attempt.fault = "an observation says nothing"
        event_ids = tuple(self._caption[number].event_id for number in dict.fromkeys(cited) if number not in unknown)
        attempt.steps.append(
            Step(thought=thought, action=action, argument=argument, observation=observation, event_ids=event_ids)
        )

    async def _check_answer(self, attempt: Attempt) -> None:
        """Rejection sampling: the answer must be right. A letter becomes its option's text."""
        question = self._question
        if question.form == "multiple_choice":
            right = match_option(attempt.answer, question.options, question.question) == question.answer_index
        else:
            matches = await match_answers(
                self._teachers, self._settings.judge, [PredictedAnswer(question, attempt.answer)]
            )
            attempt.request_keys.extend(matches.request_keys)
            right = matches.correct[question.question_id]
        if not right:
            attempt.fault = f"wrong answer: {attempt.answer!r}"
        elif question.form == "multiple_choice":
            attempt.answer = question.answer

    async def _convert(self, attempt: Attempt) -> None:
        """Ask for the prose and set looks and answer between its pieces."""
        prompt = prompts.convert(self._question, attempt.steps, attempt.answer)

        def is_prose(reply: prompts.Prose) -> None:
            check_prose(reply.prose, self._question, attempt.steps, attempt.answer)

        reply = await self._teachers.ask(self._settings.converter, prompt, prompts.Prose, check=is_prose)
        attempt.request_keys.append(reply.key)
        attempt.text = assemble(attempt.steps, reply.value.prose, attempt.answer)

    async def _ask(
        self, attempt: Attempt, number: int, role: RoleSettings, prompt: Prompt, reply_type: type[Model]
    ) -> Model:
        """Ask for the `number`-th time: the first with the role's own sampling, the others warmer and apart."""
        if number > 1:
            warmer = max(role.temperature, self._settings.resample_temperature)
            role = role.model_copy(update={"temperature": warmer})
        reply = await self._teachers.ask(role, prompt, reply_type, sample=number - 1)
        attempt.request_keys.append(reply.key)
        return reply.value


def _plain(text: str) -> str:
    """An agent's text on one line, without tags of the grammar: it is set between tags later."""
    return " ".join(strip(text).split())
