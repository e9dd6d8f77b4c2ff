"""Settings of the agents that write re-watching chains of thought."""

from __future__ import annotations

from pydantic import Field

from components.core.data.settings import StageSettings
from components.core.teachers.roles import RoleSettings


class AgentCotSettings(StageSettings):
    """Settings of the stage `agent_cot`."""

    reasoner: RoleSettings = RoleSettings(role="reasoner")
    """Chooses the next look or the answer (the paper's A_R); sees question and history, never the caption."""

    observer: RoleSettings = RoleSettings(role="observer")
    """Reports what a look shows (the paper's A_O); sees the detailed caption only."""

    converter: RoleSettings = RoleSettings(role="converter")
    """Writes the prose between the looks (the paper's M_convert); invalid prose is asked again `attempts` times."""

    judge: RoleSettings = RoleSettings(role="judge")
    """Compares the final answer of an open question with the right one where no rule can."""

    per_video: int = Field(default=8, ge=0)
    """Questions of a training video that get a trajectory; 0 means all (the paper: 135k of 171k questions kept).
    Measured on the laptop's 328 training videos, one seed: with 2 a video the student always looked at the same second
    (0.35 of single looks right after SFT), with 8 it looked where the question points (0.62)."""

    single_look_share: float = Field(default=0.75, ge=0, le=1)
    """Share of `per_video` that goes to questions which one look answers; the rest covers the types evenly. Ours: a
    small student learns single looks first and stays at chance on two (the report shows both)."""

    include_open: bool = False
    """Also write trajectories for open questions; the paper does, the laptop's student trains on multiple choice."""

    max_steps: int = Field(default=11, ge=1)
    """Looks before the answer; 11 is the longest trajectory in the paper, which gives no limit."""

    attempts: int = Field(default=2, ge=1)
    """Trajectories sampled per question until one ends in the right answer. The paper names rejection sampling without
    a number; this one is ours."""

    resample_temperature: float = Field(default=0.7, ge=0)
    """Temperature of reasoner and observer from the second attempt on; the first uses the roles' own. Ours."""
