"""What the loop does with a gradient that is no number while the loss is finite."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from components.core.training.backend import SingleProcess
from components.core.training.loop import MOST_SKIPPED
from components.core.training.optimizers import Optimizer, OptimizerSettings, Peaks
from components.sft.train import STAGE
from tests.components.core.judging.stages import run_stage
from tests.components.training_world import SIZE, training_data
from tests.laptop import FILMED, laptop

SETTINGS = laptop(
    "sft",
    {
        "size": SIZE.model_dump(mode="json"),
        "student": {"frames": {"max_frames": 8}},
        **FILMED,
        "visual_words": {"steps": 0},
        "phases": [{"steps": 8, "videos": 1, "direct": 1}],
    },
)


@pytest.mark.parametrize("part", ["weight", "bias"])  # Muon's and AdamW's
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_gradient_that_is_no_number_moves_no_weight(part: str, value: float) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 4)
    optimizer = Optimizer(model, OptimizerSettings(learning_rate=0.1), Peaks(0.1, 0.1))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model(torch.randn(2, 4)).sum().backward()
    getattr(model, part).grad.view(-1)[0] = value
    assert not optimizer.step(1.0) < float("inf")
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert optimizer.tensors() == {} and model.weight.grad is None
    model(torch.randn(2, 4)).sum().backward()
    assert 0 < optimizer.step(1.0) < float("inf")
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def train(folder: Path, poisoned: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train with gradients of infinity in some steps; the losses stay what they are."""
    backward, calls = SingleProcess.backward, iter(range(1000))

    def poison(self: SingleProcess, loss: torch.Tensor) -> None:
        backward(self, loss)
        if next(calls) in poisoned:
            self.model.model.lm_head.weight.grad[0, 0] = float("inf")

    monkeypatch.setattr(SingleProcess, "backward", poison)
    run_stage(STAGE, "http://127.0.0.1:9/v1", folder / "run", training_data(folder, 1), SETTINGS)


def record(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "run" / "run" / "tasks" / "sft-s00000.json").read_text())
    return told


def test_a_step_whose_gradient_is_infinite_is_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path, range(2, 2 + MOST_SKIPPED - 1), monkeypatch)
    lines = [json.loads(line) for line in (tmp_path / "run/output/training.jsonl").read_text().splitlines()]
    assert [line.get("skipped", 0) for line in lines] == [0, 0, 1, 1, 1, 1, 0, 0]
    assert all(line["loss"] < 20 and ("gradient_norm" in line) != ("skipped" in line) for line in lines)
    assert record(tmp_path)["metrics"]["skipped_steps"] == 4


def test_many_such_steps_in_a_row_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        train(tmp_path, range(1, 1000), monkeypatch)
    error = record(tmp_path)["error"]
    assert error["type"] == "TrainingError" and "The gradient of 5 steps in a row, up to step 5" in error["what"]
    assert "Lower the learning rate" in error["remedy"]


def test_who_is_told_to_stop_writes_the_checkpoint_of_the_step_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod has seconds between SIGTERM and its end, and a checkpoint is otherwise due after 25 steps."""
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    train(tmp_path / "whole", range(0), monkeypatch)
    with monkeypatch.context() as patched:
        backward, calls = SingleProcess.backward, iter(range(1000))

        def told(self: SingleProcess, loss: torch.Tensor) -> None:
            if next(calls) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            backward(self, loss)

        patched.setattr(SingleProcess, "backward", told)
        data = training_data(tmp_path / "stopped", 1)
        with pytest.raises(SystemExit) as ended:
            run_stage(STAGE, "http://127.0.0.1:9/v1", tmp_path / "stopped" / "run", data, SETTINGS)
    assert ended.value.code == 130
    assert record(tmp_path / "stopped")["error"]["type"] == "Interrupted"
    train(tmp_path / "stopped", range(0), monkeypatch)
    said = (tmp_path / "stopped/run/run/logs/sft-s00000.jsonl").read_text()
    assert "the checkpoint of step 3 is written" in said and "continuing at step 3 of 8" in said
    assert record(tmp_path / "stopped")["digest"] == record(tmp_path / "whole")["digest"]
