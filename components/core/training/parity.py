"""Sampler and trainer must agree; training starts with a proof that they do.

Two mistakes train happily and learn little: positions that differ from the library's, and log-probabilities that the
policy update computes differently from the sampler. Both are checked on real prompts, before the first step. Positions
are integers and must be equal; log-probabilities agree in mean and 99th percentile, because a maximum says more about
the number of tokens and the precision than about the code: one token in a thousand lies where a rounding is large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.core.errors import TrainingError
from components.core.students.packed_model import log_probabilities
from components.core.students.packing import pack
from components.core.students.precision import autocast
from components.core.students.prompting import Segment
from components.core.students.samplers.sampler import Decoding, Reply, Request, Sampler

if TYPE_CHECKING:
    import torch

LIMITS = {"float32": (5e-5, 5e-4), "bfloat16": (0.02, 0.2)}
"""Mean and 99th percentile of the absolute difference, by the precision of the arithmetic; others as bfloat16.

On students of 0.03 to 1.4 million weights, random and trained, honest differences were at most 4e-7 and 5e-6 in
float32, 3e-3 and 3e-2 in bfloat16 autocast (rounding is 2^-9 of a logit, and more layers add to it). A trained student
whose replies start one position late is off by 0.18 and 1.2, one that is not shown the video by 0.4 and 2.4; random
weights, which hardly look, by 8e-4 and 3e-3 at the least, which bfloat16 hides and float32 does not."""

TOKENS_PER_REPLY = 32
"""A reply of the check ends here, if not before."""
REPLIES = 4
"""Replies to each prompt of the check: together a hundred tokens or more, so that a percentile means something."""


@dataclass(frozen=True)
class Disagreement:
    """The absolute difference of log-probabilities of the same tokens, sampler against trainer."""

    mean: float
    percentile_99: float
    tokens: int

    def metrics(self) -> dict[str, float]:
        """For a task's record."""
        return {"parity_mean": self.mean, "parity_p99": self.percentile_99, "parity_tokens": float(self.tokens)}


def assert_positions(model: Any, request: Request) -> None:
    """The positions of a prompt and of a reply to it are those of `get_rope_index`.

    Raises:
        TrainingError: they differ.
    """
    import torch

    prefix = request.prefix
    row = pack(prefix, [Segment((0,), (True,), stem=request.token_ids)])
    ids = row.token_ids[None].to(model.device)
    kinds = (ids == model.config.video_token_id).int() * 2
    grids = torch.tensor([[1, *prefix.video.grid]] * len(prefix.video.times_s), device=model.device)
    expected, _ = model.model.get_rope_index(ids, kinds, video_grid_thw=grids)
    differing = (expected[:, 0] != row.positions.to(model.device)).any(0)
    if bool(differing.any()):
        raise TrainingError(
            f"Positions of a prompt differ from the library's from token {int(differing.nonzero()[0])} on.",
            "This version of transformers places video tokens differently: pin the tested one, or adapt prompting.py.",
        )


def measure_disagreement(model: Any, sampler: Sampler, requests: Sequence[Request], decoding: Decoding) -> Disagreement:
    """How far the log-probabilities of sampled tokens lie from the trainer's for the same tokens."""
    import torch

    sampled = sampler.sample(requests, decoding, 0)
    differences = []
    for request, replies in zip(requests, sampled, strict=True):
        row = pack(request.prefix, [as_segment(request, reply) for reply in replies])
        with torch.no_grad():
            (scored,) = log_probabilities(model, [row], decoding.temperature or 1.0)
        for reply, values in zip(replies, scored, strict=True):
            differences.append((values - torch.tensor(reply.log_probabilities, device=values.device)).abs())
    return summarise(torch.cat(differences))


def summarise(differences: torch.Tensor) -> Disagreement:
    """Of absolute differences (n,); one that is not a number makes both figures not a number."""
    values = differences.double()
    return Disagreement(float(values.mean()), float(values.quantile(0.99)), len(values))


def assert_agreement(model: Any, sampler: Sampler, requests: Sequence[Request], decoding: Decoding) -> Disagreement:
    """Positions and log-probabilities of these requests agree; returns what difference was seen.

    Args:
        model: the packed model that is trained.

    Raises:
        TrainingError: they do not.
    """
    for request in requests:
        assert_positions(model.model, request)
    seen = measure_disagreement(model, sampler, requests, decoding)
    name = precision(model.model)
    mean, percentile = LIMITS.get(name, LIMITS["bfloat16"])
    if not (seen.mean <= mean and seen.percentile_99 <= percentile):
        raise TrainingError(
            f"Sampler and trainer disagree on log-probabilities by {seen.mean:.1e} in the mean (limit {mean:.0e}) and "
            f"{seen.percentile_99:.1e} in the 99th percentile (limit {percentile:.0e}; {seen.tokens} tokens, {name}).",
            "Do not train on them: compare samplers/own.py and packed_model.py with this version of transformers.",
        )
    return seen


def precision(model: Any) -> str:
    """Name of the type that matrices are multiplied in: that of autocast where it is on, else that of the weights."""
    import torch

    device = model.device.type
    with autocast(model):
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else model.dtype
    return str(dtype).removeprefix("torch.")


def as_segment(request: Request, reply: Reply) -> Segment:
    """A sampled reply as a segment to score: its tokens, which all count, behind its request."""
    return Segment(reply.token_ids, (True,) * len(reply.token_ids), stem=request.token_ids)
