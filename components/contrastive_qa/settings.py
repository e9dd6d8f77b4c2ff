"""Settings of contrastive QA. "paper" is arXiv 2509.23652; what it leaves open is marked as ours."""

from __future__ import annotations

from pydantic import Field

from components.core.data.question_types import QuestionType
from components.core.data.settings import StageSettings
from components.core.teachers.roles import RoleSettings
from components.core.traces.looks import LookShares


class ContrastiveQASettings(StageSettings):
    """How summaries and questions are written."""

    summarizer: RoleSettings = RoleSettings(role="summarizer")
    """Who writes the summary; the paper used Gemini-2.5-Flash-Lite without thinking."""

    question_writer: RoleSettings = RoleSettings(role="question_writer", max_tokens=4096)
    """Who writes the questions; the paper used Gemini-2.5-Flash with thinking."""

    types: tuple[QuestionType, ...] = Field(default=tuple(QuestionType), min_length=1)
    """The question types asked for (paper: these ten)."""

    questions_per_video: int = Field(default=12, ge=1)
    """Questions asked for about a video. The paper keeps about 8 open questions per video after its filters; ours to
    ask for half as many again."""

    look_shares: LookShares | None = None
    """How the questions asked for are shared out by the looks they take; None leaves it to the writer. Ours: the paper
    shares nothing out, and its traces take 2.3 looks on average."""

    events_per_question: float = Field(default=8.0, gt=0)
    """A longer caption gets more questions: one for so many events. Ours."""

    events_per_request: int = Field(default=400, ge=1)
    """Caption events shown in one request; a longer caption is divided. Ours."""

    duplicate_similarity: float = Field(default=0.85, gt=0, le=1)
    """Jaccard similarity of words from which two questions of one video with the same answer are duplicates. Ours."""
