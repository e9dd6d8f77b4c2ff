from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
import torch

from components.core.data.datasets import Dataset
from components.core.data.rows import Question
from components.core.students.samplers.own import OwnSampler
from components.core.students.student import Student, load_student
from components.grpo.rollouts import Group, Prompt, sample_groups
from components.grpo.settings import GrpoSettings
from components.grpo.update import backward, batches_of
from tests.components.training_world import alone, frames, tiny_student, training_data

SETTINGS = GrpoSettings(replies=3, max_tokens=8)
ADVANTAGES = [1.2, -0.7, -0.5]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return tiny_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    data = training_data(tmp_path_factory.mktemp("data"), 2)
    return list(Dataset(data["questions"]).rows("questions"))


@pytest.fixture(scope="module")
def groups(student: Student, questions: Sequence[Question]) -> list[Group]:
    """Three videos of different length, two questions about the first, groups that teach."""
    prefixes = [student.prefix(frames(count, seed=count), count / 2) for count in (4, 2, 8)]
    prompts = [Prompt(questions[index % 3], prefixes[place], ()) for index, place in enumerate((0, 0, 1, 2))]
    drawn = sample_groups(student, OwnSampler(student.packed, student.ends), prompts, SETTINGS, 0)
    return [dataclasses.replace(group, advantages=list(ADVANTAGES)) for group in drawn]


def drawn_by(groups: Sequence[Group], score: Callable[[float], float]) -> list[Group]:
    """The same replies as a sampler of other arithmetic would have scored them."""
    return [
        dataclasses.replace(
            group,
            replies=[
                dataclasses.replace(reply, log_probabilities=tuple(map(score, reply.log_probabilities)))
                for reply in group.replies
            ],
        )
        for group in groups
    ]


def update(
    student: Student, groups: Sequence[Group], *, rows_per_forward: int = 8, settings: GrpoSettings = SETTINGS
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """The figures and the gradient of one update."""
    told = backward(alone(student), None, batches_of(groups, rows_per_forward, "cpu"), settings)
    taken = {name: value.grad.clone() for name, value in student.model.named_parameters() if value.grad is not None}
    student.model.zero_grad()
    return told, taken


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys() and first
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=1e-4)


def test_on_a_samplers_own_scores_every_weight_is_one(student: Student, groups: list[Group]) -> None:
    told, _ = update(student, groups)
    assert told["rollout_ratio_mean"] == pytest.approx(1, abs=1e-5)
    assert told["rollout_ratio_p99"] == pytest.approx(1, abs=1e-4)
    assert told["rollout_kl"] < 1e-8 and told["rollout_cut"] == 0 and told["clipped"] == 0
    assert "kl" not in told  # there is no reference


def test_noise_of_the_sampler_reaches_neither_ratio_nor_clip(student: Student, groups: list[Group]) -> None:
    """±0.4 lies outside of [0.8, 1.28]: as the old policy's, such scores would clip many of the tokens."""
    rng = Random(0)
    told, _ = update(student, drawn_by(groups, lambda score: score + rng.choice((-0.4, 0.4))))
    assert told["clipped"] == 0
    assert 0.06 < told["rollout_kl"] < 0.1 and told["rollout_ratio_p99"] == pytest.approx(math.exp(0.4), rel=1e-3)


def test_a_token_counts_as_much_more_as_the_trainer_finds_it_likelier_up_to_the_cap(
    student: Student, groups: list[Group]
) -> None:
    _, plain = update(student, groups)
    for difference, weight, cut in ((-0.3, math.exp(0.3), 0.0), (-5.0, 2.0, 1.0), (0.5, math.exp(-0.5), 0.0)):
        told, taken = update(student, drawn_by(groups, lambda score, by=difference: score + by))
        assert told["rollout_cut"] == cut
        assert_equal({name: value * weight for name, value in plain.items()}, taken)


def test_a_sampler_that_cannot_have_drawn_a_token_gives_finite_figures(student: Student, groups: list[Group]) -> None:
    told, taken = update(student, drawn_by(groups, lambda score: score - 500.0))
    assert all(math.isfinite(value) for value in told.values())
    assert all(value.isfinite().all() for value in taken.values())


