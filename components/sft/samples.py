"""Training samples of one video: from its caption, its questions and its traces.

    caption   the whole caption
    observe   looks at moments, as a trace makes them, without a question; loss on what is observed only
    find      searches for an event, likewise
    direct    a question answered at once
    think     a question with its re-watching trace

`observe` and `find` are what the caption already says in the form in which a trace says it: they teach the two looks
themselves, which traces alone (a handful for each video) do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from components.core.data.rows import CaptionEvent, Message, Question, TrainingSample, Trajectory, Video, short_id
from components.core.students.prompting import Mode, Prompter
from components.core.traces.timecodes import caption_line, render, render_span
from components.sft.settings import Phase

Task = Literal["caption", "observe", "direct", "think"]


@dataclass
class Lessons:
    """All there is to learn from one video."""

    video: Video
    events: list[CaptionEvent]
    direct: list[Question] = field(default_factory=list)
    think: list[tuple[Question, Trajectory]] = field(default_factory=list)

    def event_at(self, time_s: float) -> CaptionEvent | None:
        """The event on screen at a time."""
        return next((event for event in self.events if event.start_s <= time_s < event.end_s), None)


def collect_lessons(
    videos: Sequence[Video],
    events: Sequence[CaptionEvent],
    questions: Sequence[Question],
    trajectories: Sequence[Trajectory],
    forms: Sequence[str],
) -> list[Lessons]:
    """Lessons of every training video that has a caption, ordered by video."""
    lessons = {video.video_id: Lessons(video, []) for video in videos if video.split == "train"}
    for event in sorted(events, key=lambda event: event.start_s):
        if event.video_id in lessons:
            lessons[event.video_id].events.append(event)
    asked = {question.question_id: question for question in questions if question.form in forms}
    for question in sorted(asked.values(), key=lambda question: question.question_id):
        if question.video_id in lessons:
            lessons[question.video_id].direct.append(question)
    for trajectory in sorted(trajectories, key=lambda trajectory: trajectory.trajectory_id):
        if trajectory.video_id in lessons and trajectory.question_id in asked:
            lessons[trajectory.video_id].think.append((asked[trajectory.question_id], trajectory))
    return [lessons[name] for name in sorted(lessons) if lessons[name].events]


def draw_samples(
    lessons: Lessons, phase: Phase, moments: Sequence[float], prompter: Prompter, rng: Random
) -> list[TrainingSample]:
    """What one video brings to one step.

    Args:
        moments: the times in seconds at which the student has frames; looks are asked there only.
    """
    samples = [caption_sample(lessons, prompter)] if phase.caption else []
    seen = [(time_s, event) for time_s in moments if (event := lessons.event_at(time_s)) is not None]
    for time_s, event in rng.sample(seen, min(phase.observe, len(seen))):
        samples.append(_look(lessons.video, f"look at {render(time_s)}", f"{render(time_s)} {event.text}", prompter))
    for event in rng.sample(lessons.events, min(phase.find, len(lessons.events))):
        span = render_span(event.start_s, event.end_s)
        samples.append(_look(lessons.video, f"find {event.text}", f"{span} {event.text}", prompter))
    for question in rng.sample(lessons.direct, min(phase.direct, len(lessons.direct))):
        samples.append(_asked("direct", question, f"<answer>{question.answer}</answer>", prompter))
    for question, trajectory in rng.sample(lessons.think, min(phase.think, len(lessons.think))):
        samples.append(_asked("think", question, trajectory.text, prompter))
    return samples


def caption_sample(lessons: Lessons, prompter: Prompter) -> TrainingSample:
    """The detailed caption, one line for each event."""
    text = "\n".join(caption_line(event.start_s, event.end_s, event.text) for event in lessons.events)
    asked = Message(role="user", text=prompter.request_text("caption"))
    return _sample("caption", lessons.video.video_id, (asked, Message(role="assistant", text=text, trained=True)))


def _asked(mode: Mode, question: Question, reply: str, prompter: Prompter) -> TrainingSample:
    asked = Message(role="user", text=prompter.request_text(mode, question.question, question.options))
    return _sample(mode, question.video_id, (asked, Message(role="assistant", text=reply, trained=True)))


def _look(video: Video, action: str, observation: str, prompter: Prompter) -> TrainingSample:
    # A compact prompt leaves the request out: it says nothing here, and costs as much as the look itself.
    asked = (Message(role="user", text=prompter.request_text("think")),) if prompter.style == "full" else ()
    shown = Message(role="assistant", text=f"<action>{action}</action><observation>")
    seen = Message(role="assistant", text=f"{observation}</observation>", trained=True)
    return _sample("observe", video.video_id, (*asked, shown, seen))


def _sample(task: Task, video_id: str, messages: tuple[Message, ...]) -> TrainingSample:
    content = [message.model_dump() for message in messages]
    return TrainingSample(
        sample_id=short_id("sample", video_id, content), task=task, video_id=video_id, messages=messages
    )


def tokenizer_texts(lessons: Sequence[Lessons], prompter_texts: Sequence[str]) -> list[str]:
    """The texts a tokenizer is trained on: everything a student of these lessons reads or writes."""
    texts = list(prompter_texts) * max(1, len(lessons) // 2)
    for lesson in lessons:
        texts += [f"{render(event.start_s)} {event.text}" for event in lesson.events]
        texts += ["\n".join((question.question, *question.options)) for question in lesson.direct]
        texts += [trajectory.text for _, trajectory in lesson.think]
    return texts
