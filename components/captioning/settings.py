"""Settings of captioning. "paper" is arXiv 2509.23652; what it leaves open is marked as ours."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from components.captioning.frame_rate import FrameBudget
from components.core.teachers.roles import RoleSettings
from components.core.video.settings import VideoStageSettings


class CaptioningSettings(VideoStageSettings):
    """How segments are looked at and captioned."""

    not_content: ClassVar[frozenset[str]] = VideoStageSettings.not_content | {"windows_in_flight"}

    captioner: RoleSettings = RoleSettings(role="captioner", max_tokens=4096)
    """Who describes the frames; the paper used Gemini-2.5-Flash without thinking."""

    rates: tuple[float, ...] = (1.0, 2.0, 4.0)
    """The frame rates to choose from, ascending, each a whole multiple of the one before it. Ours: the paper says only
    "high"."""

    full_motion: float = Field(default=0.02, gt=0, le=1)
    """Share of the picture changing from frame to frame that already earns the highest rate. Ours."""

    max_pixels: int = Field(default=28 * 28 * 128, ge=28 * 28)
    """Pixels of a frame at most; smaller ones are never enlarged. The paper's cap for its policy; ours for this use."""

    jpeg_quality: int = Field(default=85, ge=30, le=100)
    """Quality of the JPEGs sent. Ours."""

    frames_per_request: int = Field(default=128, ge=4)
    """Frames in one request at most; a longer segment is captioned in windows and joined. Ours."""

    frames_per_segment: int = Field(default=1200, ge=4)
    """Frames spent on one segment at most: ten minutes at 2 frames per second. Ours."""

    tokens_per_segment: int = Field(default=160_000, ge=128)
    """Visual tokens (one per 28×28 pixels) spent on one segment at most. Ours."""

    few_frames: int = Field(default=16, ge=1)
    """A segment that gets fewer frames than this is looked at more often, however little moves. Ours."""

    windows_in_flight: int = Field(default=4, ge=1)
    """Windows of one segment that are read and asked about at a time; bounds memory. Ours."""

    shortest_window_s: float = Field(default=4.0, ge=1)
    """A window whose reply stays invalid is halved and asked about again, but not into parts shorter than this; what
    then stays invalid is left as a gap. Ours."""

    tolerance_s: float = Field(default=0.5, gt=0, lt=1)
    """How far an event may lie outside its window before the reply is invalid; gaps up to this go unrecorded. Ours."""

    @property
    def budget(self) -> FrameBudget:
        """What one segment may cost."""
        per_frame = FrameBudget.tokens_of(self.max_pixels)
        return FrameBudget(self.frames_per_segment, self.tokens_per_segment, per_frame, self.few_frames)

    @model_validator(mode="after")
    def _rates_ascend(self) -> Self:
        if not self.rates or self.rates[0] <= 0 or list(self.rates) != sorted(set(self.rates)):
            raise ValueError("rates must be positive, distinct and ascending")
        steps = [faster / slower for slower, faster in zip(self.rates, self.rates[1:], strict=False)]
        if any(abs(step - round(step)) > 1e-6 for step in steps):
            raise ValueError("each rate must be a whole multiple of the one before: a slower is thinned from a faster")
        return self
