"""The supervised loss of a step: cross entropy, each task with its own share.

    L = Σ_task w_task · (mean over the task's scored tokens in the step) / Σ w of the tasks that the step has

Tokens may count for more than others within that mean (`Segment.weights`).

ReWatch-R1 minimises L_Cap + L_QA + L_CoT, which is w = 1 for each. A mean over all tokens would weigh tasks by the
length of their replies instead: at the paper's sizes (a caption of 2,000 tokens, four traces of 400, two direct answers
of eight) direct answers have 0.4 % of such a loss.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

from pydantic import Field

from components.core.data.settings import Settings
from components.core.students.packing import Packed
from components.core.training.backend import Backend, run_idle

SURE = math.log(2.0)
"""A loss below this: the token has more than half of all probability, so greedy decoding draws it."""


class TaskWeights(Settings):
    """What the mean loss of each task counts for, relative to the others."""

    by_length: bool = False
    """Whether a task's weight is multiplied by its tokens, so that all tokens of a step count alike where the weights
    do. Ours, for a student that learns searches and looks from scratch: a look of four tokens beside a scan of forty
    would else be heard ten times as loud. False is ReWatch-R1's sum."""

    caption: float = Field(default=1.0, gt=0)
    """L_Cap (ReWatch-R1: the three losses are added)."""

    observe: float = Field(default=1.0, gt=0)
    """Single looks, which are ours; no sample of them, no share."""

    find: float = Field(default=1.0, gt=0)
    """Searches and a look behind each, which are ours; no sample of them, no share."""

    rehearse: float = Field(default=1.0, gt=0)
    """Traces in text alone, which are ours; no sample of them, no share."""

    direct: float = Field(default=1.0, gt=0)
    """L_QA: questions answered at once (ReWatch-R1)."""

    think: float = Field(default=1.0, gt=0)
    """L_CoT: questions with their re-watching trace (ReWatch-R1)."""


def backward_by_task(
    backend: Backend,
    rows: Sequence[Packed],
    tasks: Sequence[Sequence[str]],
    weights: TaskWeights,
    rows_per_forward: int,
    scale: float = 1.0,
) -> dict[str, float]:
    """Back-propagate `scale` times the loss above; gradients add to those there are.

    Args:
        rows: those of this rank; sums and means are over all ranks.
        tasks: of each row, the task of each of its segments.
        rows_per_forward: rows that go through the model together; the gradient does not depend on it.

    Returns:
        `loss` (before `scale`), `loss_<task>` the mean over a task's tokens, `share_<task>` of the loss that is the
        task's, `right_<task>` the share of its tokens that were likelier than all others together, `tokens` scored.
        Empty where nothing is scored.
    """
    import torch

    ranks = backend.ranks
    counts = ranks.total(_count(rows, tasks))
    if not counts:
        return {}
    per_token = _per_token(counts, weights)
    summed: dict[str, list[float]] = defaultdict(list)
    likely: dict[str, list[float]] = defaultdict(list)
    forwards = max(ranks.gather(math.ceil(len(rows) / rows_per_forward)))
    for start in range(0, forwards * rows_per_forward, rows_per_forward):
        part = rows[start : start + rows_per_forward]
        names = [name for row, own in zip(part, tasks[start:], strict=False) for name in _task_of_each(row, own)]
        if not names:
            run_idle(backend)
            continue
        own_weights = torch.cat([row.weights[row.scored] for row in part])
        shares = (torch.tensor([per_token[name] for name in names]) * own_weights * scale).to(backend.model.device)

        def lost(rows: Sequence[Packed], shares: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
            losses = -backend.model("score", rows)
            return (losses * shares).sum(), losses.tolist()

        divided = _divided(part, backend.parts)
        sizes = [sum(int(row.scored.sum()) for row in rows) for rows in divided]
        values = backend.backward_all(
            [partial(lost, *given) for given in zip(divided, shares.split(sizes), strict=True)]
        )
        told = [value for part in values for value in part]
        for name, value, weight in zip(names, told, own_weights.tolist(), strict=True):
            summed[name].append(value * weight)
            likely[name].append(float(value < SURE))
    summed = {name: [value for told in ranks.gather(dict(summed)) for value in told.get(name, ())] for name in counts}
    likely = {name: [value for told in ranks.gather(dict(likely)) for value in told.get(name, ())] for name in counts}
    weighed = {name: per_token[name] * math.fsum(values) for name, values in sorted(summed.items())}
    loss = math.fsum(weighed.values())
    return {
        "loss": loss,
        **{f"loss_{name}": math.fsum(summed[name]) / counts[name] for name in weighed},
        **{f"share_{name}": value / loss if loss else 0.0 for name, value in weighed.items()},
        **{f"right_{name}": math.fsum(likely[name]) / len(likely[name]) for name in weighed},
        "tokens": float(sum(map(len, summed.values()))),
    }


def _divided(rows: Sequence[Packed], parts: int) -> list[Sequence[Packed]]:
    """Rows in runs of about as many tokens."""
    share = sum(len(row.token_ids) for row in rows) / parts
    runs: list[list[Packed]] = [[]]
    tokens = 0
    for row in rows:
        tokens += len(row.token_ids)
        if runs[-1] and tokens - len(row.token_ids) / 2 > share * len(runs):
            runs.append([])
        runs[-1].append(row)
    return list(runs)


def _task_of_each(row: Packed, tasks: Sequence[str]) -> list[str]:
    """The task of every scored token of a row."""
    task_of = dict(zip(row.segments, tasks, strict=True))
    return [task_of[owner] for owner in row.owners[row.scored].tolist()]


def _count(rows: Sequence[Packed], tasks: Sequence[Sequence[str]]) -> Counter[str]:
    """What the scored tokens of each task that has any count for together, each task by itself."""
    counts: Counter[str] = Counter()
    for row, names in zip(rows, tasks, strict=True):
        for name, weight in zip(_task_of_each(row, names), row.weights[row.scored].tolist(), strict=True):
            counts[name] += weight
    return counts


def _per_token(counts: Mapping[str, float], weights: TaskWeights) -> dict[str, float]:
    """What a token of each task counts for; over all tokens these add up to one."""
    lengths = {name: count if weights.by_length else 1.0 for name, count in counts.items()}
    total = math.fsum(getattr(weights, name) * length for name, length in lengths.items())
    return {name: getattr(weights, name) * lengths[name] / total / count for name, count in counts.items()}
