"""Several segments behind one shared prefix, as one row of a batch.

    row       = prefix, (stem,) segment, (stem,) segment, …
    attention = a token sees the prefix, its segment's stem, and what came before it in its own segment
    positions = a stem or a segment without one starts where the prefix ends, a segment where its stem ends;
                one that is shifted starts so much later

A stem is a request that several replies share, as the replies of one group do. Log-probabilities are those of the
unpacked sequences; the prefix, where nearly all tokens of a video prompt are, is computed once. Supervised training and
the policy update both use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from components.core.students.frames import MERGE, PATCH, TEMPORAL_PATCH, VideoPatches
from components.core.students.prompting import Prefix, Segment

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Packed:
    """One row; all tensors are (length,) unless said otherwise.

    Attributes:
        prefix: with its video.
        token_ids: of the whole row.
        positions: (3, length).
        owners: 0 for the prefix, then one number for each stem and segment.
        parents: the owner of a token's stem, 0 without one.
        predictors: the place of the token that a token is predicted from.
        scored: true where a token's log-probability counts.
        weights: what each counts for, beside the others of its task.
        segments: the owner of each segment, in the order given.
    """

    prefix: Prefix
    token_ids: torch.Tensor
    positions: torch.Tensor
    owners: torch.Tensor
    parents: torch.Tensor
    predictors: torch.Tensor
    scored: torch.Tensor
    weights: torch.Tensor
    segments: tuple[int, ...]


@dataclass
class _Row:
    """A row being laid out."""

    ids: list[int]
    positions: list[tuple[int, int, int]]
    owners: list[int]
    parents: list[int]
    predictors: list[int]
    scored: list[bool]
    weights: list[float]
    count: int = 0
    stems: dict[tuple[int, ...], tuple[int, int]] = field(default_factory=dict)  # owner and last place of each

    def add(
        self,
        ids: Sequence[int],
        scored: Sequence[bool],
        start: int,
        parent: int,
        before: int,
        weights: Sequence[float] = (),
    ) -> int:
        """Append tokens at positions from `start`, the first predicted from the place `before`; returns their owner."""
        self.count += 1
        first = len(self.ids)
        self.ids += ids
        self.positions += [(start + index,) * 3 for index in range(len(ids))]
        self.owners += [self.count] * len(ids)
        self.parents += [parent] * len(ids)
        self.predictors += [before, *range(first, first + len(ids) - 1)]
        self.scored += scored
        self.weights += weights or [1.0] * len(ids)
        return self.count


def pack(prefix: Prefix, segments: Sequence[Segment]) -> Packed:
    """Lay segments behind their prefix; equal stems are laid once."""
    import torch

    length = len(prefix.token_ids)
    none = [0] * length
    row = _Row(
        list(prefix.token_ids), list(prefix.positions), none[:], none[:], none[:], [False] * length, [1.0] * length
    )
    owners = []
    for segment in segments:
        parent, before = 0, length - 1
        if segment.stem:
            if segment.stem not in row.stems:
                unscored = [False] * len(segment.stem)
                owner = row.add(segment.stem, unscored, prefix.next_position, 0, length - 1)
                row.stems[segment.stem] = (owner, len(row.ids) - 1)
            parent, before = row.stems[segment.stem]
        start = prefix.next_position + len(segment.stem) + segment.shift
        owners.append(row.add(segment.token_ids, segment.scored, start, parent, before, segment.weights))
    return Packed(
        prefix,
        torch.tensor(row.ids),
        torch.tensor(row.positions).T.contiguous(),
        torch.tensor(row.owners),
        torch.tensor(row.parents),
        torch.tensor(row.predictors),
        torch.tensor(row.scored),
        torch.tensor(row.weights),
        tuple(owners),
    )


def idle_row(video_pad: int) -> Packed:
    """The smallest row there is, with one token to score: what a rank runs where it has no row and the others have one.

    Args:
        video_pad: the id of the token that stands for what is seen.
    """
    blank = VideoPatches(np.zeros((MERGE**2, 3 * TEMPORAL_PATCH * PATCH**2), np.float32), (MERGE, MERGE), (0.0,), 0.0)
    prefix = Prefix((video_pad,), ((0, 0, 0),), 1, blank)
    return pack(prefix, [Segment((0,), (True,))])


def attention_mask(owners: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
    """True where a query may see a key: (batch, 1, length, length) from (batch, length); owners are -1 on padding.

    Padding sees padding, because a row of softmax needs something to see.
    """
    import torch

    length = owners.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=owners.device).tril()
    keys = owners[:, None, :]
    visible = (keys == owners[:, :, None]) | (keys == parents[:, :, None])
    visible |= (keys == 0) & (owners >= 0)[:, :, None]
    return (visible & causal)[:, None]
