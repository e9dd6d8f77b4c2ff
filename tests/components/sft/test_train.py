from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.core.datasets import Dataset
from components.core.manifest import read_manifest
from components.core.students.student import load_student
from components.sft.train import STAGE
from tests.components.core.judging.stages import run_stage
from tests.components.training_world import SIZE, training_data

SETTINGS: dict[str, Any] = {
    "size": SIZE.model_dump(mode="json"),
    "student": {"frames": {"max_frames": 8}},
    "naming": {"steps": 4, "moments": 8},
    "phases": [
        {"steps": 4, "videos": 2, "observe": 4},
        {"steps": 8, "videos": 2, "caption": 1, "direct": 1, "think": 1},
    ],
    "checkpoint_every": 3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return training_data(tmp_path_factory.mktemp("data"), 4)


def curve(model: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (model / "training.jsonl").read_text().splitlines()]


def train(folder: Path, data: dict[str, Path], **settings: Any) -> Path:
    run_stage(STAGE, "http://127.0.0.1:9/v1", folder, data, {**SETTINGS, **settings})
    return folder / "output"


def test_training_lowers_every_loss_and_leaves_an_ordinary_folder(data: dict[str, Path], tmp_path: Path) -> None:
    model = train(tmp_path, data)
    steps = curve(model)
    assert [line["step"] for line in steps] == list(range(16))
    assert steps[3]["loss_naming"] < steps[0]["loss_naming"]
    assert steps[7]["loss_observe"] < steps[4]["loss_observe"]
    for task in ("caption", "direct", "think"):
        assert steps[15][f"loss_{task}"] < steps[8][f"loss_{task}"]
    trained, untrained = load_student(model, device="cpu"), load_student(model / "untrained", device="cpu")
    assert trained.profile == untrained.profile and trained.profile.frames.max_frames == 8
    manifest = read_manifest(model)
    assert {source.name for source in manifest.upstream} == {"captions", "questions", "trajectories"}
    assert manifest.metrics["parity_p99"] <= 1e-4 and manifest.metrics["videos"] == 4


def test_every_task_has_its_share_of_the_loss_whatever_the_length_of_its_replies(
    data: dict[str, Path], tmp_path: Path
) -> None:
    """Captions here are ten times as long as direct answers; ReWatch-R1 adds the losses of the tasks."""
    phases = [{"steps": 3, "videos": 2, "caption": 1, "direct": 1, "think": 1}]
    tasks = ("caption", "direct", "think")
    for name, weights in (("paper", {}), ("ours", {"caption": 0.5, "direct": 3.0, "think": 1.5})):
        shares = {task: weights.get(task, 1.0) for task in tasks}
        for line in curve(train(tmp_path / name, data, naming={"steps": 0}, phases=phases, weights=weights)):
            weighed = {task: shares[task] * line[f"loss_{task}"] / sum(shares.values()) for task in tasks}
            assert line["loss"] == pytest.approx(sum(weighed.values()), abs=1e-5)
            for task in tasks:
                assert line[f"share_{task}"] == pytest.approx(weighed[task] / line["loss"], abs=1e-5)


def test_a_killed_run_ends_where_an_unbroken_one_does(data: dict[str, Path], tmp_path: Path) -> None:
    unbroken = train(tmp_path / "unbroken", data)
    broken = tmp_path / "broken"
    inputs = [part for name, path in data.items() for part in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "components.sft", *inputs, "--output", str(broken / "output")]
    process = subprocess.Popen(
        [*command, "--settings", json.dumps(SETTINGS), "--shard", "s00000-abc"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "REWATCH_STATE_ROOT": str(broken / "state")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list((broken / "state").glob("checkpoints/*/step-*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "output" / "manifest.json").exists()
    (checkpoint,) = (broken / "state").glob("checkpoints/*/step-*")
    assert 0 < int(checkpoint.name.removeprefix("step-")) < 16
    assert curve(train(broken, data)) == curve(unbroken)
    assert read_manifest(broken / "output").digest == read_manifest(unbroken).digest


def test_a_pretrained_folder_takes_the_place_of_one_built_here(data: dict[str, Path], tmp_path: Path) -> None:
    """What a 7B path would do: full prompts, AdamW, gradient checkpointing, a frozen tower, an accumulated step."""
    base = train(tmp_path / "base", data, naming={"steps": 0}, phases=[])
    model = train(
        tmp_path / "tuned",
        data,
        base=str(base / "untrained"),
        optimizer={"name": "adamw", "learning_rate": 1e-3},
        phases=[{"steps": 6, "videos": 4, "observe": 1, "think": 1}],
        gradient_checkpointing=True,
        freeze_vision=True,
        rows_per_forward=3,
    )
    losses = [line["loss"] for line in curve(model)]
    assert len(losses) == 6 and losses[-1] < losses[0]
    before, after = load_student(base, device="cpu").model, load_student(model, device="cpu").model
    frozen = dict(before.model.visual.named_parameters())
    assert all((frozen[name] == value).all() for name, value in after.model.visual.named_parameters())
    assert not (after.lm_head.weight == before.lm_head.weight).all()


def test_no_training_video_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = training_data(tmp_path, 1)
    with pytest.raises(SystemExit):
        train(tmp_path / "run", data, max_duration_s=2.0)
    assert "no captioned training video" in (tmp_path / "run" / "run" / "tasks").joinpath("sft-s00000.json").read_text()


def test_the_model_is_a_dataset_that_names_its_settings(data: dict[str, Path], tmp_path: Path) -> None:
    first, second = train(tmp_path / "a", data, phases=[]), train(tmp_path / "b", data, phases=[], seed=1)
    assert Dataset(first).manifest.settings_digest != Dataset(second).manifest.settings_digest
    assert Dataset(first).manifest.digest != Dataset(second).manifest.digest
