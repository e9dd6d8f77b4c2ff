"""The dynamic frame rate: how often to look at a stretch of video, from its length, its motion and the budget.

The rate wanted rises with motion from the lowest to the highest of a ladder of rates, and is never so low that a short
stretch gets too few frames; the rate taken is the highest rung that neither exceeds it nor breaks the budget. Rungs,
rather than any number, make the frames of a slower rate a subset of those of a faster one, so that a stretch is decoded
once and thinned after its motion is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameBudget:
    """What looking may cost: `frames` and `tokens` in all, at `tokens_per_frame`.

    Up to `few_frames` frames are not worth saving: a stretch that short is looked at more often, still or not.
    """

    frames: int
    tokens: int
    tokens_per_frame: int
    few_frames: int = 1

    @property
    def allowed_frames(self) -> int:
        """Frames that keep to both limits; at least one."""
        return max(1, min(self.frames, self.tokens // self.tokens_per_frame))

    @staticmethod
    def tokens_of(pixels: int) -> int:
        """Visual tokens of a frame of `pixels`: one per 28×28 patch, as in Qwen2.5-VL."""
        return max(1, -(-pixels // (28 * 28)))


def choose_rate(duration_s: float, motion: float, budget: FrameBudget, rates: Sequence[float]) -> float:
    """Choose the frame rate for a stretch of video.

    Args:
        duration_s: its length in seconds.
        motion: 0 (nothing moves) to 1 (as much as ever matters), see `motion_of`.
        budget: what may be spent on the stretch.
        rates: the rungs in frames per second, ascending.

    Returns:
        a rung; or, where even the lowest is over budget, the rate that spends the budget exactly.

    Examples:
        >>> budget = FrameBudget(frames=192, tokens=24576, tokens_per_frame=128, few_frames=16)
        >>> choose_rate(60.0, 1.0, budget, (0.5, 1, 2, 4)), choose_rate(60.0, 0.0, budget, (0.5, 1, 2, 4))
        (2, 0.5)
        >>> choose_rate(8.0, 1.0, budget, (0.5, 1, 2, 4)), choose_rate(8.0, 0.0, budget, (0.5, 1, 2, 4))
        (4, 2)
    """
    affordable = budget.allowed_frames / duration_s
    by_motion = rates[0] * (rates[-1] / rates[0]) ** min(1.0, max(0.0, motion))
    wanted = max(by_motion, budget.few_frames / duration_s) * (1 + 1e-9)
    return max((rate for rate in rates if rate <= min(affordable, wanted)), default=min(affordable, rates[0]))
