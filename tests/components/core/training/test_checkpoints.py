from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from components.core.errors import TrainingError
from components.core.stores.mirror import Mirror
from components.core.training.backend import SingleProcess
from components.core.training.checkpoints import Checkpoints, Course
from components.core.training.log import TrainingLog
from components.core.training.optimizers import Optimizer, OptimizerSettings, Peaks

LOG = logging.getLogger("test")
SETTINGS = OptimizerSettings(learning_rate=0.01, warmup=0.0, decay=0.4)


def train(folder: Path, steps: int, *, stop_at: int = 10_000, **kept: int) -> tuple[Checkpoints, torch.Tensor, int]:
    """A small model trained on a batch that follows from the step; its weights, and where it set out."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 8)
    optimizer = Optimizer(model, SETTINGS, Peaks(learning_rate=0.01, matrix_learning_rate=0.01))
    course = Course(steps, SETTINGS.falls_at(steps))
    checkpoints = Checkpoints(Mirror(folder), course, LOG, **{"every": 3, "keep": 2, **kept})
    first, moments = checkpoints.load(model)
    SingleProcess(model, optimizer).take_up(moments)
    log = TrainingLog(checkpoints.log_path, first, steps, LOG)
    for step in range(first, min(steps, stop_at)):
        batch = torch.randn(4, 8, generator=torch.Generator().manual_seed(step))
        loss = (model(batch) - batch.flip(1)).square().mean()
        loss.backward()
        optimizer.step(SETTINGS.rate(step, steps))
        log.record(step, {"loss": float(loss.detach())})
        if checkpoints.due(step + 1):
            checkpoints.save(step + 1, model, optimizer.tensors())
    return checkpoints, torch.cat([value.detach().flatten() for value in model.parameters()]), first


def steps_on_disk(folder: Path, steps: int) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.glob(f"{steps:06d}-steps/step-*"))


def curve(checkpoints: Checkpoints) -> list[dict[str, Any]]:
    return [json.loads(line) for line in checkpoints.log_path.read_text().splitlines()]


def test_a_lengthened_run_ends_where_one_that_was_long_from_the_start_does(tmp_path: Path) -> None:
    _, short, _ = train(tmp_path / "lengthened", 20)
    lengthened, weights, first = train(tmp_path / "lengthened", 30)
    fresh, expected, nothing = train(tmp_path / "fresh", 30)
    assert (first, nothing) == (13, 0)  # 12 steps at the full rate, and one more whose factor is still 1
    assert SETTINGS.rate(12, 20) == 1.0 > SETTINGS.rate(13, 20)
    assert torch.equal(weights, expected) and not torch.equal(weights, short)
    assert curve(lengthened) == curve(fresh) and len(curve(fresh)) == 30


def test_a_shortened_run_sets_out_from_before_its_own_rate_falls(tmp_path: Path) -> None:
    train(tmp_path / "shortened", 30, keep=20)
    _, weights, first = train(tmp_path / "shortened", 20)
    _, expected, _ = train(tmp_path / "fresh", 20)
    assert first == 12 and torch.equal(weights, expected)


def test_an_interrupted_run_goes_on_with_a_falling_rate(tmp_path: Path) -> None:
    train(tmp_path / "broken", 20, stop_at=19)
    _, weights, first = train(tmp_path / "broken", 20)
    _, expected, _ = train(tmp_path / "fresh", 20)
    assert first == 18 and torch.equal(weights, expected)


def test_the_latest_checkpoints_and_the_one_before_the_rate_falls_stay(tmp_path: Path) -> None:
    train(tmp_path / "two", 20)
    assert steps_on_disk(tmp_path / "two", 20) == [13, 18, 20]
    train(tmp_path / "some", 20, keep=1, keep_every=6)
    assert steps_on_disk(tmp_path / "some", 20) == [6, 12, 13, 18, 20]


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_a_broken_checkpoint_is_set_aside_for_the_one_before(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints, _, _ = train(tmp_path / "run", 20, stop_at=19, keep=1)
    _, expected, _ = train(tmp_path / "fresh", 20)
    last = checkpoints.log_path.parent / "step-000018"
    (last / file).write_bytes((last / file).read_bytes()[:10])
    _, weights, first = train(tmp_path / "run", 20, keep=1)
    assert first == 13 and torch.equal(weights, expected)
    assert "step-000018 is broken" in caplog.text and "from the one before" in caplog.text
    assert steps_on_disk(tmp_path / "run", 20) == [13, 20]


def test_a_line_of_the_log_that_was_cut_off_does_not_stop_a_run(tmp_path: Path) -> None:
    checkpoints, _, _ = train(tmp_path / "run", 20, stop_at=19)
    with checkpoints.log_path.open("a") as log:
        log.write('{"step": 19, "lo')
    checkpoints, _, _ = train(tmp_path / "run", 20)
    assert [line["step"] for line in curve(checkpoints)] == list(range(20))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path, 20)
    model = torch.nn.Linear(4, 4)
    with pytest.raises(TrainingError, match="belongs to another model"):
        Checkpoints(Mirror(tmp_path), Course(20, 13), LOG, every=3, keep=2).load(model)


SAVE_TOO_MUCH = """
import logging, resource, sys
from pathlib import Path
import torch
from components.core.errors import TrainingError
from components.core.stores.mirror import Mirror
from components.core.training.checkpoints import Checkpoints, Course
from components.core.training.optimizers import Optimizer, OptimizerSettings, Peaks

model = torch.nn.Linear(300, 300)
optimizer = Optimizer(model, OptimizerSettings(learning_rate=0.01), Peaks(learning_rate=0.01))
checkpoints = Checkpoints(Mirror(Path(sys.argv[1])), Course(20, 13), logging.getLogger(), every=3, keep=1)
checkpoints.save(3, model, optimizer.tensors())
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoints.save(6, model, optimizer.tensors())
except TrainingError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_is_a_clear_error_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", SAVE_TOO_MUCH, str(tmp_path)], capture_output=True, text=True)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "A checkpoint could not be written to" in ended.stderr and "Make room there" in ended.stderr
    assert [path.name for path in (tmp_path / "000020-steps").iterdir()] == ["step-000003"]
    assert len(list((tmp_path / "000020-steps" / "step-000003").iterdir())) == 3
