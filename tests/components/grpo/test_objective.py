from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from components.grpo.objective import clipped_loss, kl_divergence

LOGS = st.floats(-5, 0)


def tensors(*values: float) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.tensor([value], dtype=torch.float64, requires_grad=index == 0) for index, value in enumerate(values)
    )


@given(LOGS, st.floats(-3, 3))
def test_on_policy_the_gradient_is_the_advantage(score: float, advantage: float) -> None:
    new, old, weight = tensors(score, score, advantage)
    loss, clipped = clipped_loss(new, old, weight, 0.2, 0.28)
    loss.sum().backward()
    assert new.grad is not None and abs(float(new.grad) + advantage) < 1e-9
    assert not clipped.any()


def test_a_step_too_far_in_the_good_direction_has_no_gradient() -> None:
    for advantage, new_score in ((1.0, -0.5), (-1.0, -1.5)):
        new, old, weight = tensors(new_score, -1.0, advantage)
        loss, clipped = clipped_loss(new, old, weight, 0.2, 0.28)
        loss.sum().backward()
        assert clipped.all() and new.grad is not None and float(new.grad) == 0.0


def test_a_step_in_the_bad_direction_is_pulled_back_however_far() -> None:
    new, old, weight = tensors(-3.0, -1.0, 1.0)
    loss, clipped = clipped_loss(new, old, weight, 0.2, 0.28)
    loss.sum().backward()
    assert not clipped.any() and new.grad is not None and float(new.grad) < 0


def test_the_upper_bound_is_the_higher_one() -> None:
    new, old, weight = tensors(-1.0 + 0.24, -1.0, 1.0)  # ratio 1.27
    assert not clipped_loss(new, old, weight, 0.2, 0.28)[1].any()
    assert clipped_loss(new, old, weight, 0.2, 0.2)[1].all()


@given(LOGS, LOGS)
def test_the_divergence_is_never_negative_and_zero_for_equal_policies(new: float, reference: float) -> None:
    value = float(kl_divergence(*(torch.tensor([score], dtype=torch.float64) for score in (new, reference))))
    assert value >= 0.0
    assert float(kl_divergence(torch.tensor([new]), torch.tensor([new]))) == 0.0
