"""The toy stage: one call per summary, one question per reply."""

from __future__ import annotations

from typing import ClassVar

from components.core.data.rows import Outcome, Question, QuestionType, Row, Span, Summary
from components.core.data.settings import StageSettings
from components.core.engine.stage import Stage, Task
from components.core.errors import RecordError
from components.core.teachers.prompts import Prompt, ReplyModel
from components.core.teachers.roles import RoleSettings


class Written(ReplyModel):
    """The reply."""

    schema_name: ClassVar[str] = "questions"
    question: str


class ToySettings(StageSettings):
    """Settings of the toy stage."""

    records: int = 10
    """How many records to make."""

    words: str = "text"
    """What they say before their number."""

    writer: RoleSettings = RoleSettings(
        role="question_writer", endpoint="builtin", model="builtin-question_writer", attempts=2
    )
    """Who writes."""


async def run(task: Task[ToySettings]) -> None:
    """Map over made-up summaries, or over those of the input where there is one."""
    if "written" in task.inputs:
        await task.map(task.rows("written", "summaries"), ask)
    else:
        words = task.settings.words
        await task.map([Summary(video_id=f"v{n:03}", text=f"{words} {n}") for n in range(task.settings.records)], ask)


async def ask(summary: Summary, task: Task[ToySettings]) -> list[Row]:
    """Ask for one question; a summary that says so is refused or fails."""
    if "unreadable" in summary.text:
        raise RecordError(f"{summary.video_id} is unreadable.", "Replace it.")
    reply = await task.teachers.ask(task.settings.writer, Prompt("Write.", {"text": summary.text}), Written)
    task.count(asked=1, letters=len(reply.value.question))
    question = Question(
        question_id=f"q-{summary.video_id}",
        video_id=summary.video_id,
        type=QuestionType.COUNTING,
        form="open",
        question=reply.value.question,
        answer="3",
        evidence=(Span(start_s=0, end_s=1),),
        outcome=Outcome.REJECTED if "dull" in summary.text else Outcome.OK,
        lineage=reply.lineage([summary.video_id]),
    )
    return [summary, question]


STAGE = Stage(
    name="toy",
    settings=ToySettings,
    inputs=("written",),
    tables={"summaries": Summary, "questions": Question},
    run=run,
    roles=("writer",),
)
