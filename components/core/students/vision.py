"""The vision tower over many small videos at once.

The library attends frame by frame in a Python loop and embeds patches with a 3-D convolution, which costs a small
student more than the arithmetic. Where all groups have one size and fit a window, the same tower is run batched: the
same weights, equal to the library's to float precision (tested). Anything else goes through the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.core.students.frames import MERGE, VideoPatches

if TYPE_CHECKING:
    import torch


def encode_videos(model: Any, videos: Sequence[VideoPatches]) -> list[torch.Tensor]:
    """Visual tokens of each video: (groups × tokens per group, hidden), ready to replace its pads."""
    import torch

    visual = model.model.visual
    weight = visual.patch_embed.proj.weight
    pixels = torch.from_numpy(np.concatenate([video.pixels for video in videos])).to(weight.device, weight.dtype)
    grids = {video.grid for video in videos}
    grid = next(iter(grids))
    window = visual.window_size // visual.patch_size
    if len(grids) == 1 and max(grid) <= window:
        tokens = _encode_batched(visual, pixels, grid)
    else:
        rows = [(1, *video.grid) for video in videos for _ in video.times_s]
        tokens = visual(pixels, grid_thw=torch.tensor(rows, device=pixels.device)).pooler_output
    sizes = [len(video.times_s) * video.tokens_per_group for video in videos]
    return list(tokens.split(sizes))


def _encode_batched(visual: Any, pixels: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """The tower over (groups × patches, values), every group its own attention window."""
    import torch
    from torch.nn import functional
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision
    from transformers.vision_utils import get_vision_position_ids

    patches = grid[0] * grid[1]
    groups = len(pixels) // patches
    hidden = functional.linear(pixels, visual.patch_embed.proj.weight.flatten(1)).view(groups, patches, -1)
    positions = get_vision_position_ids(torch.tensor([[1, *grid]], device=pixels.device), MERGE)
    cos, sin = visual.rotary_pos_emb(hidden, positions)
    for block in visual.blocks:
        attention = block.attn
        projected = attention.qkv(block.norm1(hidden)).view(groups, patches, 3, attention.num_heads, -1)
        query, key = apply_rotary_pos_emb_vision(projected[:, :, 0], projected[:, :, 1], cos, sin)
        seen = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), projected[:, :, 2].transpose(1, 2), scale=attention.scaling
        )
        hidden = hidden + attention.proj(seen.transpose(1, 2).reshape(groups, patches, -1))
        hidden = hidden + block.mlp(block.norm2(hidden))
    return visual.merger(hidden.reshape(groups * patches, -1))
