"""Several segments behind one shared prefix, as one row of a batch.

    row       = prefix, segment 1, segment 2, …
    attention = a token sees the prefix and what came before it in its own segment, nothing else
    positions = every segment starts where the prefix ends

Log-probabilities are those of the unpacked sequences; the prefix, where nearly all tokens of a video prompt are, is
computed once. Supervised training and the policy update both use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.core.students.prompting import Prefix, Segment

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Packed:
    """One row.

    Attributes:
        prefix: with its video.
        token_ids: of the whole row, (length,).
        positions: (3, length).
        owners: (length,), 0 for the prefix, 1, 2, … for the segments.
        scored: (length,), true where a token's log-probability counts; it is predicted from the token before it,
            which never belongs to another segment because a segment opens with its request.
    """

    prefix: Prefix
    token_ids: torch.Tensor
    positions: torch.Tensor
    owners: torch.Tensor
    scored: torch.Tensor


def pack(prefix: Prefix, segments: Sequence[Segment]) -> Packed:
    """Lay segments behind their prefix.

    Raises:
        ValueError: a segment's first token is scored: its predecessor in the row would be another segment's.
    """
    import torch

    ids = list(prefix.token_ids)
    positions = list(prefix.positions)
    owners = [0] * len(ids)
    scored = [False] * len(ids)
    for owner, segment in enumerate(segments, start=1):
        if segment.scored[0]:
            raise ValueError("a segment must open with its request; its first token cannot be scored")
        ids += segment.token_ids
        positions += [(prefix.next_position + index,) * 3 for index in range(len(segment.token_ids))]
        owners += [owner] * len(segment.token_ids)
        scored += segment.scored
    return Packed(
        prefix,
        torch.tensor(ids),
        torch.tensor(positions).T.contiguous(),
        torch.tensor(owners),
        torch.tensor(scored),
    )


def attention_mask(owners: torch.Tensor) -> torch.Tensor:
    """True where a query may see a key: (batch, 1, length, length) from owners (batch, length), -1 for padding.

    A padded query sees itself alone, because a row of softmax needs something to see.
    """
    import torch

    length = owners.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=owners.device).tril()
    same = owners[:, :, None] == owners[:, None, :]
    shared = (owners == 0)[:, None, :]
    visible = causal & (same | (shared & (owners >= 0)[:, :, None]))
    return visible[:, None]
