"""The students that are compared: before training, after SFT, after GRPO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.core.data.manifest import read_manifest
from components.core.errors import DatasetError
from components.evaluation.systems import StudentName

if TYPE_CHECKING:
    from components.core.students.student import Student

UNTRAINED = "untrained"


def load_students(sft_model: Path, grpo_model: Path) -> dict[StudentName, Student]:
    """The students by name.

    The untrained one lies beside the SFT model where that was built from scratch, else it is the base model that the
    SFT manifest names.

    Raises:
        DatasetError: neither is there.
    """
    from components.core.students.student import load_student

    sft = load_student(sft_model)
    beside = sft_model / UNTRAINED
    base = str(beside) if beside.is_dir() else read_manifest(sft_model).info.get("base_model", "")
    if not base:
        raise DatasetError(
            f"{sft_model} names no base model and holds no folder '{UNTRAINED}': its start is unknown.",
            "Train it again with this version.",
        )
    return {"untrained": load_student(base, sft.profile), "sft": sft, "grpo": load_student(grpo_model)}
