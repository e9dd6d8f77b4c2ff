"""Training curves from a model's `training.jsonl`: one JSON object per step, numbers by name.

Names are grouped by what a reader compares: the losses of the tasks, the terms of the reward, and everything else
each by itself.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.data.manifest import TRAINING_LOG_NAME

UNPLOTTED = frozenset({"step", "seconds", "time", "epoch", "tokens"})

Point = tuple[float, float]


@dataclass(frozen=True)
class CurveGroup:
    """Curves that share a chart."""

    title: str
    series: Mapping[str, list[Point]]


def read_curves(model: Path) -> list[CurveGroup]:
    """The curves of one model; empty where it left no log."""
    path = model / TRAINING_LOG_NAME
    if not path.is_file():
        return []
    series: dict[str, list[Point]] = defaultdict(list)
    for count, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        values = _object(line)
        step = float(values.get("step", count))
        for name, value in _numbers(values):
            series[name].append((step, value))
    groups: dict[str, dict[str, list[Point]]] = defaultdict(dict)
    for name, points in series.items():
        groups[_group(name)][name] = points
    return [
        CurveGroup(title, groups[title]) for title in sorted(groups, key=lambda title: (_ORDER.get(title, 9), title))
    ]


_ORDER = {"loss": 0, "reward and its terms": 1, "shares": 2}
_REWARD_TERMS = frozenset({"reward", "accuracy", "observation", "reasoning", "format"})


def _group(name: str) -> str:
    if "loss" in name:
        return "loss"
    if name in _REWARD_TERMS or "reward" in name or name.startswith("r_"):
        return "reward and its terms"
    if name.startswith("cpu_"):
        return "CPU seconds per step"
    if any(word in name for word in ("share", "rate", "fraction", "without_variance", "failures")):
        return "shares"
    return name.replace("_", " ")


def _numbers(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, float]]:
    """The numbers of one line, those of nested objects under dotted names."""
    found: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and name not in UNPLOTTED:
            found.append((f"{prefix}{name}", float(value)))
    return found


def _object(line: str) -> dict[str, float]:
    """One line; the last one of a killed run may be cut."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
