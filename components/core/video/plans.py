"""Which frames to read and at what size, decided before any decoding.

A plan is a value: it travels to the child process that decodes, enters record keys and lineage, and says nothing about
how a reader gets at the frames. The frame for a time is the one on screen then: the last whose timestamp is not later.
"""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_PLAN_FRAMES = 20_000


class FramePlan(BaseModel):
    """Regular looks at `[start_s, end_s)` and the size of the frames.

    Either `width` and `height` (exact, aspect ratio not kept), or `max_pixels` (aspect ratio kept, never enlarged,
    sides rounded to `multiple`), or neither (native size).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_s: float = Field(default=0.0, ge=0)
    end_s: float
    fps: float = Field(default=1.0, gt=0)
    max_frames: int = Field(default=768, ge=1, le=MAX_PLAN_FRAMES)
    max_pixels: int = Field(default=0, ge=0)
    width: int = Field(default=0, ge=0)
    height: int = Field(default=0, ge=0)
    multiple: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.end_s > self.start_s:
            raise ValueError(f"the plan ends at {self.end_s} s, not after its start at {self.start_s} s")
        if bool(self.width) != bool(self.height):
            raise ValueError("give width and height together")
        return self

    def times(self) -> list[float]:
        """The times asked for in seconds, rising: `start_s + i / fps`, spread evenly when `max_frames` are too few."""
        span = self.end_s - self.start_s
        wanted = max(1, math.ceil(span * self.fps - 1e-6))
        if wanted <= self.max_frames:
            return [self.start_s + index / self.fps for index in range(wanted)]
        return [self.start_s + span * index / self.max_frames for index in range(self.max_frames)]

    def size(self, native_width: int, native_height: int) -> tuple[int, int]:
        """Width and height in pixels of the frames returned for a video shown at `native_width` × `native_height`."""
        if self.width:
            return self.width, self.height
        if not self.max_pixels:
            return native_width, native_height
        scale = min(1.0, math.sqrt(self.max_pixels / (native_width * native_height)))

        def fitted(side: int) -> int:
            return max(self.multiple, round(side * scale / self.multiple) * self.multiple)

        return fitted(native_width), fitted(native_height)
