"""Settings of GRPO. What ReWatch-R1 (arXiv 2509.23652) reports is named beside each, what it leaves open is ours."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.core.students.precision import Saved
from components.core.teachers.roles import RoleSettings
from components.core.training.checkpoints import Course
from components.core.training.optimizers import OptimizerSettings, Peaks
from components.core.training.settings import TrainingSettings
from components.core.training.task_losses import TaskWeights


class GrpoOptimizer(OptimizerSettings):
    """How GRPO moves the weights."""

    learning_rate: float = Field(default=1e-6, gt=0)
    """Peak of AdamW. Ours, which is Video-R1's and Long-RL's: ReWatch-R1's is 1e-5, second-hand, at which Video-Thinker
    saw training collapse."""


class GrpoSettings(TrainingSettings):
    """The grpo section of a profile."""

    steps: int = Field(default=2857, ge=0)
    """Optimiser steps (ReWatch-R1: 40,000 questions once, 14 in each step)."""

    videos: int = Field(default=14, ge=1)
    """Videos in each step (ReWatch-R1: 14 prompts)."""

    questions_per_video: int = Field(default=1, ge=1)
    """Questions about each of them (ReWatch-R1: 14 prompts in all, whose videos are not named)."""

    replies: int = Field(default=8, ge=2)
    """Samples in a group (ReWatch-R1: 5, later 8)."""

    temperature: float = Field(default=0.8, gt=0)
    """Of sampling (ReWatch-R1: 0.8)."""

    top_p: float = Field(default=0.9, gt=0, le=1)
    """Of sampling (ReWatch-R1: 0.9)."""

    max_tokens: int = Field(default=2048, ge=1)
    """Longest reply. Ours: not reported for ReWatch-R1, whose longest trace has 2,045."""

    reward: Literal["oar", "accuracy"] = "oar"
    """ReWatch-R1's `oar`: r_acc · (1 + r_obs + r_rea) + r_fmt; `accuracy`: r_acc + r_fmt, its ablation."""

    scale_advantages: bool = True
    """Divide by the group's standard deviation (ReWatch-R1: GRPO); false gives Dr. GRPO's r − mean."""

    clip_low: float = Field(default=0.2, gt=0)
    """The ratio of new to old probability is clipped below at 1 − this. Ours: not reported for ReWatch-R1."""

    clip_high: float = Field(default=0.28, gt=0)
    """And above at 1 + this. Ours: clip-higher, as in DAPO."""

    updates: int = Field(default=1, ge=1)
    """Optimiser steps on each batch of samples (ReWatch-R1: 1, its two batch sizes are equal)."""

    rollout_weight_cap: float = Field(default=2.0, ge=1)
    """A token that the trainer finds likelier than the sampler did counts at most this much more (truncated importance
    sampling). Ours: 2 is usual. With the student's own sampler in float32 every weight is 1 to five digits."""

    rollout_kl_alarm: float = Field(default=0.05, gt=0)
    """A KL of the sampler's policy to the trainer's above this is logged as a warning. Ours: on students of
    0.03 and 1.4 million weights rounding made 1e-13 in float32 and 6e-6 to 4e-5 in bfloat16, a trainer that no longer
    sees the video 0.25 and 1.7. Another engine or a deeper model rounds more."""

    kl: float = Field(default=0.01, ge=0)
    """Weight of the KL term against the starting model; 0 keeps no reference. Ours: ReWatch-R1 draws a reference and
    gives no weight; 0.01 is Long-RL's, whose trainer it probably used."""

    replay_videos: int = Field(default=0, ge=0)
    """Videos whose caption and a direct answer are replayed in each step; ReWatch-R1 replays none, though RL on traces
    alone forgets both (grpo/README.md)."""

    replay_weight: float = Field(default=0.1, ge=0)
    """Weight of the replayed loss, where there is one. Ours."""

    replay_tasks: TaskWeights = TaskWeights()
    """How captions and direct answers share the replayed loss. Ours: equally."""

    shift_pixels: int = Field(default=0, ge=0)
    """Every video is moved at random by up to so many pixels, in sampling and update alike; ReWatch-R1 moves none."""

    question_types: tuple[str, ...] = ()
    """Types of question to train on; empty means all (ReWatch-R1)."""

    max_duration_s: float = Field(default=0.0, ge=0)
    """Longer videos are left out; 0 means no limit (ReWatch-R1's last up to an hour)."""

    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between checkpoints. Ours."""

    optimizer: GrpoOptimizer = GrpoOptimizer()
    """How weights are moved."""

    saved: Saved = "bfloat16"
    """What weights are saved in. Ours: bfloat16 arithmetic, in which the model is used, sees no more of them. `base`:
    as the model of SFT was saved; `float32` keeps what movement is finer, for a stage that trains on."""

    judge: RoleSettings = RoleSettings(role="judge")
    """Checks observations against the caption (ReWatch-R1: Qwen3-30B-A3B-Instruct)."""

    inferrer: RoleSettings = RoleSettings(role="inferrer")
    """Answers from the observations alone (the same model)."""

    def peaks(self, *, pretrained: bool) -> Peaks:
        """The learning rates for a student."""
        return self.optimizer.peaks(pretrained=pretrained)

    def course(self) -> Course:
        """The run's length."""
        return Course(self.steps, self.optimizer.falls_at(self.steps))

    def without_length(self) -> GrpoSettings:
        """These settings for a run of any length."""
        return self.model_copy(update={"steps": 0})
