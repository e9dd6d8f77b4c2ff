"""The students that are compared: before training, after SFT, after GRPO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.core.manifest import read_manifest
from components.evaluation.systems import StudentName

if TYPE_CHECKING:
    from components.core.students.student import Student

UNTRAINED_SEED = 0


def load_students(sft_model: Path, grpo_model: Path) -> dict[StudentName, Student]:
    """The students by name.

    The untrained one is the base model that the SFT manifest names; where SFT began from scratch, it is the same
    architecture with fresh weights.
    """
    from components.core.students.student import load_student

    sft = load_student(sft_model)
    base = read_manifest(sft_model).info.get("base_model", "")
    untrained = load_student(base, sft.profile) if base else _fresh(sft)
    return {"untrained": untrained, "sft": sft, "grpo": load_student(grpo_model)}


def _fresh(student: Student) -> Student:
    """A student of the same kind whose weights have learned nothing."""
    import torch

    from components.core.students.student import Student

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        model = type(student.model)(student.model.config).to(device=student.model.device, dtype=student.model.dtype)
    return Student(model, student.tokenizer, student.profile)
