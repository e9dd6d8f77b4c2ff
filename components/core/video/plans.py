"""Which frames to read and at what size, decided before any decoding.

A plan is a value: it travels to the child process that decodes, enters record keys and lineage, and says nothing about
how a reader gets at the frames. The frame for a time is the one on screen then: the last whose timestamp is not later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.core.errors import VideoError

MAX_PLAN_FRAMES = 20_000
MAX_ASPECT_RATIO = 200


class FramePlan(BaseModel):
    """Regular looks at `[start_s, end_s)` and the size of the frames.

    Either `width` and `height` (exact, aspect ratio not kept), or `max_pixels` and perhaps `min_pixels` (aspect ratio
    kept, see `fitted`), or neither (native size).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_s: float = Field(default=0.0, ge=0)
    end_s: float
    fps: float = Field(default=1.0, gt=0)
    max_frames: int = Field(default=768, ge=1, le=MAX_PLAN_FRAMES)
    min_pixels: float = Field(default=0, ge=0)
    max_pixels: float = Field(default=0, ge=0)
    width: int = Field(default=0, ge=0)
    height: int = Field(default=0, ge=0)
    multiple: int = Field(default=2, ge=1)
    exact: bool = True
    """Whether a look must show what was on screen then. Where it need not, a keyframe less than half a period away
    stands in for it, which costs a twentieth; `Frame.time_s` says when it was really shown."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.end_s > self.start_s:
            raise ValueError(f"the plan ends at {self.end_s} s, not after its start at {self.start_s} s")
        if bool(self.width) != bool(self.height):
            raise ValueError("give width and height together")
        if self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels ({self.min_pixels}) is more than max_pixels ({self.max_pixels})")
        return self

    def times(self) -> list[float]:
        """The times asked for in seconds, rising: `start_s + i / fps`, spread evenly when `max_frames` are too few."""
        span = self.end_s - self.start_s
        wanted = max(1, math.ceil(span * self.fps - 1e-6))
        if wanted <= self.max_frames:
            return [self.start_s + index / self.fps for index in range(wanted)]
        return [self.start_s + span * index / self.max_frames for index in range(self.max_frames)]

    @property
    def period_s(self) -> float:
        """Seconds between two looks."""
        times = self.times()
        return times[1] - times[0] if len(times) > 1 else self.end_s - self.start_s

    def missing(self, got: Iterable[float]) -> list[tuple[float, float]]:
        """From where to where, in seconds, no picture could be read: each stretch of times asked for in vain.

        Args:
            got: the times that were answered, `Frame.asked_s` of every frame returned.
        """
        answered = set(got)
        asked = [*self.times(), self.end_s]
        stretches: list[tuple[float, float]] = []
        for time_s, following_s in pairwise(asked):
            if time_s in answered:
                continue
            start_s = stretches.pop()[0] if stretches and stretches[-1][1] == time_s else time_s
            stretches.append((start_s, following_s))
        return stretches

    def size(self, native_width: int, native_height: int) -> tuple[int, int]:
        """Width and height in pixels of the frames returned for a video shown at `native_width` × `native_height`.

        Raises:
            VideoError: the picture is too narrow to be fitted.
        """
        if self.width:
            return self.width, self.height
        if not self.max_pixels:
            return native_width, native_height
        return fitted(native_width, native_height, self.multiple, self.min_pixels, self.max_pixels)


def fitted(width: int, height: int, multiple: int, min_pixels: float, max_pixels: float) -> tuple[int, int]:
    """The size nearest to `width` × `height` whose sides are multiples of `multiple` and whose pixels keep the limits.

    The rule of Qwen2.5-VL's own tools (`smart_resize`), so that a student sees what the model was trained on: sides are
    rounded (halves to even); over the maximum both are scaled and rounded down, under the minimum scaled and rounded
    up. What is over the maximum only because a side cannot be less than one multiple stays over it, as there.

    >>> fitted(1920, 1080, 28, 0, 128 * 28 * 28)
    (420, 224)

    Raises:
        VideoError: one side is over 200 times the other.
    """
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise VideoError(
            f"A picture of {width}×{height} pixels has sides over {MAX_ASPECT_RATIO} times apart.", "Crop it."
        )
    pixels = width * height
    rounded = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
    if rounded[0] * rounded[1] > max_pixels:
        shrink = math.sqrt(pixels / max_pixels)
        rounded = [max(multiple, math.floor(side / shrink / multiple) * multiple) for side in (width, height)]
    elif rounded[0] * rounded[1] < min_pixels:
        grow = math.sqrt(min_pixels / pixels)
        rounded = [math.ceil(side * grow / multiple) * multiple for side in (width, height)]
    return rounded[0], rounded[1]
