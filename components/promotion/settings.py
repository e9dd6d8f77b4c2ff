"""Settings of promotion. All thresholds are ours: neither paper promotes models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.data.settings import StageSettings


class PromotionSettings(StageSettings):
    """Which system stands for promotion, and what it must show."""

    registered_model: str = Field(min_length=1)
    """Name in MLflow's registry. Ours: every pipeline gives its own, or one would dethrone the other's champion."""

    system: Literal["grpo_think", "grpo_direct"] = "grpo_think"
    """The row of the evaluation table that stands for the model; the champion is asked in the same way. Ours."""

    min_gain: float = Field(default=0.0, ge=-1, le=1)
    """The lower bound of the paired difference to the champion must exceed this. Ours: 0 asks for evidence that the new
    model is better; a negative value tolerates a loss."""

    min_lead: float = Field(default=0.0, ge=0, le=1)
    """Where there is no champion: the lower bound of the paired difference to the untrained model must exceed this.
    Ours: a first champion that learned nothing would let anything pass after it."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the two-sided interval whose lower bound decides. Ours: the usual one."""

    min_questions: int = Field(default=100, ge=1)
    """Fewer questions that both answered decide nothing. Ours: 100 leave an interval of about ± 0.1."""

    location: str = ""
    """Where the model lies for other runs, such as an s3:// prefix; filled in by the pipeline. Empty means the input's
    folder."""
