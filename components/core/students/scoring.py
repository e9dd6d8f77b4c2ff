"""Log-probabilities of packed rows: what supervised training minimises and what the policy update reweighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.core.students.packing import Packed, attention_mask
from components.core.students.precision import autocast, embed_tokens
from components.core.students.vision import encode_videos

if TYPE_CHECKING:
    import torch


def embed(model: Any, token_ids: torch.Tensor, rows: Sequence[Any]) -> torch.Tensor:
    """Token embeddings (batch, length, hidden) with the pads of each row's prefix replaced by its video.

    Args:
        token_ids: (batch, length); row i begins with `rows[i].token_ids`.
        rows: the prefixes; a video shared by identity is encoded once.
    """
    import torch

    embedded = embed_tokens(model, token_ids)
    unique = {id(prefix.video): prefix.video for prefix in rows}
    encoded = dict(zip(unique, encode_videos(model, list(unique.values())), strict=True))
    visual = torch.cat([encoded[id(prefix.video)] for prefix in rows]).to(embedded.dtype)
    pads = (token_ids == model.config.video_token_id)[..., None].expand_as(embedded)
    return embedded.masked_scatter(pads, visual)


def run_packed(model: Any, rows: Sequence[Packed]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run rows through the model.

    Returns:
        logits (n, vocabulary) of the n scored tokens, row by row; their ids (n,); and (n, 2) with the row and the
        owner of each.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    device = model.device
    ids = pad_sequence([row.token_ids for row in rows], batch_first=True).to(device)
    owners = pad_sequence([row.owners for row in rows], batch_first=True, padding_value=-1).to(device)
    scored = pad_sequence([row.scored for row in rows], batch_first=True).to(device)
    parents = pad_sequence([row.parents for row in rows], batch_first=True).to(device)
    predictors = pad_sequence([row.predictors for row in rows], batch_first=True).to(device)
    positions = pad_sequence([row.positions.T for row in rows], batch_first=True).permute(2, 0, 1).to(device)
    batch, place = scored.nonzero(as_tuple=True)
    with autocast(model):
        hidden = model.model.language_model(
            inputs_embeds=embed(model, ids, [row.prefix for row in rows]),
            position_ids=positions,
            attention_mask={"full_attention": attention_mask(owners, parents)},
            use_cache=False,
        ).last_hidden_state
        logits = model.lm_head(hidden[batch, predictors[batch, place]])
    return logits, ids[batch, place], torch.stack([batch, owners[batch, place]], dim=1)


def log_probabilities(model: Any, rows: Sequence[Packed], temperature: float = 1.0) -> list[list[torch.Tensor]]:
    """Of every scored token, by row and by segment.

    Args:
        temperature: divides the logits, as sampling does.
    """
    logits, targets, places = run_packed(model, rows)
    chosen = (logits.float() / temperature).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    result: list[list[torch.Tensor]] = []
    for index, row in enumerate(rows):
        in_row = places[:, 0] == index
        result.append([chosen[in_row & (places[:, 1] == owner)] for owner in row.segments])
    return result
