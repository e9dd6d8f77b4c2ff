from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from components.core.students.packed_model import log_probabilities
from components.core.students.packing import Packed, pack
from components.core.students.precision import SMALL, autocast, choose
from components.core.students.prompting import Segment
from components.core.students.samplers.own import OwnSampler
from components.core.students.samplers.sampler import Decoding
from components.core.students.student import Ask, Student, load_student
from components.core.training.optimizers import Optimizer, OptimizerSettings, Peaks
from components.core.training.parity import LIMITS, measure_disagreement
from tests.components.pretrained_world import pretrained_folder
from tests.components.training_world import frames

RATE, STEPS = 1e-6, 100


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained_folder(tmp_path_factory.mktemp("base") / "official", tied=True)


def batches(student: Student) -> list[list[Packed]]:
    """A few batches of captions."""
    made = []
    for seed in range(4):
        rows = []
        for row in range(2):
            prefix = student.prefix(frames(4, seed=10 * seed + row), 2.0)
            text = f"00:00 a red circle 00:0{seed} a blue square on the {'left' if row else 'right'}"
            ids = tuple(student.prompter.encode(text))
            rows.append(pack(prefix, [Segment(ids, (True,) * len(ids))]))
        made.append(rows)
    return made


def movement(student: Student, held: torch.dtype = torch.float32) -> torch.Tensor:
    """How far each weight has moved after a hundred steps of AdamW at 1e-6, in float64 (weights,)."""
    student.model.to(held)
    start = torch.cat([value.detach().double().flatten() for value in student.model.parameters()])
    optimizer = Optimizer(
        student.model, OptimizerSettings(learning_rate=RATE, warmup=0, decay=0), Peaks(learning_rate=RATE)
    )
    data = batches(student)
    for step in range(STEPS):
        scores = log_probabilities(student.packed, data[step % len(data)])
        (-torch.cat([tokens for row in scores for tokens in row]).mean()).backward()
        optimizer.step(1.0)
    return torch.cat([value.detach().double().flatten() for value in student.model.parameters()]) - start


def projection(moved: torch.Tensor, reference: torch.Tensor) -> float:
    """Share of the reference's movement that was made."""
    return float(moved @ reference / (reference @ reference))


def test_master_weights_move_as_in_float32_where_weights_in_bfloat16_stand_still(base: Path) -> None:
    reference = movement(load_student(base, device="cpu", arithmetic="float32", trained=True))
    new = movement(load_student(base, device="cpu", arithmetic="bfloat16", trained=True))
    old = movement(load_student(base, device="cpu", arithmetic="bfloat16", trained=True), torch.bfloat16)
    figures = {
        name: (float((moved != 0).double().mean()), projection(moved, reference))
        for name, moved in (("float32", reference), ("masters", new), ("bfloat16", old))
    }
    print(figures)  # what README quotes
    assert figures["masters"][0] >= 0.99 and figures["masters"][1] >= 0.95
    assert figures["bfloat16"][0] <= 0.05 and figures["bfloat16"][1] <= 0.05


def test_small_students_run_in_float32_everywhere_and_large_ones_in_bfloat16_on_a_gpu_alone() -> None:
    assert choose("auto", "cuda", lambda: SMALL - 1) == torch.float32
    assert choose("auto", "cuda:1", lambda: SMALL) == torch.bfloat16
    assert choose("auto", "cpu", lambda: pytest.fail("counted for nothing")) == torch.float32
    assert choose("float32", "cuda", lambda: SMALL) == torch.float32


def test_weights_that_are_trained_are_held_in_float32_and_others_as_they_were_saved(base: Path) -> None:
    policy = load_student(base, device="cpu", arithmetic="bfloat16", trained=True)
    reference = load_student(base, device="cpu", arithmetic="bfloat16")
    small = load_student(base, device="cpu")
    assert (policy.model.dtype, reference.model.dtype, small.model.dtype) == (
        torch.float32,
        torch.bfloat16,
        torch.float32,
    )
    (rows, *_) = batches(policy)
    with torch.no_grad():
        scores = [
            torch.cat([tokens for row in log_probabilities(student.packed, rows) for tokens in row])
            for student in (policy, reference, small)
        ]
    assert torch.equal(scores[0], scores[1])  # one function, however it is held
    assert not torch.equal(scores[0], scores[2])


def test_sampler_and_trainer_agree_in_bfloat16(base: Path) -> None:
    student = load_student(base, device="cpu", arithmetic="bfloat16", trained=True)
    prefix = student.prefix(frames(6), 3.0)
    requests = [student.request(Ask(prefix, "think", question), replies=4) for question in ("What?", "Which shape?")]
    decoding = Decoding(16, temperature=1.0, never=student.never)
    seen = measure_disagreement(student.packed, OwnSampler(student.packed, student.ends), requests, decoding)
    assert 0 < seen.mean <= LIMITS["bfloat16"][0] and seen.percentile_99 <= LIMITS["bfloat16"][1]
    with autocast(student.model):
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16 and torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("tied", [True, False])
def test_a_trained_folder_has_the_type_it_is_told_or_that_of_its_base(tied: bool, tmp_path: Path) -> None:
    official = pretrained_folder(tmp_path / "official", tied=tied)
    for saved, dtype in (("base", "BF16"), ("float32", "F32"), ("bfloat16", "BF16")):
        student = load_student(official, device="cpu", saved=saved, trained=True)
        with torch.no_grad():
            for value in student.model.parameters():
                value += 1e-6
        student.save(tmp_path / saved)
        with safe_open(tmp_path / saved / "model.safetensors", "pt") as file:
            names = set(file.keys())
            assert {file.get_slice(name).get_dtype() for name in names} == {dtype}
            assert ("lm_head.weight" in names) != tied
        again = load_student(tmp_path / saved, device="cpu", saved=saved)
        assert str(again.saved_as) == {"BF16": "torch.bfloat16", "F32": "torch.float32"}[dtype]
        held = [value.bfloat16() if dtype == "BF16" else value for value in student.model.parameters()]
        assert all(
            torch.equal(before.float(), after) for before, after in zip(held, again.model.parameters(), strict=True)
        )


def test_a_frequency_is_not_rounded_where_weights_are(base: Path) -> None:
    held = load_student(base, device="cpu", arithmetic="bfloat16").model
    assert held.dtype == torch.bfloat16
    assert held.model.language_model.rotary_emb.inv_freq.dtype == torch.float32


PROGRAM = """
import torch
from components.core.students.precision import threads_of_one_core
with threads_of_one_core(2) as pool:
    print(*pool.map(lambda _: torch.get_num_threads(), range(4)))
"""


def test_a_thread_takes_one_core_whatever_the_environment_says() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "OMP_NUM_THREADS": "4"}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1"] * 4, done.stderr
