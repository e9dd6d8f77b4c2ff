"""Temporal grounding: how well predicted intervals cover those of the ground truth.

As Video-Thinker scores it (arXiv 2510.23473): each true segment takes the best IoU over the predicted ones; mIoU is the
mean over true segments, Recall@K the share whose best IoU is at least K. A prediction without an interval counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.core.judging.matching import temporal_iou

Interval = tuple[float, float]
RECALLS = (0.3, 0.5, 0.7)


def best_ious(predicted: Sequence[Interval], truth: Sequence[Interval]) -> list[float]:
    """For each true interval (seconds) the IoU of the predicted one that fits it best.

    >>> best_ious([(0.0, 2.0), (4.0, 8.0)], [(4.0, 6.0), (9.0, 10.0)])
    [0.5, 0.0]
    """
    return [max((temporal_iou(guess, true) for guess in predicted), default=0.0) for true in truth]
