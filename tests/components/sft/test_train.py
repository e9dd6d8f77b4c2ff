from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.core import lineage
from components.core.data.datasets import Dataset
from components.core.data.manifest import read_manifest
from components.core.data.settings import parse_settings
from components.core.errors import SettingsError
from components.core.students.student import load_student
from components.evaluation.systems import load_students
from components.promotion.registry import Registry
from components.sft.settings import SftSettings
from components.sft.train import STAGE
from tests.components.core.judging.stages import run_stage
from tests.components.mlflow_store import new_store
from tests.components.pretrained_world import pretrained_folder
from tests.components.training_world import SIZE, tiny_student, training_data
from tests.laptop import FILMED, laid_over, laptop

SETTINGS = laptop(
    "sft",
    {
        "size": SIZE.model_dump(mode="json"),
        "student": {"frames": {"max_frames": 8}},
        **FILMED,
        "visual_words": {"steps": 4, "moments": 8, "lookups": False},
        "phases": [
            {"steps": 4, "videos": 2, "observe": 4},
            {"steps": 8, "videos": 2, "caption": 1, "direct": 1, "think": 1},
        ],
        "checkpoint_every": 3,
    },
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return training_data(tmp_path_factory.mktemp("data"), 4)


def curve(model: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (model / "training.jsonl").read_text().splitlines()]


def train(folder: Path, data: dict[str, Path], **settings: Any) -> Path:
    run_stage(STAGE, "http://127.0.0.1:9/v1", folder, data, laid_over(SETTINGS, settings))
    return folder / "output"


def test_training_lowers_every_loss_and_leaves_an_ordinary_folder(data: dict[str, Path], tmp_path: Path) -> None:
    model = train(tmp_path, data)
    steps = curve(model)
    assert [line["step"] for line in steps] == list(range(16))
    assert steps[3]["loss_visual_words"] < steps[0]["loss_visual_words"]
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
        for line in curve(train(tmp_path / name, data, visual_words={"steps": 0}, phases=phases, weights=weights)):
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
    while not list((broken / "state" / "checkpoints").rglob("step-*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "output" / "manifest.json").exists()
    saved = [int(path.name.removeprefix("step-")) for path in (broken / "state" / "checkpoints").rglob("step-*")]
    assert 0 < max(saved) < 16
    assert curve(train(broken, data)) == curve(unbroken)
    assert read_manifest(broken / "output").digest == read_manifest(unbroken).digest


def test_more_steps_go_on_from_before_the_rate_fell(data: dict[str, Path], tmp_path: Path) -> None:
    """The last phase alone is longer; its data are what a run of that length from the start would have seen."""
    warm = {"optimizer": {"warmup": 0.0}}
    longer = [SETTINGS["phases"][0], {**SETTINGS["phases"][1], "steps": 14}]
    train(tmp_path / "run", data, **warm)
    (tmp_path / "run" / "output").rename(tmp_path / "short")
    train(tmp_path / "run", data, phases=longer, **warm)
    fresh = train(tmp_path / "fresh", data, phases=longer, **warm)
    log = (tmp_path / "run" / "run" / "logs").rglob("*")
    assert any("Going on from step 12 of a run of 16 steps" in file.read_text() for file in log if file.is_file())
    assert read_manifest(tmp_path / "run" / "output").digest == read_manifest(fresh).digest
    assert curve(tmp_path / "run" / "output") == curve(fresh)


def test_a_base_that_changed_under_its_name_is_not_gone_on_with(data: dict[str, Path], tmp_path: Path) -> None:
    base = pretrained_folder(tmp_path / "base")
    train_base(tmp_path / "run", data, base)
    shutil.rmtree(base)
    pretrained_folder(base, seed=1)
    (tmp_path / "run" / "output").rename(tmp_path / "first")
    train_base(tmp_path / "run", data, base)
    assert len(list((tmp_path / "run" / "state" / "checkpoints").glob("*/*/*"))) == 2


FROM_A_BASE: dict[str, Any] = {
    "student": {"frames": {"max_frames": 8, "width": 56, "height": 56}},
    "phases": [{"steps": 3, "videos": 4, "observe": 1, "think": 1}],
}


def train_base(folder: Path, data: dict[str, Path], base: Path, **settings: Any) -> Path:
    """SFT from a base, with what it leaves to the defaults."""
    run_stage(STAGE, "http://127.0.0.1:9/v1", folder, data, {**FROM_A_BASE, "base": str(base), **settings})
    return folder / "output"


def reason(folder: Path) -> str:
    """Why the task failed, as its record says it."""
    return str(json.loads((folder / "run" / "tasks" / "sft-s00000.json").read_text())["error"])


def test_a_pretrained_base_is_asked_in_full_and_moved_by_adamw_at_its_own_rate(
    data: dict[str, Path], tmp_path: Path
) -> None:
    base = pretrained_folder(tmp_path / "base")
    model = train_base(tmp_path / "run", data, base)
    before, after = load_student(base, device="cpu"), load_student(model, device="cpu")
    assert after.profile.style == "full" and after.profile.frames.fps == 2.0 and after.pretrained
    moved = max(
        float((value - old).detach().abs().max())
        for old, value in zip(before.model.parameters(), after.model.parameters(), strict=True)
    )
    assert 0 < moved <= 3.5e-5  # three steps of AdamW at 1e-5 at most
    assert read_manifest(model).info["base_model"] == str(base)
    assert not (model / "untrained").exists() and "loss_visual_words" not in curve(model)[0]


def test_a_pretrained_base_trains_with_a_frozen_tower_and_accumulated_steps(
    data: dict[str, Path], tmp_path: Path
) -> None:
    base = pretrained_folder(tmp_path / "base")
    model = train_base(
        tmp_path / "run",
        data,
        base,
        optimizer={"learning_rate": 1e-3},
        phases=[{"steps": 6, "videos": 4, "observe": 1, "think": 1}],
        arithmetic="bfloat16",
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


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"optimizer": {"name": "muon"}}, "optimizer.name is muon"),
        ({"optimizer": {"matrix_learning_rate": 0.02}}, "optimizer.matrix_learning_rate is a rate of Muon"),
        ({"student": {"style": "compact"}}, "sft.student.style is compact"),
        ({"visual_words": {"steps": 4}}, "visual_words.steps is for a student built from scratch"),
    ],
)
def test_settings_that_contradict_a_pretrained_base_are_refused(
    settings: dict[str, Any], says: str, data: dict[str, Path], tmp_path: Path
) -> None:
    base = pretrained_folder(tmp_path / "base")
    with pytest.raises(SystemExit) as ended:
        train_base(tmp_path / "run", data, base, **settings)
    assert ended.value.code == 2 and says in reason(tmp_path / "run")


