"""What the benches share: CPU time, a table side by side, and `build/bench.json`, where every number ends up.

Contenders run one after the other in one process, and limits are on their ratios: those hold on any machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "build" / "bench.json"
ROUNDS = 5


def cpu_ms(contenders: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """CPU milliseconds of each contender, all threads together: the least of several rounds, after one to warm up."""
    best = dict.fromkeys(contenders, float("inf"))
    for number in range(ROUNDS + 1):
        for name, run in contenders.items():
            before = time.process_time()
            run()
            if number:
                best[name] = min(best[name], (time.process_time() - before) * 1000)
    return best


def report(title: str, measured: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    """Print a table, add it to `build/bench.json`, return the contenders whose ratio to the first is under its limit.

    Args:
        measured: CPU milliseconds by contender; the first is ours.
        limits: the smallest ratio that is still as it should be, by contender.
    """
    ours = next(iter(measured.values()))
    ratios = {name: value / ours for name, value in measured.items()}
    print(f"\n{title}\n{'':<44}{'CPU ms':>9}{'ratio':>8}{'at least':>10}")
    for name, value in measured.items():
        limit = f"{limits[name]:.2f}" if name in limits else ""
        print(f"  {name:<42}{value:>9.2f}{ratios[name]:>8.2f}{limit:>10}")
    record(
        title,
        {name: {"cpu_ms": ms, "ratio": ratios[name], "at_least": limits.get(name)} for name, ms in measured.items()},
    )
    return [name for name, limit in limits.items() if ratios[name] < limit]


def record(title: str, measured: Mapping[str, Mapping[str, float | None]]) -> None:
    """Put one bench's numbers into `build/bench.json`, in place of those of an earlier run."""
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rounded = {name: {key: value and round(value, 3) for key, value in row.items()} for name, row in measured.items()}
    RESULTS.write_text(json.dumps({**known, title: rounded}, indent=1) + "\n")
