"""Sampler and trainer must agree; training starts with a proof that they do.

Two mistakes train happily and learn little: positions that differ from the library's, and log-probabilities that the
policy update computes differently from the sampler. Both are checked on the first real prompts, before the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.core.errors import TrainingError
from components.core.students.packing import pack
from components.core.students.prompting import Prefix, Segment
from components.core.students.sampling import Decoding, Reply, Request, sample
from components.core.students.scoring import log_probabilities

LIMIT = 1e-4
"""Largest difference of a log-probability in float32; 7e-6 to 9e-6 is usual."""
LIMIT_BFLOAT16 = 0.25
"""In bfloat16 the batch's shape alone moves log-probabilities by a few hundredths."""


def assert_positions(model: Any, prefix: Prefix) -> None:
    """The prefix's positions are those of `get_rope_index`.

    Raises:
        TrainingError: they differ.
    """
    import torch

    ids = torch.tensor([prefix.token_ids], device=model.device)
    kinds = (ids == model.config.video_token_id).int() * 2
    grids = torch.tensor([[1, *prefix.video.grid]] * len(prefix.video.times_s), device=model.device)
    expected, _ = model.model.get_rope_index(ids, kinds, video_grid_thw=grids)
    ours = torch.tensor(prefix.positions, device=model.device).T
    if not torch.equal(expected[:, 0], ours):
        first = int((expected[:, 0] != ours).any(0).nonzero()[0])
        raise TrainingError(
            f"Positions of a prompt differ from the library's from token {first} on.",
            "This version of transformers places video tokens differently: pin the tested one, or adapt prompting.py.",
        )


def measure_disagreement(model: Any, requests: Sequence[Request], decoding: Decoding, end: int) -> float:
    """The largest difference between a sampled token's log-probability and the trainer's for the same token."""
    import torch

    generator = torch.Generator(model.device).manual_seed(0)
    sampled = sample(model, requests, decoding, end, generator)
    worst = 0.0
    for request, replies in zip(requests, sampled, strict=True):
        row = pack(request.prefix, [as_segment(request, reply) for reply in replies])
        with torch.no_grad():
            (scored,) = log_probabilities(model, [row], decoding.temperature or 1.0)
        for reply, values in zip(replies, scored, strict=True):
            expected = torch.tensor(reply.log_probabilities, device=values.device)
            worst = max(worst, float((values - expected).abs().max()))
    return worst


def assert_agreement(model: Any, requests: Sequence[Request], decoding: Decoding, end: int) -> float:
    """Positions and log-probabilities of these requests agree; returns the largest difference seen.

    Raises:
        TrainingError: they do not.
    """
    import torch

    for request in requests:
        assert_positions(model, request.prefix)
    worst = measure_disagreement(model, requests, decoding, end)
    limit = LIMIT if model.dtype == torch.float32 else LIMIT_BFLOAT16
    if not worst <= limit:
        raise TrainingError(
            f"Sampler and trainer disagree on log-probabilities by {worst:.2e} (limit {limit:.0e}).",
            "Training on them would be wrong: compare sampling.py and scoring.py with this version of transformers.",
        )
    return worst


def as_segment(request: Request, reply: Reply) -> Segment:
    """A sampled reply as a segment to score: its tokens, which all count, behind its request."""
    return Segment(reply.token_ids, (True,) * len(reply.token_ids), stem=request.token_ids)
