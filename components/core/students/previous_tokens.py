"""Heads that look back from the first step on: what a student built from scratch would otherwise find by luck.

A head that attends to the token d places before carries a second, written before its frames, to the visual tokens, and
a colour to its shape's word: both ends of what is looked up later. Such heads form by themselves, late, and not in each
run; here two biases are them. With rotary embeddings a key bias of A in the cosine half turns by θ for each place, and
a query bias of (A cos θd, −A sin θd) meets it best d places on: their product is A² Σ cos θ(m − n − d), greatest at
n = m − d. Only the frequencies of mRoPE's time section are used, in which the tokens of one moment share a place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

AMPLITUDES = (5.5, 5.5, 3.2, 3.2)
"""By frequency, the fastest first. At a head size of 32 the right place is ahead of its neighbours by three nats; the
slower two tell places apart that the fastest takes for one, a whole turn away."""


def start_previous_token_heads(language_model: Any, distances: Sequence[int]) -> None:
    """Set biases of the first layer so that head i looks `distances[i]` places back.

    Args:
        language_model: of a Qwen2.5-VL, whose queries and keys have biases.

    Raises:
        ValueError: there are more distances than query heads on the first head of keys, which all of them share.
    """
    import torch

    config = language_model.config
    shared = config.num_attention_heads // config.num_key_value_heads
    if len(distances) > shared:
        raise ValueError(f"previous_token_heads: at most {shared}, which share a head of keys; got {len(distances)}")
    if not distances:
        return
    size = config.hidden_size // config.num_attention_heads
    used = min(len(AMPLITUDES), config.rope_parameters["mrope_section"][0])
    base = float(config.rope_parameters["rope_theta"])
    turns = torch.tensor([base ** (-2 * index / size) for index in range(used)])
    amplitudes = torch.tensor(AMPLITUDES[:used])
    attention = language_model.layers[0].self_attn
    with torch.no_grad():
        attention.k_proj.bias[:used] = amplitudes
        for head, distance in enumerate(distances):
            cosine, sine = head * size, head * size + size // 2
            attention.q_proj.bias[cosine : cosine + used] = amplitudes * torch.cos(turns * distance)
            attention.q_proj.bias[sine : sine + used] = -amplitudes * torch.sin(turns * distance)
