"""A whole run of the recipe for a student built from scratch, on a handful of clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from components.core.data.manifest import read_manifest
from components.core.students.frames import video_patches
from components.core.students.student import load_student
from components.core.students.vision import encode_videos
from components.core.video.process import DecoderProcess
from components.sft.train import STAGE
from tests.components.core.judging.stages import run_stage
from tests.components.training_world import SIZE, training_data
from tests.laptop import laid_over, laptop

WORDS = 4
SETTINGS = laptop(
    "sft",
    {
        "size": {**SIZE.model_dump(mode="json"), "previous_token_heads": [1, 2]},
        "student": {"frames": {"max_frames": 8}},
        "visual_words": {"steps": WORDS, "moments": 8},
        "phases": [
            {"steps": 5, "videos": 2, "rehearse": 4, "until": {"rehearse": 0.97}},
            {"steps": 3, "videos": 2, "observe": 2, "find": 1, "rehearse": 1},
            {"steps": 4, "videos": 4, "caption": 1, "observe": 1, "find": 1, "direct": 1, "think": 2},
        ],
        "checkpoint_every": 3,
        "keep_checkpoints": 20,
    },
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return training_data(tmp_path_factory.mktemp("data"), 8)


@pytest.fixture(scope="module")
def unbroken(data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    return train(folder, data)


def train(folder: Path, data: dict[str, Path], **settings: Any) -> Path:
    run_stage(STAGE, "http://127.0.0.1:9/v1", folder, data, laid_over(SETTINGS, settings))
    return folder / "output"


def curve(model: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (model / "training.jsonl").read_text().splitlines()]


def test_phase_follows_phase_each_with_its_tasks(unbroken: Path) -> None:
    steps = curve(unbroken)
    assert len(steps) == WORDS + 12
    tasks = [{name for name in ("rehearse", "observe", "find", "think") if f"loss_{name}" in step} for step in steps]
    assert tasks[:WORDS] == [set()] * WORDS
    assert tasks[WORDS : WORDS + 5] == [{"rehearse"}] * 5 and tasks[WORDS + 5] == {"rehearse", "observe", "find"}
    assert "think" in tasks[-1] and steps[WORDS + 4]["loss_rehearse"] < steps[WORDS]["loss_rehearse"]


def test_the_tower_is_scaled_and_frozen_once_it_has_its_words(unbroken: Path, data: dict[str, Path]) -> None:
    trained, untrained = load_student(unbroken, device="cpu"), load_student(unbroken / "untrained", device="cpu")
    clip = next((data["captions"].parent).rglob("*.mp4"))
    frames = DecoderProcess().read(clip, trained.profile.frames.plan(8.0))
    with torch.no_grad():
        norms = [
            float(torch.cat(encode_videos(student.model, [video_patches(frames, 8.0)])).norm(dim=-1).mean())
            for student in (trained, untrained)
        ]
    assert norms[0] == pytest.approx(1.0, abs=0.25) and abs(norms[1] - 1.0) > 0.25


@pytest.mark.parametrize("kept", [3, 6, 12], ids=["before the tower freezes", "while traces are rehearsed", "later"])
def test_a_run_that_was_broken_off_ends_where_an_unbroken_one_does(
    unbroken: Path, data: dict[str, Path], tmp_path: Path, kept: int
) -> None:
    shutil.copytree(unbroken.parent / "state", tmp_path / "state")
    for checkpoint in (tmp_path / "state" / "checkpoints").rglob("step-*"):
        if int(checkpoint.name.removeprefix("step-")) > kept:
            shutil.rmtree(checkpoint)
    again = train(tmp_path, data)
    assert curve(again) == curve(unbroken)
    assert read_manifest(again).digest == read_manifest(unbroken).digest


def test_what_is_learned_sooner_leaves_its_steps_to_the_last_phase(data: dict[str, Path], tmp_path: Path) -> None:
    rehearsals = {**SETTINGS["phases"][0], "steps": 12, "until": {"rehearse": 0.0}}
    phases = [rehearsals, {"steps": 2, "videos": 2, "observe": 2}]
    steps = curve(train(tmp_path, data, phases=phases, visual_words={"steps": 0}))
    assert [step["phase"] for step in steps] == [0.0] * 10 + [1.0] * 4
