"""What each step trains on, as a pure function of the seed and the step.

Nothing about the order of the data has to be saved: a run that continues from step 60 draws what an unbroken run would
have drawn. Videos come in epochs, each in its own order, across the borders of phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from components.sft.settings import Phase


@dataclass(frozen=True)
class Step:
    """One optimiser step: its phase and the indices of its videos."""

    number: int
    phase: Phase
    videos: tuple[int, ...]


def step_at(number: int, phases: Sequence[Phase], videos: int, seed: int) -> Step:
    """The step with this number, counted from 0 over all phases, on a corpus of `videos` videos.

    Raises:
        IndexError: there are fewer steps.
    """
    used, left = 0, number
    for phase in phases:
        if left < phase.steps:
            first = used + left * phase.videos
            drawn = (_video_at(place, videos, seed) for place in range(first, first + phase.videos))
            return Step(number, phase, tuple(dict.fromkeys(drawn)))
        left -= phase.steps
        used += phase.steps * phase.videos
    raise IndexError(f"step {number} of {number - left}")


def sampling_rng(seed: int, step: int, video_id: str) -> Random:
    """The randomness with which a video's samples are drawn in a step."""
    return Random(f"{seed}/{step}/{video_id}")


def _video_at(place: int, videos: int, seed: int) -> int:
    epoch, offset = divmod(place, videos)
    order = list(range(videos))
    Random(f"{seed}/epoch {epoch}").shuffle(order)
    return order[offset]
