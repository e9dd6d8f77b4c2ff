"""GRPO's objective on tokens, as pure functions.

    L = − Σ min(ρ·A, clip(ρ, 1 − ε_low, 1 + ε_high)·A) / tokens  +  β · Σ KL / tokens
    ρ = exp(log π − log π_old),   KL = exp(log π_ref − log π) − (log π_ref − log π) − 1

Summed over all tokens of all groups and divided by their number (DAPO, arXiv 2503.14476), so that every token weighs
the same whatever the length of its reply. The KL estimate is Schulman's k3, never negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def clipped_loss(
    new: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip_low: float, clip_high: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The clipped policy loss of each token, and whether the clip cut its gradient off.

    Args:
        new, old: log-probabilities of the tokens (n,), under the policy and under the one that drew them.
        advantages: of the replies that the tokens belong to (n,).
    """
    import torch

    ratio = (new - old).exp()
    bounded = ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    gain = torch.minimum(ratio * advantages, bounded * advantages)
    clipped = (bounded * advantages) < (ratio * advantages)
    return -gain, clipped


def kl_divergence(new: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The k3 estimate of KL(policy ‖ reference) of each token."""
    difference = reference - new
    return difference.exp() - difference - 1.0
