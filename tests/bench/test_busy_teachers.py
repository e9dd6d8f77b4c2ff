"""How well tasks use a busy server, and how soon they go on after an outage, over real HTTP and faster than life.

Shares of time, not milliseconds: a busy machine leaves slots idle and makes waits longer, and nothing makes them
better, so the best of a few rounds counts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bench.measuring import record
from tests.components.core.teachers.crowds import OUTAGES, go_through_an_outage, share_of_slots

pytestmark = pytest.mark.bench

ROUNDS = 3
AT_LEAST_SHARE = 0.95
AT_MOST_RATIO = 1.1
OUTAGE_S = 10.0
"""Ten minutes, sixty times as fast as life."""


@pytest.mark.parametrize("call_s", [0.64, 1.5])
def test_twenty_tasks_keep_32_slots_busy(call_s: float) -> None:
    share = max(share_of_slots(call_s) for _ in range(ROUNDS))
    print(f"{call_s} s a call: {share:.3f} of the slots' time")
    record(f"slots of a busy teacher, {call_s} s a call", {"share": {"ratio": share, "at_least": AT_LEAST_SHARE}})
    assert share >= AT_LEAST_SHARE


async def test_an_outage_of_ten_minutes_costs_at_most_eleven(tmp_path: Path) -> None:
    """For one record or 16 at once."""
    cases = [(during, 16) for during in OUTAGES] + [(None, 1)]
    best = [float("inf")] * len(cases)
    for attempt in range(ROUNDS):
        outages = [
            go_through_an_outage(tmp_path / f"{attempt}-{number}", during, at_once, OUTAGE_S)
            for number, (during, at_once) in enumerate(cases)
        ]
        results = await asyncio.gather(*outages)
        best = [min(before, lasted_s / OUTAGE_S) for before, (lasted_s, _) in zip(best, results, strict=True)]
    print(", ".join(f"{ratio:.3f}" for ratio in best))
    record("time of 20 records over an outage", {"worst kind": {"ratio": max(best), "at_most": AT_MOST_RATIO}})
    assert max(best) < AT_MOST_RATIO
