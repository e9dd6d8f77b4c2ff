"""Settings of supervised fine-tuning. The defaults are the laptop's: a small student built from scratch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from components.core.data.settings import Settings
from components.core.students.build import StudentSize
from components.core.students.precision import Arithmetic, Saved
from components.core.students.profile import PRETRAINED as PRETRAINED_PROFILE
from components.core.students.profile import StudentProfile
from components.core.training.checkpoints import CHECKPOINTING, Course
from components.core.training.optimizers import OptimizerSettings, Peaks
from components.core.training.task_losses import TaskWeights
from components.core.video.settings import VideoStageSettings

FROM_SCRATCH = Peaks(learning_rate=1.5e-3, matrix_learning_rate=0.02)
"""Ours, for the student of 1.4 million weights."""
PRETRAINED = Peaks(learning_rate=1e-5)
"""Video-Thinker's. ReWatch-R1's is 1e-6, second-hand, over ten epochs of some 5,000 steps."""
WITH_A_BASE: dict[str, Any] = {
    "student": PRETRAINED_PROFILE.model_dump(mode="json"),
    "naming": {"steps": 0},
    "max_duration_s": 0.0,
    "max_reply_tokens": 4096,
}
"""The defaults where there is a base: those of the fields are the laptop's, for a student of nine hundred tokens."""


class NamingSettings(Settings):
    """Before it reads, a student built from scratch learns to name what is in view (visual_words.py)."""

    steps: int = Field(default=150, ge=0)
    """Steps; 0 leaves it out. Ours: at 150 the tower names shapes it never saw, without it they stay at chance."""

    moments: int = Field(default=96, ge=1)
    """Groups of frames in each step."""


class Phase(Settings):
    """A stretch of training with one mixture: how many samples of each task every video brings to a step."""

    steps: int = Field(ge=0)
    """Optimiser steps."""

    videos: int = Field(default=12, ge=1)
    """Videos in each step."""

    caption: int = Field(default=0, ge=0)
    """The whole caption: at most 1 of them exists for a video."""

    observe: int = Field(default=0, ge=0)
    """Looks at seconds in random order, loss on what is observed; derived from the caption."""

    find: int = Field(default=0, ge=0)
    """Searches for an event, loss on the time span that is observed; derived from the caption."""

    direct: int = Field(default=0, ge=0)
    """Questions answered at once."""

    think: int = Field(default=0, ge=0)
    """Questions with their re-watching trace."""


class SftSettings(VideoStageSettings):
    """The sft section of a profile."""

    not_content: ClassVar[frozenset[str]] = frozenset({"work", *CHECKPOINTING})

    base: str = ""
    """The model to start from: a folder or Hugging Face path of a Qwen2.5-VL; empty builds one of `size`. With a base,
    what is left out below is what suits a pretrained model (`WITH_A_BASE`)."""

    size: StudentSize = StudentSize()
    """Size of a student built from scratch."""

    student: StudentProfile = StudentProfile()
    """Prompts and frames. A base that was made here keeps those it was trained with: others are refused."""

    seed: int = 0
    """Of the initial weights and of the order of the data."""

    naming: NamingSettings = NamingSettings()
    """The vision tower's first lessons, for a student built from scratch; no steps with a base."""

    phases: tuple[Phase, ...] = (
        Phase(steps=50, observe=8),
        Phase(steps=80, caption=1, observe=3, direct=1, think=3),
    )
    """Looking first, then everything: the look-up of a second forms sooner without other tasks around it."""

    weights: TaskWeights = TaskWeights()
    """How the tasks share the loss of a step: equally, as ReWatch-R1 adds L_Cap, L_QA and L_CoT, whatever the length of
    their replies. The laptop's profile gives each its share of the tokens instead."""

    forms: tuple[Literal["open", "multiple_choice"], ...] = ("multiple_choice",)
    """Forms of question to train on; ReWatch-R1 uses both, half and half."""

    max_duration_s: float = Field(default=16.0, ge=0)
    """Longer videos are left out of training; 0 means no limit, as with a base. The laptop's 16 frames show eight
    seconds."""

    shift_pixels: int = Field(default=5, ge=0)
    """Every video is moved at random by up to so many pixels: from 300 clips alone the tower learns clips by heart."""

    max_reply_tokens: int = Field(default=256, ge=1)
    """Samples with a longer reply are left out and counted. 4,096 with a base: real captions are long."""

    optimizer: OptimizerSettings = OptimizerSettings()
    """Rates left out are those of `peaks`, by the student."""

    rows_per_forward: int = Field(default=64, ge=1)
    """Videos that go through the model together; a step with more accumulates gradients."""

    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass, to fit a large model."""

    freeze_vision: bool = False
    """Train the language model alone."""

    checkpoint_every: int = Field(default=25, ge=1)
    """Steps between checkpoints."""

    keep_checkpoints: int = Field(default=2, ge=1)
    """So many of the latest stay, and the last from before the rate falls, from which a run can be lengthened. With
    AdamW one takes 12 bytes for each weight: 84 GB for 7B."""

    keep_every: int = Field(default=0, ge=0)
    """Checkpoints of every so many steps stay, too, to choose among them later (Video-Thinker's best was step 2,500 of
    5,000, kept every 500); 0 for none."""

    device: str = "auto"
    """`auto` takes CUDA where there is one."""

    arithmetic: Arithmetic = "auto"
    """What the student runs in. `auto`: bfloat16 on a GPU from a hundred million weights on, else float32. Weights are
    stored in float32 while they are trained, whatever they run in."""

    saved: Saved = "base"
    """What weights are saved in. `base`: as the model started from, such as bfloat16, half the size of float32 and all
    that bfloat16 arithmetic sees of them; `float32` keeps what movement is finer, for a stage that trains on."""

    @model_validator(mode="before")
    @classmethod
    def _suit_the_base(cls, given: Any) -> Any:
        return _laid_over(WITH_A_BASE, given) if isinstance(given, dict) and given.get("base") else given

    @model_validator(mode="after")
    def _contradict_nothing(self) -> SftSettings:
        if self.base and self.naming.steps:
            raise ValueError("naming.steps is for a student built from scratch: leave it out, or leave base out")
        return self

    def peaks(self, *, pretrained: bool) -> Peaks:
        """The learning rates for a student."""
        return self.optimizer.peaks(PRETRAINED if pretrained else FROM_SCRATCH, pretrained=pretrained)

    @property
    def text_steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def course(self) -> Course:
        """The run's length, with the naming steps, whose rate rises and falls on its own."""
        first = self.naming.steps
        return Course(first + self.text_steps, first + self.optimizer.falls_at(self.text_steps))

    def without_length(self) -> SftSettings:
        """These settings for a last phase of any length."""
        last = [phase.model_copy(update={"steps": 0}) for phase in self.phases[-1:]]
        return self.model_copy(update={"phases": (*self.phases[:-1], *last)})


def _laid_over(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`given` with what it leaves out taken from `defaults`, at every depth."""
    merged = {**defaults, **given}
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(given.get(name), dict):
            merged[name] = _laid_over(default, given[name])
    return merged