def test_later_updates_are_measured_against_the_trainers_policy_before_the_step(
    student: Student, groups: list[Group], tmp_path: Path
) -> None:
    student.save(tmp_path)
    moved = load_student(tmp_path, device="cpu")
    rng = Random(1)
    batches = batches_of(drawn_by(groups, lambda score: score + rng.gauss(0, 0.3)), 2, "cpu")
    first = backward(alone(moved), None, batches, SETTINGS)
    moved.model.zero_grad()
    again = backward(alone(moved), None, batches, SETTINGS)  # nothing moved: a ratio of one, whatever the sampler said
    assert (again["clipped"], again["policy_loss"]) == (0.0, pytest.approx(first["policy_loss"], rel=1e-5))
    with torch.no_grad():
        for parameter in moved.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)), alpha=0.05)
    assert backward(alone(moved), None, batches, SETTINGS)["clipped"] > 0
    assert first["rollout_kl"] == again["rollout_kl"]


@pytest.mark.parametrize("rows_per_forward", [1, 2])
def test_accumulated_gradients_are_those_of_one_big_batch(
    student: Student, groups: list[Group], rows_per_forward: int
) -> None:
    together, one = update(student, groups, rows_per_forward=8)
    apart, many = update(student, groups, rows_per_forward=rows_per_forward)
    assert apart == pytest.approx(together, rel=1e-4, abs=1e-7)
    assert_equal(one, many)


def test_every_token_of_the_groups_that_teach_weighs_the_same(student: Student, groups: list[Group]) -> None:
    """Against the sum over tokens, written down; a group without variance is in neither sum nor denominator."""
    silent = dataclasses.replace(groups[1], advantages=[0.0, 0.0, 0.0])
    told, _ = update(student, [groups[0], silent, *groups[2:]])
    spread = [
        (-advantage, reply)
        for group in (groups[0], *groups[2:])
        for advantage, reply in zip(group.advantages, group.replies, strict=True)
        if advantage is not None
    ]
    tokens = sum(len(reply.token_ids) for _, reply in spread)
    expected = sum(loss * len(reply.token_ids) for loss, reply in spread) / tokens
    assert told["policy_loss"] == pytest.approx(expected, abs=1e-5)
    _, without = update(student, [groups[0], *groups[2:]])
    _, beside = update(student, [groups[0], silent, *groups[2:]])
    assert_equal(without, beside)


def test_a_reply_whose_judge_failed_leaves_no_trace_in_the_gradient(student: Student, groups: list[Group]) -> None:
    lost = dataclasses.replace(
        groups[0], replies=[*groups[0].replies, groups[1].replies[0]], advantages=[*ADVANTAGES, None]
    )
    _, without = update(student, groups[:1])
    _, beside = update(student, [lost])
    assert_equal(without, beside)


def test_where_no_group_teaches_there_is_no_loss_rather_than_zero(student: Student, groups: list[Group]) -> None:
    silent = [dataclasses.replace(group, advantages=[0.0, None, 0.0]) for group in groups]
    assert update(student, silent) == ({}, {})


def test_the_divergence_stands_apart_from_the_policy_loss(
    student: Student, groups: list[Group], tmp_path: Path
) -> None:
    reference = tiny_student(tmp_path, seed=1)
    batches = batches_of(groups, 8, "cpu")
    plain = backward(alone(student), None, batches, SETTINGS)
    student.model.zero_grad()
    told = backward(
        alone(student), reference.packed, batches_of(groups, 8, "cpu"), SETTINGS.model_copy(update={"kl": 3.0})
    )
    pulled = {name: value.grad.clone() for name, value in student.model.named_parameters() if value.grad is not None}
    student.model.zero_grad()
    assert told["kl"] > 0.01
    assert told["policy_loss"] == pytest.approx(plain["policy_loss"], rel=1e-5)
    assert any((pulled[name] - value).abs().max() > 1e-4 for name, value in update(student, groups)[1].items())
