"""GRPO's objective on tokens, as pure functions.

    L = − Σ w·min(ρ·A, clip(ρ, 1 − ε_low, 1 + ε_high)·A) / tokens  +  β · Σ KL / tokens
    ρ = exp(log π − log π_old),   KL = exp(log π_ref − log π) − (log π_ref − log π) − 1
    w = min(exp(log π_old − log π_rollout), C)

Summed over all tokens of the groups that teach and divided by their number (DAPO, arXiv 2503.14476), so that every
token weighs the same whatever the length of its reply. The KL estimate is Schulman's k3, never negative.

π_old is the trainer's policy before the step, by the trainer's own arithmetic; π_rollout is what the sampler computed
for the same weights. Rounding, another precision or another engine set them apart. Were π_rollout the old policy, that
noise would go through ratio and clip; as a truncated importance weight w it corrects who was drawn, and nothing more
(Yao et al., 2025, "Your efficient RL framework secretly brings you off-policy RL training").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

FAR = 20.0
"""Differences of log-probabilities are taken as at most this in what is logged: e²⁰ says enough, and infinity is no
number to average."""


def clipped_loss(
    new: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip_low: float, clip_high: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The clipped policy loss of each token, and whether the clip cut its gradient off.

    Args:
        new, old: log-probabilities of the tokens (n,), under the policy and under the one before the step.
        advantages: of the replies that the tokens belong to (n,).
    """
    import torch

    ratio = (new - old).exp()
    bounded = ratio.clamp(1.0 - clip_low, 1.0 + clip_high)
    gain = torch.minimum(ratio * advantages, bounded * advantages)
    clipped = (bounded * advantages) < (ratio * advantages)
    return -gain, clipped


def importance_weights(old: torch.Tensor, rollout: torch.Tensor, cap: float) -> torch.Tensor:
    """w of each token (n,), without gradient; 1 where sampler and trainer agree.

    Args:
        old, rollout: log-probabilities of the drawn tokens, by the trainer and by the sampler.
    """
    return (old - rollout).detach().exp().clamp(max=cap)


def describe_rollout(old: torch.Tensor, rollout: torch.Tensor, cap: float) -> dict[str, float]:
    """How far the sampler's policy lies from the trainer's, over the tokens drawn (n,): the ratio before it is cut in
    mean and 99th percentile, the share that was cut, and KL(rollout ‖ trainer), the k3 estimate."""
    difference = (old - rollout).detach().double().clamp(-FAR, FAR)
    ratio = difference.exp()
    return {
        "rollout_ratio_mean": float(ratio.mean()),
        "rollout_ratio_p99": float(ratio.quantile(0.99)),
        "rollout_cut": float((ratio > cap).double().mean()),
        "rollout_kl": float((ratio - difference - 1.0).mean()),
    }


def kl_divergence(new: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The k3 estimate of KL(policy ‖ reference) of each token."""
    difference = reference - new
    return difference.exp() - difference - 1.0
