"""Settings of promotion. All thresholds are ours: neither paper promotes models."""

from __future__ import annotations

from pydantic import Field

from components.core.settings import StageSettings


class PromotionSettings(StageSettings):
    """Which system stands for promotion, and what it must show."""

    registered_model: str = "rewatch-student"
    """Name in MLflow's registry."""

    system: str = "grpo_think"
    """The row of the evaluation table that stands for the model."""

    metric: str = "accuracy"
    """The number compared: the share of right answers, all question types together."""

    min_gain: float = Field(default=0.0, ge=-1, le=1)
    """The lower 95 % bound of the paired difference to the champion must be at least this. 0 asks for evidence that the
    new model is not worse; a negative value tolerates a loss."""

    min_questions: int = Field(default=30, ge=1)
    """Fewer common questions decide nothing."""
