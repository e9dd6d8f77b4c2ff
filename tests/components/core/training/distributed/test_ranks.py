"""Two ranks on this machine, over gloo, beside one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from components.core.errors import SettingsError
from components.core.training.distributed.ranks import Ranks
from components.core.training.distributed.settings import DistributedSettings
from components.core.training.optimizers import OptimizerSettings, Peaks
from components.core.training.zero import Zero
from components.sft.train import STAGE
from tests.components.core.judging.stages import run_stage
from tests.components.core.training.distributed.two_ranks import VARIANTS
from tests.components.training_world import SIZE, tiny_student, training_data
from tests.laptop import FILMED, laptop

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One launch for all variants: what costs is the start of two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    tiny_student(folder)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [*torchrun, "-m", "tests.components.core.training.distributed.two_ranks", str(folder)],
        env={**os.environ, "DS_ACCELERATOR": "cpu", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[:4000] + ended.stderr[-4000:]
    read: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    print(json.dumps(read, indent=1))  # what README quotes
    return read


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_ranks_equal_one_process_after_three_steps(figures: dict[str, Any], variant: str) -> None:
    seen = figures[variant]
    assert seen["weights"] <= TOLERANCE and seen["losses"] <= TOLERANCE and seen["norms"] <= TOLERANCE
    assert seen["held"] == (1 if "zero 2" in variant else 0)  # outside of a forward stage 3 holds none whole


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_state_that_was_taken_up_goes_on_as_the_run_it_is_from(figures: dict[str, Any], variant: str) -> None:
    assert figures[variant]["resumed"] <= TOLERANCE


@pytest.mark.parametrize("stage", ["zero 2", "zero 3"])
def test_a_gradient_of_one_rank_that_is_no_number_moves_no_rank(figures: dict[str, Any], stage: str) -> None:
    seen = figures["skip"][stage]
    assert not seen["norm"] < float("inf") and seen["moved"] == 0
    assert seen["moved_later"] > 0 and seen["finite"] == 1


def test_muon_is_refused_where_ranks_hold_slices() -> None:
    with pytest.raises(SettingsError, match="is muon, and distributed"):
        Zero(None, OptimizerSettings(learning_rate=1e-3), Peaks(1e-3, 0.02), Ranks(), 2)


def test_processes_without_a_backend_for_them_are_refused() -> None:
    with pytest.raises(ValueError, match="need backend: deepspeed"):
        DistributedSettings(processes=2)


SETTINGS = laptop(
    "sft",
    {
        "size": SIZE.model_dump(mode="json"),
        "student": {"frames": {"max_frames": 8}},
        **FILMED,
        "visual_words": {"steps": 0},
        "phases": [{"steps": 8, "videos": 3, "caption": 1, "direct": 1, "think": 1}],
        "optimizer": {"name": "adamw", "matrix_learning_rate": None},
        "checkpoint_every": 2,
        "device": "cpu",
    },
)


def in_ranks(zero: int, processes: int = 2) -> dict[str, Any]:
    return {**SETTINGS, "distributed": {"backend": "deepspeed", "zero": zero, "processes": processes}}


def kill_a_rank_after_its_first_checkpoint(state: Path, killed: list[int]) -> None:
    """SIGKILL for the second rank, as the kernel sends it where memory ends."""
    deadline = time.monotonic() + 300
    while not list((state / "checkpoints").rglob("step-*/state.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = (
            b"components.core.training.distributed.ranks" in command
            and f"REWATCH_STATE_ROOT={state}".encode() in environment
        )
        if ours and b"LOCAL_RANK=1" in environment:
            os.kill(int(folder.name), signal.SIGKILL)
            killed.append(int(folder.name))


@pytest.mark.full
def test_a_rank_is_killed_and_all_go_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    """Rank 0 alone writes; the run of two ranks of which one died ends where one process does."""
    data = training_data(tmp_path, 4)
    run_stage(STAGE, "http://127.0.0.1:9/v1", tmp_path / "one", data, SETTINGS)
    killed: list[int] = []
    killer = threading.Thread(
        target=kill_a_rank_after_its_first_checkpoint, args=(tmp_path / "two" / "state", killed), daemon=True
    )
    killer.start()
    run_stage(STAGE, "http://127.0.0.1:9/v1", tmp_path / "two", data, in_ranks(3))
    killer.join()
    assert killed
    log = (tmp_path / "two" / "run" / "logs" / "sft-s00000.jsonl").read_text()
    assert log.count("A rank of the training died") == 1 and "continuing at step" in log
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "output" / "training.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [line["step"] for line in two] == list(range(8))
    for before, after in zip(one, two, strict=True):
        assert after == pytest.approx(before, abs=TOLERANCE)
    weights = [load_file(tmp_path / name / "output" / "model.safetensors") for name in ("one", "two")]
    assert max(float((weights[0][name] - value).abs().max()) for name, value in weights[1].items()) <= 10 * TOLERANCE
    records = [json.loads((tmp_path / name / "run/tasks/sft-s00000.json").read_text()) for name in ("one", "two")]
    assert records[0]["metrics"].keys() == records[1]["metrics"].keys() and records[1]["status"] == "succeeded"
    assert len(list((tmp_path / "two" / "run" / "tasks").iterdir())) == 1


@pytest.mark.full
def test_an_error_of_a_rank_is_the_tasks_own(tmp_path: Path) -> None:
    data = training_data(tmp_path, 1)
    with pytest.raises(SystemExit) as ended:
        run_stage(STAGE, "http://127.0.0.1:9/v1", tmp_path, data, {**in_ranks(2, 1), "max_duration_s": 2.0})
    assert ended.value.code == 1
    record = json.loads((tmp_path / "run" / "tasks" / "sft-s00000.json").read_text())
    assert "no captioned training video" in record["error"]["what"] and record["error"]["type"] == "DatasetError"
