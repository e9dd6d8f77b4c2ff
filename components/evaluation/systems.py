"""The rows of the evaluation table, and which of them are compared.

The honest control is the wrong video: the same student, the same question, another held-out video of similar length. An
answer without any video would be out of the distribution that the student was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StudentName = Literal["untrained", "sft", "grpo", "champion"]


@dataclass(frozen=True)
class System:
    """One row: a student, the mode it is asked in, and whether it is shown the right video."""

    name: str
    student: StudentName
    mode: Literal["direct", "think"]
    wrong_video: bool = False
    judged: bool = False


SYSTEMS = (
    System("untrained", "untrained", "think"),
    System("sft_direct", "sft", "direct"),
    System("sft_think", "sft", "think", judged=True),
    System("grpo_direct", "grpo", "direct"),
    System("grpo_think", "grpo", "think", judged=True),
    System("wrong_video", "grpo", "think", wrong_video=True),
    System("champion_direct", "champion", "direct"),
    System("champion_think", "champion", "think"),
)

COMPARISONS = (
    ("sft_think", "sft_direct"),
    ("grpo_think", "sft_think"),
    ("grpo_think", "grpo_direct"),
    ("grpo_think", "wrong_video"),
    ("grpo_think", "untrained"),
    ("grpo_direct", "champion_direct"),
    ("grpo_think", "champion_think"),
)
"""Pairs whose difference is reported with a paired interval, first minus second."""
