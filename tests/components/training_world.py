"""What the tests of training share: a tiny student, synthetic frames, and rendered training clips with their rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.core.records import CaptionEvent, Question, Trajectory, Video
from components.core.students.build import StudentSize, build_student
from components.core.students.profile import FrameSettings, StudentProfile, save_profile
from components.core.students.prompting import prompt_texts
from components.core.students.student import Student, load_student
from components.core.students.tags import Pair, render
from components.core.video.reader import Frame
from tests.components.core.judging.stages import write_dataset
from tests.components.evaluation.world import held_out_video

SIZE = StudentSize(
    hidden=32,
    layers=2,
    heads=2,
    key_value_heads=1,
    intermediate=48,
    mrope_section=(2, 3, 3),
    vision_hidden=32,
    vision_depth=1,
    vision_heads=2,
    vision_intermediate=48,
    vocabulary=420,
    timecodes_s=20,
)
TEXTS = ["00:03 a red circle", "What colour is the shape at [00:03]?\nred\nblue\ngreen\nwhite"] * 4


def tiny_student(folder: Path, *, style: str = "compact", seed: int = 0) -> Student:
    """A student of a few ten thousand weights, built and loaded like any other."""
    profile = StudentProfile.model_validate({"style": style, "frames": FrameSettings(max_frames=8)})
    build_student(folder, [*TEXTS, *prompt_texts(profile.style)], SIZE, seed)
    save_profile(folder, profile)
    return load_student(folder, device="cpu")


def frames(count: int = 6, *, seed: int = 0, side: int = 56) -> list[Frame]:
    """Frames of noise, two a second."""
    rng = np.random.default_rng(seed)
    shape = (side, side, 3)
    return [Frame(index / 2, rng.integers(0, 255, shape, dtype=np.uint8), index / 2) for index in range(count)]


def training_data(folder: Path, count: int) -> dict[str, Path]:
    """Captions, questions and traces of `count` rendered training clips, as the gates leave them."""
    worlds = [held_out_video(number, folder) for number in range(count)]
    videos = [video.model_copy(update={"split": "train"}) for video, _, _ in worlds]
    events = [event for _, captions, _ in worlds for event in captions]
    questions = [question for _, _, asked in worlds for question in asked if question.is_single_look]
    traces = [_trace(question, events) for question in questions]
    kinds: dict[str, Mapping[str, Any]] = {
        "captions": {"videos": (Video, videos), "events": (CaptionEvent, events)},
        "questions": {"questions": (Question, questions)},
        "trajectories": {"trajectories": (Trajectory, traces)},
    }
    return {
        name: write_dataset(
            folder / name,
            {table: rows for table, (_, rows) in tables.items()},
            {table: kind for table, (kind, _) in tables.items()},
        )
        for name, tables in kinds.items()
    }


def _trace(question: Question, events: list[CaptionEvent]) -> Trajectory:
    span = question.evidence[0]
    seen = next(
        event for event in events if event.video_id == question.video_id and event.start_s == span.start_s
    )
    time = f"00:{int(span.start_s):02d}"
    text = render((Pair(f"look at {time}", f"{time} {seen.text}"),), question.answer)
    return Trajectory(
        trajectory_id=f"trace-{question.question_id}",
        question_id=question.question_id,
        video_id=question.video_id,
        steps=(),
        answer=question.answer,
        text=text,
    )
