"""How a student looks at videos and is prompted: saved beside its weights, so that evaluation asks as training did."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from components.core.errors import DatasetError
from components.core.manifest import write_atomically
from components.core.settings import Settings
from components.core.video.plans import FramePlan

PROFILE_NAME = "student.json"


class FrameSettings(Settings):
    """Which frames a student sees of a video, and how large."""

    fps: float = Field(default=2.0, gt=0)
    """Frames per second (ReWatch-R1: 2.0)."""

    max_frames: int = Field(default=16, ge=2)
    """At most so many, spread over the video (ReWatch-R1: 192; 16 suffice for clips of eight seconds)."""

    width: int = Field(default=56, ge=0, multiple_of=28)
    """Pixels; with `height` 0 and `max_pixels` set the aspect ratio is kept instead."""

    height: int = Field(default=56, ge=0, multiple_of=28)
    """Pixels."""

    max_pixels: int = Field(default=0, ge=0)
    """Pixels of a frame at most where width and height are 0 (ReWatch-R1: 128 · 28 · 28)."""

    def plan(self, duration_s: float) -> FramePlan:
        """The frames of a whole video."""
        return FramePlan(
            end_s=duration_s,
            fps=self.fps,
            max_frames=self.max_frames,
            width=self.width,
            height=self.height,
            max_pixels=self.max_pixels,
            multiple=28,
        )


class StudentProfile(Settings):
    """What a prompt to this student looks like."""

    style: Literal["compact", "full"] = "compact"
    """`compact` spends few tokens, for students built from scratch; `full` has the substance of the paper's prompts."""

    frames: FrameSettings = FrameSettings()
    """The frames of its videos."""


def save_profile(folder: Path, profile: StudentProfile) -> None:
    """Write the profile beside the weights."""
    write_atomically(folder / PROFILE_NAME, profile.model_dump_json(indent=1).encode())


def load_profile(folder: Path) -> StudentProfile | None:
    """The profile beside the weights; None for a model that was not trained here.

    Raises:
        DatasetError: the file is not a profile of this version.
    """
    path = folder / PROFILE_NAME
    if not path.is_file():
        return None
    try:
        return StudentProfile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DatasetError(
            f"{path} is not a student's profile.", "Train the student again with this version."
        ) from error
