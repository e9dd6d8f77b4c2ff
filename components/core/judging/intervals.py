"""Intervals that a report prints beside a rate or a difference.

Rates take Wilson's score interval, which stays inside [0, 1] and is honest at small n (Wilson 1927). Differences
between two models are resampled by video, because the questions of one video are not independent: a percentile
bootstrap over clusters (Efron & Tibshirani 1993, chapter 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964
"""The 97.5 % quantile of the normal distribution: half-width of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval (95 % unless another was asked for) and the number of observations it rests on."""

    mean: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a rate.

    >>> interval = wilson(25, 100)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.175, 0.343)

    Raises:
        ValueError: when `n` is not positive; a rate of nothing has no interval.
    """
    if n <= 0:
        raise ValueError("a rate needs at least one observation")
    rate = successes / n
    centre = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(rate, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale), n)


def clustered_bootstrap(
    values: Sequence[float],
    clusters: Sequence[str],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean of `values` with a two-sided percentile interval, resampling whole clusters.

    Args:
        values: one number per observation, such as correct (0 or 1) or the difference of two models (−1, 0, 1).
        clusters: what each observation belongs to, such as its video id; same length.
        confidence: of the interval, 0 to 1.

    Raises:
        ValueError: when there are no values, or the lengths differ.
    """
    if not values or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values and {len(clusters)} clusters: both must be equal and positive")
    import numpy as np

    names = sorted(set(clusters))
    place = {name: index for index, name in enumerate(names)}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, cluster in zip(values, clusters, strict=True):
        sums[place[cluster]] += value
        counts[place[cluster]] += 1
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(names), size=(resamples, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), len(values))
