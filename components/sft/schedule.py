"""What each step trains on, as a pure function of the seed, the step, and what the steps before it have learned.

Nothing about the order of the data has to be saved: a run that continues from step 60 draws what an unbroken run would
have drawn. Videos come in epochs, each in its own order, across the borders of phases. A phase that names what it
teaches (`until`) ends when that is learned; the steps that it did not need go to the last phase, so that a run is as
long as its settings say. Samples are drawn anew for every step, so what a step gets right before it moves the weights
is right on samples that were never trained on; the training log has it, and from there a continued run knows in which
phase it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from components.sft.settings import Phase

LATEST = 10
"""Steps over whose mean a phase counts as learned."""


@dataclass(frozen=True)
class Step:
    """One optimiser step: its phase and the indices of its videos."""

    number: int
    phase: Phase
    videos: tuple[int, ...]


class Schedule:
    """The steps of a run, in order.

    Args:
        videos: how many there are.
    """

    def __init__(self, phases: Sequence[Phase], videos: int, seed: int) -> None:
        self._phases, self._videos, self._seed = phases, videos, seed
        self._steps = sum(phase.steps for phase in phases)
        self._phase, self._made_in_phase, self._made, self._drawn = 0, 0, 0, 0
        self._right: dict[str, list[float]] = {}
        self._skip_empty()

    @property
    def phase(self) -> int:
        """The number of the phase that the next step is in."""
        return self._phase

    def next(self) -> Step:
        """The step after those that were noted.

        Raises:
            IndexError: they were all.
        """
        if self._made >= self._steps:
            raise IndexError(f"step {self._made} of {self._steps}")
        return self._step(0)

    def after_next(self) -> Step | None:
        """The step after that, if the phase goes on; None at the end. For reading ahead: a phase that ends is a guess
        that failed, and its videos are read when they are wanted."""
        return self._step(1) if self._made + 1 < self._steps else None

    def _step(self, ahead: int) -> Step:
        phase = self._phases[self._phase]
        first = self._drawn + ahead * phase.videos
        drawn = (_video_at(place, self._videos, self._seed) for place in range(first, first + phase.videos))
        return Step(self._made + ahead, phase, tuple(dict.fromkeys(drawn)))

    def note(self, metrics: Mapping[str, float]) -> None:
        """The next step was made; `right_<task>` in its metrics is the share of a task's tokens that it had right."""
        phase = self._phases[self._phase]
        self._made += 1
        self._made_in_phase += 1
        self._drawn += phase.videos
        for task in phase.until:
            self._right.setdefault(task, []).append(round(metrics.get(f"right_{task}", 0.0), 6))
        is_last = self._phase == len(self._phases) - 1
        if not is_last and (self._made_in_phase >= phase.steps or self._is_learned(phase)):
            self._phase, self._made_in_phase, self._right = self._phase + 1, 0, {}
            self._skip_empty()

    def _is_learned(self, phase: Phase) -> bool:
        latest = {task: self._right[task][-LATEST:] for task in phase.until}
        return bool(latest) and all(
            len(values) == LATEST and sum(values) / LATEST >= phase.until[task] for task, values in latest.items()
        )

    def _skip_empty(self) -> None:
        while self._phase < len(self._phases) - 1 and not self._phases[self._phase].steps:
            self._phase += 1


def sampling_rng(seed: int, step: int, video_id: str) -> Random:
    """The randomness with which a video's samples are drawn in a step."""
    return Random(f"{seed}/{step}/{video_id}")


def _video_at(place: int, videos: int, seed: int) -> int:
    epoch, offset = divmod(place, videos)
    order = list(range(videos))
    Random(f"{seed}/epoch {epoch}").shuffle(order)
    return order[offset]
