"""Settings of the agents that write re-watching chains of thought."""

from __future__ import annotations

from pydantic import Field

from components.core.data.settings import StageSettings
from components.core.teachers.roles import RoleSettings
from components.core.traces.looks import LookShares


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

    per_video: int = Field(default=0, ge=0)
    """Questions of a training video that get a trajectory; 0 means all (the paper tries all 171k and keeps 135k)."""

    look_shares: LookShares | None = None
    """How `per_video` is shared out by the looks that a question takes; within a share the kinds take turns. None: they
    take turns however often one must look (ours: the paper chooses nothing)."""

    include_open: bool = True
    """Also write trajectories for open questions, as the paper does."""

    max_steps: int = Field(default=11, ge=1)
    """Looks before the answer; 11 is the longest trajectory in the paper, which gives no limit."""

    attempts: int = Field(default=2, ge=1)
    """Trajectories sampled per question until one ends in the right answer. The paper names rejection sampling without
    a number; this one is ours."""

    resample_temperature: float = Field(default=0.7, ge=0)
    """Temperature of reasoner and observer from the second attempt on; the first uses the roles' own. Ours."""
