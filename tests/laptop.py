"""The laptop's values, for tests of what its small student does: the settings classes hold those of the real job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core.students.build import StudentSize
from components.core.students.profile import FrameSettings
from components.sft.settings import SftSettings
from pipelines.profile import load_profile

STAGES = load_profile("laptop").stages
SFT = STAGES["sft"]
assert isinstance(SFT, SftSettings) and isinstance(SFT.size, StudentSize)
SIZE: StudentSize = SFT.size
FRAMES: FrameSettings = SFT.student.frames

FILMED = {
    "scans": False,
    "shifted_positions": 0,
    "remix": {"share": 0.0},
    "emphasis": {"answer": 1.0, "action": 1.0},
    "weights": {"by_length": False},
}
"""Laid over the laptop's sft: clips as they were filmed and traces as they were told, each task with its own share."""


def laptop(stage: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The stage's section of the laptop's profile with `changes` laid over it, as JSON values."""
    return laid_over(STAGES[stage].model_dump(mode="json"), changes)


def laid_over(under: Any, over: Any) -> Any:
    """`over` with what it leaves out taken from `under`, group by group."""
    if not (isinstance(under, Mapping) and isinstance(over, Mapping)):
        return over
    return {**under, **{key: laid_over(under.get(key), value) for key, value in over.items()}}
