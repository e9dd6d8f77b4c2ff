"""What the segmenter is told and how it must reply."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from components.core.teachers.prompts import ReplyModel

SEGMENTER = """\
You are a film editor who divides long videos into semantic chapters.

You receive a JSON object with "duration_s", the length in seconds of the stretch of video you are shown, and \
"target_s", the chapter length to aim at. Then come frames sampled at a low rate, each preceded by its time as \
"t=<seconds>s", counted from the start of the stretch.

Divide the whole stretch into consecutive chapters:
- Each chapter is about target_s seconds long. A stretch not much longer than target_s is one chapter.
- Cut where the place, the activity or the topic changes. Never cut in the middle of an event, even if a chapter \
becomes somewhat longer or shorter for it.
- The first chapter starts at 0, each next one starts where the one before it ended, the last ends at duration_s. \
No gaps, no overlaps.
- Use only the times printed before the frames. Do not guess times from the order of the frames.
- "title" says in at most ten words what the chapter shows.

Reply with JSON only: {"segments": [{"start_s": number, "end_s": number, "title": string}, ...]}."""


class ProposedSegment(BaseModel):
    """One chapter, in seconds from the start of the stretch shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_s: float = Field(allow_inf_nan=False)
    end_s: float = Field(allow_inf_nan=False)
    title: str


class SegmentsReply(ReplyModel):
    """The chapters of the stretch, in order."""

    schema_name: ClassVar[str] = "segments"

    segments: list[ProposedSegment] = Field(min_length=1)
