"""Attention of packed rows block by block, where no kernel skips what a mask hides.

A row of a prefix and eight segments of sixty tokens asks each token to look at all five hundred and hides four in five:
on a CPU that was a third of a step. Here each segment is a block of its own, with the keys of its prefix, its stem and
itself; blocks of like length run together. Rows stand one behind the other as a single row without padding, because
all else in the model is done token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.core.students.packing import Packed

if TYPE_CHECKING:
    import torch

NAME = "packed_blocks"
"""Under which the library knows this attention."""
ALIKE = 0.75
"""Blocks run together down to this share of the longest one's length: what is shorter would be padded too much."""


@dataclass(frozen=True)
class Blocks:
    """All blocks of some rows that stand one behind the other, in groups that run together.

    Attributes:
        queries, keys: places of tokens, group after group; padded with any.
        shapes: of each group the numbers of blocks, of queries and of keys.
        masks: (blocks, 1, queries, keys) of each group, 0 where a query sees a key, else minus infinity.
        places: (tokens,) where each token's result is among the queries.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    shapes: tuple[tuple[int, int, int], ...]
    masks: tuple[torch.Tensor, ...]
    places: torch.Tensor


def blocks_of(rows: Sequence[Packed]) -> Blocks:
    """Lay out the attention of `packing.attention_mask`."""
    import torch

    found = sorted((block for start, row in _placed(rows) for block in _blocks(start, row)), key=_size)
    places, made = torch.zeros(sum(len(row.token_ids) for row in rows), dtype=torch.long), 0
    all_queries, all_keys, shapes, masks = [], [], [], []
    while found:
        width, _ = _size(found[-1])
        together = [block for block in found if _size(block)[0] >= ALIKE * width]
        found = found[: len(found) - len(together)]
        shape = (len(together), width, max(_size(block)[1] for block in together))
        queries, keys = (
            torch.zeros(shape[0], width, dtype=torch.long),
            torch.zeros(shape[0], shape[2], dtype=torch.long),
        )
        mask = torch.full((shape[0], 1, width, shape[2]), -torch.inf)
        mask[..., 0] = 0.0  # padding sees something, or its softmax is none
        for place, (own, seen) in enumerate(together):
            size, behind = len(own), len(seen)
            queries[place, :size], keys[place, :behind], keys[place, behind : behind + size] = own, seen, own
            causal = torch.full((size, size), -torch.inf).triu(1)
            mask[place, 0, :size, : behind + size] = torch.cat([torch.zeros(size, behind), causal], 1)
            mask[place, 0, :size, behind + size :] = -torch.inf
            places[own] = torch.arange(size) + made + place * width
        made += queries.numel()
        all_queries.append(queries.flatten())
        all_keys.append(keys.flatten())
        shapes.append(shape)
        masks.append(mask)
    return Blocks(torch.cat(all_queries), torch.cat(all_keys), tuple(shapes), tuple(masks), places)


def attend_in_blocks(language_model: Any) -> bool:
    """Whether a model can attend so; it is told to where it would have used the library's own on a CPU."""
    from transformers import AttentionInterface

    config = language_model.config
    if language_model.device.type == "cpu" and config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, _attention)
        config._attn_implementation = NAME
    return bool(config._attn_implementation == NAME)


def _placed(rows: Sequence[Packed]) -> Iterator[tuple[int, Packed]]:
    start = 0
    for row in rows:
        yield start, row
        start += len(row.token_ids)


def _blocks(start: int, row: Packed) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The places of each block's tokens, and those of what they all see before them."""
    import torch

    owners, lengths = torch.unique_consecutive(row.owners, return_counts=True)
    spans, at = {}, start
    for owner, length in zip(owners.tolist(), lengths.tolist(), strict=True):
        spans[owner] = torch.arange(at, at + length)
        parent = int(row.parents[at - start])
        seen = [spans[other] for other in (0, parent)[: 1 + bool(parent)]] if owner else []
        yield spans[owner], torch.cat(seen) if seen else spans[owner][:0]
        at += length


def _size(block: tuple[torch.Tensor, torch.Tensor]) -> tuple[int, int]:
    own, seen = block
    return len(own), len(own) + len(seen)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    blocks: Blocks | None = None,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """The library's face of an attention: (1, heads, tokens, size) in, (1, tokens, heads, size) out."""
    import torch
    from torch.nn import functional
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if blocks is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **named)
    shared, size = module.num_key_value_groups, query.shape[-1]  # query heads on each head of keys
    asked = _taken(query, blocks.queries).split([count * width for count, width, _ in blocks.shapes])
    known, held = (
        _taken(tensor, blocks.keys).split([count * depth for count, _, depth in blocks.shapes])
        for tensor in (key, value)
    )
    results = []
    for number, (count, width, depth) in enumerate(blocks.shapes):
        # queries of heads that share their keys stand one behind the other: keys are not copied for each
        queries = asked[number].view(count, width, -1, shared, size).permute(0, 2, 3, 1, 4).flatten(2, 3)
        keys, values = (part[number].view(count, depth, -1, size).transpose(1, 2) for part in (known, held))
        mask = blocks.masks[number].repeat(1, 1, shared, 1)
        found = functional.scaled_dot_product_attention(queries, keys, values, mask, scale=named.get("scaling"))
        results.append(found.unflatten(2, (shared, width)).permute(0, 3, 1, 2, 4).reshape(count * width, -1))
    return torch.cat(results).index_select(0, blocks.places).unflatten(1, (-1, size))[None], None


def _taken(tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """(places, heads × size) of (1, heads, tokens, size)."""
    return tensor[0].transpose(0, 1).flatten(1).index_select(0, places)
