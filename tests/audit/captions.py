"""Caption events against true events: recall, precision, boundaries, motion.

A caption event finds a true event when both name the same coloured shapes and overlap with IoU ≥ 0.5; each is
used once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.core.data.rows import CaptionEvent
from tests.audit.table import Line, share, spread
from tests.audit.truth import TrueEvent, TrueVideo, named

LEAST_IOU = 0.5
BAR = 0.9


@dataclass
class CaptionScore:
    """Counts over some videos."""

    true: int = 0
    said: int = 0
    found: int = 0
    boundary_errors: list[float] = field(default_factory=list)
    motions: int = 0
    motions_right: int = 0

    def add(self, video: TrueVideo, caption: Sequence[CaptionEvent]) -> None:
        """Count one video's caption."""
        pairs = match(video.events, caption)
        self.true += len(video.events)
        self.said += len(caption)
        self.found += len(pairs)
        for true, said in pairs:
            # The ends of the video itself are no boundaries that anybody had to find.
            if true.start_s > 0:
                self.boundary_errors.append(abs(true.start_s - said.start_s))
            if true.end_s < video.duration_s:
                self.boundary_errors.append(abs(true.end_s - said.end_s))
            claimed = named(said.text)
            self.motions += len(true.things)
            self.motions_right += sum(claimed[pair] == motion for pair, motion in true.things.items())

    def lines(self, kind: str, bar: float | None = BAR) -> list[Line]:
        """What was counted."""
        return [
            share(f"captions of {kind} clips: recall", self.found, self.true, bar),
            share(f"captions of {kind} clips: precision", self.found, self.said, bar),
            *spread(f"captions of {kind} clips: boundary error", self.boundary_errors),
            share(f"captions of {kind} clips: motion right", self.motions_right, self.motions),
        ]


def match(true: Sequence[TrueEvent], caption: Sequence[CaptionEvent]) -> list[tuple[TrueEvent, CaptionEvent]]:
    """Pairs of a true event and the caption event that found it, best overlap first."""
    candidates = sorted(
        (
            (iou, index, number)
            for index, event in enumerate(true)
            for number, said in enumerate(caption)
            if (iou := _iou(event, said)) >= LEAST_IOU and set(named(said.text)) == set(event.things)
        ),
        key=lambda candidate: (-candidate[0], candidate[1:]),
    )
    used_true: set[int] = set()
    used_said: set[int] = set()
    pairs = []
    for _, index, number in candidates:
        if index not in used_true and number not in used_said:
            used_true.add(index)
            used_said.add(number)
            pairs.append((true[index], caption[number]))
    return pairs


def _iou(event: TrueEvent, said: CaptionEvent) -> float:
    overlap = min(event.end_s, said.end_s) - max(event.start_s, said.start_s)
    union = max(event.end_s, said.end_s) - min(event.start_s, said.start_s)
    return max(0.0, overlap) / union
