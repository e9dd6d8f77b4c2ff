"""What the summarizer and the question writer are told and how they must reply."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from components.core.data.question_types import QuestionKind, QuestionType
from components.core.teachers.prompts import ReplyModel

SUMMARIZER = """\
You summarise videos from their detailed captions.

You receive a JSON object with "caption": one line per event, "[MM:SS-MM:SS] description".

Write the gist in one to three sentences: what kind of video it is, who or what it is about, how it develops. \
Leave out times, exact counts, colours and other details that only a close viewing would give: whoever reads the \
summary should know what the video is about, but not what happens in any particular moment.

Reply with JSON only: {"summary": string}."""

QUESTION_WRITER = """\
You write questions that can only be answered by watching a video closely, at the right moments.

You receive a JSON object with
- "caption": the detailed caption, a list of {"event": number, "time": "MM:SS-MM:SS", "text": string}, in order;
- "summary": a summary of the same video;
- "types": the question types wanted;
- "count": how many questions to write;
- "looks", only where it matters: how many of them should take one look, two looks, and three or more;
- "part_of", only where the caption shown leaves parts of the video out: the time of the whole video.

Every question must be contrastive: the caption answers it, the summary does not, and neither does common knowledge.

The types:
- event_localisation: from when to when an event lasts; the answer is "MM:SS-MM:SS".
- temporal_localisation: when something happens; the answer is "MM:SS".
- counting: how often something happens or how many different things appear; the answer is a number.
- causal: which event directly led to another, or what an event led to.
- reading: what a text, number or sign that is visible says, word for word.
- spatial_perception: where something is, or in which direction it moves.
- object_recognition: what thing, person, shape or colour is seen at a moment.
- state_change: how an attribute, position, behaviour or emotion changes over time, or what comes right after or before.
- numerical_reasoning: a quantity that has to be computed from what is seen, such as a duration or a difference.
- counterfactual: what would differ if an event were absent or different, with a consequence that the caption verifies.

Whoever answers sees nothing at first and has two actions: to search for an event, which tells when it occurs, and to \
look at a time, which shows what is to be seen there. A question takes one look if it names the time and that moment \
settles it; two if what it names has to be found first; three and more if that must be done for several things, or if \
what was found must be followed further ("what comes two after the man sits down", "when does the later of the two \
doors open", "what happens between the knock and the shot"). Do not state a time that a search should find.

The kinds:
- moment: what is seen at a time that is named;
- after, before: what comes right after or right before an event;
- when: the time of something; the answer is a time;
- from_to: from when to when something lasts; the answer is a span;
- how_long, how_many: a length or a number;
- order: what comes in which order among several events;
- stop: when something ends that went on;
- other: anything else.

Rules:
- Spread the questions over the types wanted and over the whole video. Leave out a type that the caption cannot \
support rather than inventing something.
- One unambiguous answer each: a word, a short phrase, a number or a time, never a sentence. Nothing in the question \
may give it away.
- A question names the moment by an event ("right after the man sits down") or by a time in square brackets \
("[01:23]"). Never mention the caption, the summary or events by number.
- "evidence" lists the numbers of all events, and only those, that must be seen to answer.
- Nobody who has read many such questions should guess the answer from the wording: choose what you ask about so that \
the answers to questions of one form differ, and ask about a length or a number only where several are plausible.
- No two questions may ask for the same thing.
- If "part_of" is given, you do not see everything: ask for nothing that depends on the rest, such as how often \
something happens in the whole video, what comes first or what comes last.

Reply with JSON only: {"questions": [{"type": string, "question": string, "answer": string, \
"kind": string, "looks": number, "evidence": [number, ...]}, ...]}."""


class SummaryReply(ReplyModel):
    """The gist of a video."""

    schema_name: ClassVar[str] = "summary"

    summary: str = Field(min_length=1)


class WrittenQuestion(BaseModel):
    """One question; `evidence` holds the numbers of the caption events that answer it, `looks` how many it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: QuestionType
    question: str
    answer: str
    kind: QuestionKind
    looks: int = Field(ge=1)
    evidence: list[int]


class QuestionsReply(ReplyModel):
    """The questions about a video."""

    schema_name: ClassVar[str] = "questions"

    questions: list[WrittenQuestion]
