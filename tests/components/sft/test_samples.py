from __future__ import annotations

from random import Random

import pytest

from components.core.data.datasets import Dataset
from components.core.data.rows import TrainingSample
from components.core.students.student import Student
from components.sft.samples import Lessons, collect_lessons, draw_samples
from components.sft.settings import Phase
from tests.components.training_world import tiny_student, training_data

ALL = Phase(steps=1, caption=1, observe=4, find=2, direct=2, think=2)
MOMENTS = tuple(float(second) for second in range(8))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    data = {name: Dataset(path) for name, path in training_data(tmp_path_factory.mktemp("data"), 1).items()}
    (lessons,) = collect_lessons(
        list(data["captions"].rows("videos")),
        list(data["captions"].rows("events")),
        list(data["questions"].rows("questions")),
        list(data["trajectories"].rows("trajectories")),
        ("multiple_choice",),
    )
    return lessons


def drawn(lessons: Lessons, student: Student, seed: int = 0) -> list[TrainingSample]:
    return draw_samples(lessons, ALL, MOMENTS, student.prompter, Random(seed))


def test_a_video_brings_the_mixture_of_its_phase(lessons: Lessons, student: Student) -> None:
    samples = drawn(lessons, student)
    tasks = [sample.task for sample in samples]
    assert {task: tasks.count(task) for task in set(tasks)} == {"caption": 1, "observe": 6, "direct": 2, "think": 2}


def test_looks_say_what_the_caption_says_and_only_that_is_trained(lessons: Lessons, student: Student) -> None:
    looks = [sample for sample in drawn(lessons, student) if sample.task == "observe"]
    at_seconds = [sample for sample in looks if "look at" in sample.messages[0].text]
    assert (len(looks), len(at_seconds)) == (6, 4)
    for sample in at_seconds:
        shown, seen = sample.messages
        time = shown.text.removeprefix("<action>look at ").split("<")[0]
        event = lessons.event_at(float(time[3:]))
        assert event is not None and seen.text == f"{time} {event.text}</observation>"
    spans = {f"00:{event.start_s:02.0f}-00:{event.end_s:02.0f} {event.text}</observation>" for event in lessons.events}
    for sample in looks:
        shown, seen = sample.messages
        assert (shown.trained, seen.trained) == (False, True)
        assert sample in at_seconds or seen.text in spans


def test_the_loss_is_on_what_the_student_says(lessons: Lessons, student: Student) -> None:
    for sample in drawn(lessons, student):
        segment = student.prompter.segment(sample)
        scored = [token for token, counts in zip(segment.token_ids, segment.scored, strict=True) if counts]
        trained = "".join(message.text for message in sample.messages if message.trained)
        end = "" if sample.task == "observe" else "<|im_end|>"
        assert student.tokenizer.decode(scored) == trained + end


def test_training_asks_what_sampling_asks(lessons: Lessons, student: Student) -> None:
    """The request of a training sample is, token for token, the prompt that sampling and evaluation use."""
    requests = [student.prompter.request("think", asked.question, asked.options) for asked, _ in lessons.think]
    asked = [student.prompter.segment(sample) for sample in drawn(lessons, student) if sample.task == "think"]
    assert asked
    for segment in asked:
        start = segment.scored.index(True)
        assert list(segment.token_ids[:start]) in requests


def test_held_out_videos_teach_nothing(lessons: Lessons, student: Student) -> None:
    held_out = lessons.video.model_copy(update={"split": "eval"})
    assert collect_lessons([held_out], lessons.events, lessons.direct, [], ("multiple_choice",)) == []
