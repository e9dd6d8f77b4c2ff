"""A clip of four events, questions about it, and the built-in teacher to ask: what tests of judging stages share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from components.core.data.rows import CaptionEvent, Question, QuestionType, Span, short_id
from components.core.stores.keyvalue import open_key_value
from components.core.teachers.client import Teachers
from components.core.teachers.endpoints import EndpointSettings
from components.core.teachers.ledger import Ledger

EVENTS = (
    (0.0, 2.0, "a red circle"),
    (2.0, 5.0, "a yellow triangle"),
    (5.0, 6.0, "a blue cross"),
    (6.0, 8.0, "a green square"),
)


def caption(video_id: str = "video") -> tuple[CaptionEvent, ...]:
    """The detailed caption of the clip."""
    return tuple(
        CaptionEvent(
            event_id=f"{video_id}-{number}",
            video_id=video_id,
            segment_id="segment",
            start_s=start,
            end_s=end,
            text=text,
        )
        for number, (start, end, text) in enumerate(EVENTS)
    )


def open_question(
    text: str = "What colour is the shape at [00:03]?",
    answer: str = "yellow",
    type: QuestionType = QuestionType.OBJECT_RECOGNITION,
    video_id: str = "video",
) -> Question:
    """An open question about the clip."""
    return Question(
        question_id=short_id("question", video_id, text),
        video_id=video_id,
        type=type,
        form="open",
        question=text,
        answer=answer,
        evidence=(Span(start_s=2, end_s=5),),
    )


def multiple_choice(
    question: Question | None = None, options: tuple[str, ...] = ("red", "yellow", "blue", "green")
) -> Question:
    """A multiple-choice question; its answer must be among the options."""
    question = question or open_question()
    return question.model_copy(
        update={
            "question_id": short_id("question", question.question_id, "twin"),
            "form": "multiple_choice",
            "options": options,
            "answer_index": options.index(question.answer),
        }
    )


@asynccontextmanager
async def asking(url: str, folder: Path, patience_s: float = 5.0) -> AsyncIterator[Teachers]:
    """A client of the teacher at `url`, with a call store of its own."""
    calls = open_key_value(str(folder / "state"), "calls")
    settings = EndpointSettings(base_url=url, patience_s=patience_s)
    teachers = Teachers({"builtin": settings}, calls, Ledger(None))
    try:
        yield teachers
    finally:
        await teachers.close()
        calls.close()


def requests_by_schema(log: Path) -> Counter[str]:
    """How often the teacher was asked for each kind of reply, from its own request log."""
    lines: Iterable[str] = log.read_text().splitlines() if log.exists() else ()
    return Counter(json.loads(line)["schema"] for line in lines)
