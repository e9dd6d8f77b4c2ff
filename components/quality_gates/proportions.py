"""The interval of a rate: Wilson's score interval, which stays inside [0, 1] and is honest at small n (Wilson 1927)."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959964
"""The 97.5 % quantile of the normal distribution: half-width of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Proportion:
    """A rate, its 95 % interval and its denominator."""

    rate: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, z: float = Z95) -> Proportion:
    """Wilson's score interval of a rate.

    >>> proportion = wilson(25, 100)
    >>> round(proportion.low, 3), round(proportion.high, 3)
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
    return Proportion(rate, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale), n)
