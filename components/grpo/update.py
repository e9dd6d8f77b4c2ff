"""The policy update on one step's groups: packed rows, their log-probabilities, and the gradient of the objective.

Only groups that teach are used, and of them the replies that were judged. All questions about a video lie behind its
prefix as one row. The first update's own forward gives π_old, before anything has moved: with one update in a step the
ratio is exactly 1, and with several none pays for a pass of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.core.students.packed_model import log_probabilities
from components.core.students.packing import Packed, pack
from components.core.students.samplers.sampler import Reply
from components.core.training.backend import Backend, run_idle
from components.core.training.parity import as_segment
from components.grpo.objective import clipped_loss, describe_rollout, importance_weights, kl_divergence
from components.grpo.rollouts import Group
from components.grpo.settings import GrpoSettings

if TYPE_CHECKING:
    import torch


@dataclass
class Batch:
    """Rows that go through the model together; n is the number of tokens in their replies.

    Attributes:
        rows: one for each video.
        advantages: (n,), of the reply that each token belongs to.
        rollout: (n,), the log-probabilities with which the sampler drew the tokens.
        old: (n,), the trainer's before the step; None until the first update has run.
        reference: (n,), the reference model's; None likewise, or where there is no reference.
    """

    rows: list[Packed]
    advantages: torch.Tensor
    rollout: torch.Tensor
    old: torch.Tensor | None = None
    reference: torch.Tensor | None = None


def batches_of(groups: Sequence[Group], rows_per_forward: int, device: Any, parts: int = 1) -> list[Batch]:
    """The groups that teach, one row for each video, so many rows together, or fewer where parts run side by side."""
    by_video: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        if group.teaches:
            by_video[id(group.prompt.prefix)].append(group)
    videos = list(by_video.values())
    together = max(1, min(rows_per_forward, math.ceil(len(videos) / parts)))
    return [_batch(videos[start : start + together], device) for start in range(0, len(videos), together)]


def backward(
    backend: Backend, reference: Any | None, batches: Sequence[Batch], settings: GrpoSettings
) -> dict[str, float]:
    """Back-propagate the objective over all batches; the gradient does not depend on how rows are batched.

    Args:
        reference: the packed model that the KL term is taken against.
        batches: those of this rank.

    Returns:
        means over all tokens of all ranks: `policy_loss` (without the KL term), `kl` where there is a reference,
        `clipped` and `entropy_estimate`; and the `rollout_…` figures. Empty where no group teaches.
    """
    import torch

    ranks = backend.ranks
    total = sum(ranks.gather(sum(len(batch.advantages) for batch in batches)))
    if not total:
        return {}
    most = max(ranks.gather(len(batches)))  # before any pass: a rank amid one waits for all the others to make it, too

    def lost(batch: Batch) -> tuple[torch.Tensor, Mapping[str, float]]:
        new = _scores(backend.model, batch.rows, settings.temperature)
        if batch.old is None:
            batch.old = new.detach()
        losses, clipped = clipped_loss(new, batch.old, batch.advantages, settings.clip_low, settings.clip_high)
        loss = (importance_weights(batch.old, batch.rollout, settings.rollout_weight_cap) * losses).sum()
        told = {
            "policy_loss": float(loss.detach()),
            "clipped": float(clipped.sum()),
            "entropy_estimate": -float(new.detach().sum()),
        }
        if reference is not None:
            if batch.reference is None:
                with torch.no_grad():
                    batch.reference = _scores(reference, batch.rows, settings.temperature)
            divergence = kl_divergence(new, batch.reference).sum()
            told["kl"] = float(divergence.detach())
            loss = loss + settings.kl * divergence
        return loss / total, told

    sums = dict.fromkeys(
        ("policy_loss", "clipped", "entropy_estimate", *(("kl",) if reference is not None else ())), 0.0
    )
    for start in range(0, len(batches), backend.parts):
        for told in backend.backward_all([partial(lost, batch) for batch in batches[start : start + backend.parts]]):
            for name, value in told.items():
                sums[name] += value
    for _ in range(most - len(batches)):
        run_idle(backend)
    drawn = [(batch.old.cpu(), batch.rollout.cpu()) for batch in batches if batch.old is not None]
    old, rollout = zip(*(pair for pairs in ranks.gather(drawn) for pair in pairs), strict=True)
    means = {name: value / total for name, value in ranks.total(sums).items()}
    return means | describe_rollout(torch.cat(old), torch.cat(rollout), settings.rollout_weight_cap)


def _batch(videos: Sequence[Sequence[Group]], device: Any) -> Batch:
    import torch

    rows, advantages, rollout = [], [], []
    for groups in videos:
        replies = [(group, reply, advantage) for group in groups for reply, advantage in _judged(group)]
        rows.append(pack(groups[0].prompt.prefix, [as_segment(group.request, reply) for group, reply, _ in replies]))
        advantages += [advantage for _, reply, advantage in replies for _ in reply.token_ids]
        rollout += [score for _, reply, _ in replies for score in reply.log_probabilities]
    return Batch(rows, torch.tensor(advantages, device=device), torch.tensor(rollout, device=device))


def _judged(group: Group) -> list[tuple[Reply, float]]:
    """The replies that have an advantage, with it."""
    return [
        (reply, advantage)
        for reply, advantage in zip(group.replies, group.advantages, strict=True)
        if advantage is not None
    ]


def _scores(model: Any, rows: Sequence[Packed], temperature: float) -> torch.Tensor:
    import torch

    return torch.cat([tokens for row in log_probabilities(model, rows, temperature) for tokens in row])