def test_a_base_that_was_made_here_is_asked_as_it_was_trained_or_refused(data: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_student(tmp_path / "base").source
    with pytest.raises(SystemExit) as ended:
        train_base(tmp_path / "refused", data, Path(base))
    assert ended.value.code == 2
    asked, _ = json.JSONDecoder().raw_decode(reason(tmp_path / "refused").partition("its own: ")[2])
    model = train_base(tmp_path / "run", data, Path(base), student=asked)
    assert load_student(model, device="cpu").profile.style == "compact"
    assert not load_student(model, device="cpu").pretrained


def test_training_goes_on_from_the_champion_where_there_is_one(
    data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = new_store(tmp_path, "sft-test")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "sft-test")
    registry = Registry("films")
    begun = train(tmp_path / "first", data, champion_of="films")
    assert read_manifest(begun).info.get("started_from") is None, "there is no champion yet"
    run = registry.client.create_run(lineage.experiment_id(registry.client, "sft-test"))
    registry.crown(registry.register(str(begun), read_manifest(begun).digest, "", 0.5, run.info.run_id))

    model = train(tmp_path / "second", data, champion_of="films")
    told = read_manifest(model).info
    assert told["base_model"] == str(begun) and told["started_from"].startswith("1@")
    assert [line["step"] for line in curve(model)] == list(range(12)), "without the first lessons, which it has had"
    first_loss = curve(model)[0]["loss_observe"]
    untaught = next(line["loss_observe"] for line in curve(begun) if "loss_observe" in line)
    assert first_loss < untaught
    assert "untrained" in load_students(model, model)

    shutil.rmtree(begun)
    with pytest.raises(SystemExit) as ended:
        train(tmp_path / "third", data, champion_of="films")
    assert ended.value.code == 2
    assert "The champion (version 1) of 'films' is not at" in reason(tmp_path / "third")


def test_a_part_of_a_group_leaves_the_rest_of_it_as_the_paper_has_it() -> None:
    settings = parse_settings(SftSettings, '{"base": "x", "student": {"frames": {"max_frames": 64}}}')
    assert settings.student.frames.max_frames == 64 and settings.student.frames.max_pixels == 128 * 28 * 28
    assert parse_settings(SftSettings, settings.to_json()) == settings


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"base": ""}, "needs a size"),
        ({"base": "x", "visual_words": {"steps": 5}}, "visual_words.steps is for a student built from scratch"),
        (
            {"base": "", "size": SIZE.model_dump(), "visual_words": {"steps": 5, "token_norm": 1.0, "lookups": True}},
            "visual_words.lookups wants size.previous_token_heads to begin with 1",
        ),
        ({"base": "x", "scans": True}, "scans, remix, .* are for a student that was built from scratch"),
        ({"base": "x", "remix": {"share": 0.5}}, "are for a student that was built from scratch"),
        ({"base": "x", "shifted_positions": 9}, "are for a student that was built from scratch"),
        ({"base": "x", "emphasis": {"answer": 2.0}}, "are for a student that was built from scratch"),
        ({"base": "x", "phases": [{"steps": 1, "rehearse": 1}]}, "are for a student that was built from scratch"),
    ],
)
def test_a_student_is_built_or_started_from_a_base(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_settings(SftSettings, json.dumps(given))


def test_no_training_video_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = training_data(tmp_path, 1)
    with pytest.raises(SystemExit):
        train(tmp_path / "run", data, max_duration_s=2.0)
    assert "no captioned training video" in (tmp_path / "run" / "run" / "tasks").joinpath("sft-s00000.json").read_text()


def test_the_model_is_a_dataset_that_names_its_settings(data: dict[str, Path], tmp_path: Path) -> None:
    first, second = train(tmp_path / "a", data, phases=[]), train(tmp_path / "b", data, phases=[], seed=1)
    assert Dataset(first).manifest.settings_digest != Dataset(second).manifest.settings_digest
    assert Dataset(first).manifest.digest != Dataset(second).manifest.digest
