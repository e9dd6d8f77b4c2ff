"""Heads that know where to look from the first step on: what a student built from scratch would else find by luck.

**Looking back.** A head that attends to the token d places before carries a second, written before its frames, to the
visual tokens, and a colour to its shape's word: both ends of what is looked up later. With rotary embeddings a key bias
of A in the cosine half turns by θ for each place, and a query bias of (A cos θd, −A sin θd) meets it best d places on:
their product is A² Σ cos θ(m − n − d), greatest at n = m − d. Only the frequencies of mRoPE's time section are used, in
which the tokens of one moment share a place.

**Looking up.** In the second layer, a query made of a token meets the keys that were made of the same token one place
on ("induction heads", Olsson et al., 2022, arXiv 2209.11895): from the `00:03` that an observation begins with to the
visual tokens behind the `00:03` of the video. What a head looking back writes about a token is a matrix of the first
layer's random weights. Keys read the directions of it that tell the looked-up tokens apart; queries of one head make
them from the token itself (from a second to its colour), those of another read them, too (from the colour, which
follows the second, to the shape). Only slow frequencies are used, which hardly turn over the length of a prompt, and
values copy through a random projection. All of it is where training starts from, nothing is held fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

AMPLITUDES = (5.5, 5.5, 3.2, 3.2)
"""By frequency, the fastest first. At a head size of 32 the right place is ahead of its neighbours by three nats; the
slower two tell places apart that the fastest takes for one, a whole turn away."""
SHARPNESS = 2.4
"""Of a look-up. On random weights and named clips 0.59 of the attention is then on the four tokens of a second."""
LOUDNESS = (0.5, 0.3, 0.3)
"""Of the first layer's heads that look back, of its other heads and of its MLP, beside how they were drawn: at full
loudness a token itself is a sixth of what the second layer reads, and the look-up finds 0.21 in place of 0.59."""
REACH, TURN = 200, 1.3
"""A frequency is slow where it turns by at most `TURN` radians over so many places."""
COPIED = 0.5
"""Of what is looked up."""


def start_looking_back(language_model: Any, distances: Sequence[int]) -> None:
    """Set biases of the first layer of a Qwen2.5-VL so that its head i looks `distances[i]` places back.

    Raises:
        ValueError: there are more distances than query heads on the first head of keys, which all of them share.
    """
    import torch

    config = language_model.config
    shared = config.num_attention_heads // config.num_key_value_heads
    if len(distances) > shared:
        raise ValueError(f"previous_token_heads: at most {shared}, which share a head of keys; got {len(distances)}")
    size = config.hidden_size // config.num_attention_heads
    used = min(len(AMPLITUDES), config.rope_parameters["mrope_section"][0])
    turns = torch.tensor([_turn(config, index) for index in range(used)])
    amplitudes = torch.tensor(AMPLITUDES[:used])
    attention = language_model.layers[0].self_attn
    with torch.no_grad():
        if distances:
            attention.k_proj.bias[:used] = amplitudes
        for head, distance in enumerate(distances):
            cosine, sine = head * size, head * size + size // 2
            attention.q_proj.bias[cosine : cosine + used] = amplitudes * torch.cos(turns * distance)
            attention.q_proj.bias[sine : sine + used] = -amplitudes * torch.sin(turns * distance)


def start_looking_up(language_model: Any, token_ids: Sequence[int], seed: int) -> None:
    """Set weights of the first two layers so that two heads look up what stands behind the same token.

    Args:
        language_model: whose first head looks one place back, with two heads or more on the last head of keys.
        token_ids: the tokens that things are looked up by. Their embeddings must be as training goes on from: once
            words were learned from the tower, embeddings of all others have much in common, which tells nothing apart.
    """
    import torch

    config = language_model.config
    size, width = config.hidden_size // config.num_attention_heads, config.hidden_size
    heads = config.num_attention_heads // config.num_key_value_heads
    first, keys = config.num_attention_heads - heads, config.num_key_value_heads - 1
    slow = [index for index in range(size // 2) if _turn(config, index) * REACH <= TURN]
    places = [*slow, *(index + size // 2 for index in slow)]
    below, up = language_model.layers[0], language_model.layers[1].self_attn
    with torch.no_grad():
        output = below.self_attn.o_proj.weight
        output[:, : heads * size] *= LOUDNESS[0]
        output[:, heads * size :] *= LOUDNESS[1]
        below.mlp.down_proj.weight *= LOUDNESS[2]
        written = output[:, :size] @ below.self_attn.v_proj.weight[:size]
        embedded = language_model.embed_tokens.weight[list(token_ids)]
        known = embedded / embedded.pow(2).mean(1, keepdim=True).sqrt()
        common = written @ known.mean(0)
        apart = written @ (known - known.mean(0)).T
        apart -= torch.outer(common, common @ apart) / common.square().sum()
        directions = torch.linalg.svd(apart, full_matrices=False)[0][:, : len(places)].T
        made = directions @ written
        read, write = torch.zeros(size, width), torch.zeros(size, width)
        read[places[: len(directions)]] = SHARPNESS * directions
        write[places[: len(directions)]] = SHARPNESS * made / made.norm(dim=1).mean()
        up.k_proj.weight[keys * size : (keys + 1) * size] = read
        up.q_proj.weight[first * size : (first + 1) * size] = write
        up.q_proj.weight[(first + 1) * size : (first + 2) * size] = read
        generator = torch.Generator().manual_seed(seed)
        copied = torch.linalg.qr(torch.randn(width, size, generator=generator))[0] * COPIED
        up.v_proj.weight[keys * size : (keys + 1) * size] = copied.T
        for head in (first, first + 1):
            up.o_proj.weight[:, head * size : (head + 1) * size] = copied


def _turn(config: Any, index: int) -> float:
    """Radians by which a frequency turns with each place."""
    size = config.hidden_size // config.num_attention_heads
    return float(config.rope_parameters["rope_theta"]) ** (-2 * index / size)
