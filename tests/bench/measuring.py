"""What the benches share: CPU time, a table side by side, and `build/bench.json`, where every number ends up.

Contenders run in turn in one process, and limits are on the median of the ratios within a turn: another load or another
machine moves all of a turn together.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "build" / "bench.json"
ROUNDS = 5


def cpu_ms(contenders: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """CPU milliseconds of each contender in each round, all threads together, after one round to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            before = time.process_time()
            run()
            if number:
                spent[name].append((time.process_time() - before) * 1000)
    return spent


def report(title: str, measured: Mapping[str, Sequence[float]], limits: Mapping[str, float]) -> list[str]:
    """Print a table, add it to `build/bench.json`, return the contenders whose ratio to the first is under its limit.

    Args:
        measured: CPU milliseconds by contender and round; the first is ours.
        limits: the smallest ratio that is still as it should be, by contender.
    """
    ours = next(iter(measured.values()))
    ratios = {
        name: statistics.median(theirs / mine for theirs, mine in zip(values, ours, strict=True))
        for name, values in measured.items()
    }
    medians = {name: statistics.median(values) for name, values in measured.items()}
    print(f"\n{title}\n{'':<44}{'CPU ms':>9}{'ratio':>8}{'at least':>10}")
    for name, value in medians.items():
        limit = f"{limits[name]:.2f}" if name in limits else ""
        print(f"  {name:<42}{value:>9.2f}{ratios[name]:>8.2f}{limit:>10}")
    record(
        title,
        {name: {"cpu_ms": ms, "ratio": ratios[name], "at_least": limits.get(name)} for name, ms in medians.items()},
    )
    return [name for name, limit in limits.items() if ratios[name] < limit]


def record(title: str, measured: Mapping[str, Mapping[str, float | None]]) -> None:
    """Put one bench's numbers into `build/bench.json`, in place of those of an earlier run."""
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rounded = {name: {key: value and round(value, 3) for key, value in row.items()} for name, row in measured.items()}
    RESULTS.write_text(json.dumps({**known, title: rounded}, indent=1) + "\n")
