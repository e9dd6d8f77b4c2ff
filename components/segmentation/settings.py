"""Settings of segmentation. "paper" is arXiv 2509.23652; what it leaves open is marked as ours."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from components.core.teachers.roles import RoleSettings
from components.core.video.settings import VideoStageSettings


class SegmentationSettings(VideoStageSettings):
    """How long videos are cut."""

    segmenter: RoleSettings = RoleSettings(role="segmenter")
    """Who proposes the chunks; the paper used Gemini-2.5-Flash without thinking."""

    whole_up_to_s: float = Field(default=600.0, gt=0)
    """Videos up to this many seconds stay whole (paper: only videos over 10 minutes are segmented)."""

    target_s: float = Field(default=600.0, gt=0)
    """Length in seconds that the segmenter is asked to aim at (paper: about 10 minutes)."""

    min_s: float = Field(default=180.0, gt=0)
    """A chunk shorter than this is joined to its shorter neighbour. Ours."""

    max_s: float = Field(default=900.0, gt=0)
    """A chunk longer than this is split into equal parts. Ours."""

    fps: float = Field(default=0.2, gt=0)
    """Frames per second shown to the segmenter. Ours: the paper says "low" and gives no figure."""

    frames_per_request: int = Field(default=256, ge=8)
    """Frames in one request at most; a longer video is looked at window by window. Ours."""

    max_pixels: int = Field(default=28 * 28 * 128, ge=28 * 28)
    """Pixels of a frame at most; smaller ones are never enlarged. The paper's cap for its policy; ours for this use."""

    snap_fps: float = Field(default=4.0, ge=0)
    """Rate at which the seconds around a proposed cut are searched for a scene cut to move it to; 0: never. Ours."""

    jpeg_quality: int = Field(default=85, ge=30, le=100)
    """Quality of the JPEGs sent. Ours."""

    @property
    def window_s(self) -> float:
        """Seconds of video that one request can show."""
        return self.frames_per_request / self.fps

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.min_s <= self.target_s <= self.max_s:
            raise ValueError("min_s <= target_s <= max_s must hold")
        if self.min_s > self.max_s / 2:
            raise ValueError("min_s must be at most half of max_s, or splitting a long chunk would make short ones")
        if self.window_s < 1.5 * self.target_s:
            raise ValueError(
                f"one request shows {self.window_s:g} s of video, less than one and a half times target_s: "
                "lower fps or raise frames_per_request"
            )
        return self
