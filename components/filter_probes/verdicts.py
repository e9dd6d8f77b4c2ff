"""When the verdict of several probes is known, so that no probe is asked in vain.

A question is dropped when the share of probes that answer it right reaches theta. Probes are asked one after the
other; as soon as the probes still to come cannot change the outcome, it is settled. With the paper's two probes and
theta = 1, the first wrong answer settles it.
"""

from __future__ import annotations

_ROUNDING = 1e-9  # 2 of 3 must reach a theta written as 0.6667 minus float noise, not miss it by one ulp


def dropped(right: int, asked: int, probes: int, theta: float) -> bool | None:
    """Whether the question is dropped; None while it is open.

    Args:
        right: probes that answered right so far, of `asked`.
        probes: how many there are in all.
        theta: the share of right answers from which a question is dropped.

    >>> dropped(0, 1, 2, 1.0), dropped(1, 1, 2, 1.0), dropped(2, 2, 2, 1.0), dropped(1, 1, 2, 0.5)
    (False, None, True, True)
    """
    if not 0 <= right <= asked <= probes:
        raise ValueError(f"{right} right of {asked} asked of {probes} probes")
    needed = theta * probes - _ROUNDING
    if right >= needed:
        return True
    return False if right + (probes - asked) < needed else None
