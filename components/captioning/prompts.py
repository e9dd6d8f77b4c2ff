"""What the captioner is told and how it must reply."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.teachers.prompts import ReplyModel

CAPTIONER = """\
You write detailed, time-aligned captions. They must be granular enough to stand in for the pixels: whoever reads them \
must be able to answer questions about the video without seeing it.

You receive a JSON object with "duration_s", the length in seconds of the clip you are shown. Then come its frames, \
each preceded by its time as "t=<seconds>s", counted from the start of the clip.

List everything that happens as consecutive events:
- A new event starts whenever something changes: an action begins or ends, an object or a person appears, moves \
differently, changes or leaves, text appears, the shot or the place changes.
- Events follow the content, never a fixed grid; they may be as short as half a second or as long as the clip.
- The first event starts at 0, each next one starts where the one before it ended, the last ends at duration_s. \
No gaps, no overlaps.
- Use only the times printed before the frames; a change between two frames lies between their times.
- "text" says what is visible and only that: who or what, how many, colours, shapes, positions, actions, direction of \
movement, interactions, readable text word for word. Name the same thing the same way in every event. \
No guesses, no opinions, no references such as "this clip" or "as before".

Reply with JSON only: {"events": [{"start_s": number, "end_s": number, "text": string}, ...]}."""


class RelativeEvent(BaseModel):
    """One event, in seconds from the start of the clip shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_s: float
    end_s: float
    text: str


class CaptionReply(ReplyModel):
    """The events of the clip, in order, without gaps or overlaps."""

    schema_name: ClassVar[str] = "caption_events"

    events: list[RelativeEvent]
