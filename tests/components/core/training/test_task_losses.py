from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from pydantic import ValidationError

from components.core.students.packed_model import log_probabilities
from components.core.students.packing import Packed, pack
from components.core.students.prompting import Segment
from components.core.students.student import Student
from components.core.training.backend import SingleProcess
from components.core.training.task_losses import TaskWeights, backward_by_task
from tests.components.training_world import alone, frames


def segment(first: int, length: int) -> Segment:
    """Two tokens of request, then a reply of this length, of tokens that no other segment has."""
    return Segment((270, 271, *(first + index % 20 for index in range(length))), (False, False) + (True,) * length)


PAPER = [("caption", segment(300, 250)), ("direct", segment(330, 1)), ("direct", segment(331, 1))]
PAPER += [
    ("think", segment(340, 50)),
    ("think", segment(341, 50)),
    ("think", segment(342, 50)),
    ("think", segment(343, 50)),
]
"""An eighth of the paper's lengths: direct answers are 0.4 % of the tokens."""


def rows_of(student: Student, videos: Sequence[Sequence[tuple[str, Segment]]]) -> tuple[list[Packed], list[list[str]]]:
    rows = [
        pack(student.prefix(frames(4, seed=place), 2.0), [item for _, item in samples])
        for place, samples in enumerate(videos)
    ]
    return rows, [[task for task, _ in samples] for samples in videos]


def gradient(student: Student) -> dict[str, torch.Tensor]:
    taken = {name: value.grad.clone() for name, value in student.model.named_parameters() if value.grad is not None}
    student.model.zero_grad()
    return taken


def backward(student: Student, videos: Sequence[Sequence[tuple[str, Segment]]], **given: object) -> dict[str, float]:
    rows, tasks = rows_of(student, videos)
    settings = {"weights": TaskWeights(), "rows_per_forward": 8, **given}
    return backward_by_task(alone(student), rows, tasks, **settings)


def test_parts_side_by_side_give_the_gradient_of_the_whole_and_always_the_same_bytes(student: Student) -> None:
    videos = [PAPER, PAPER[:2], PAPER[2:], PAPER[1:]]
    rows, tasks = rows_of(student, videos)

    def told_and_gradient(threads: int, rows_per_forward: int) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        backend = SingleProcess(student.packed, alone(student)._optimizer, threads)
        return backward_by_task(backend, rows, tasks, TaskWeights(), rows_per_forward), gradient(student)

    whole, expected = told_and_gradient(0, 8)
    for threads, rows_per_forward in ((2, 8), (3, 8), (2, 3)):
        told, ours = told_and_gradient(threads, rows_per_forward)
        assert told == pytest.approx(whole, rel=1e-5)
        assert ours.keys() == expected.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-4)
        again, same = told_and_gradient(threads, rows_per_forward)
        assert again == told and all(torch.equal(same[name], value) for name, value in ours.items())


def test_direct_answers_have_a_third_of_the_loss_beside_a_caption_hundreds_of_times_their_length(
    student: Student,
) -> None:
    told = backward(student, [PAPER])
    gradient(student)
    assert told["tokens"] == 452
    weighed = sum(told[f"loss_{task}"] for task in ("caption", "direct", "think")) / 3
    assert told["loss"] == pytest.approx(weighed, rel=1e-5)  # L_Cap + L_QA + L_CoT
    assert told["share_direct"] == pytest.approx(told["loss_direct"] / 3 / told["loss"], rel=1e-5)
    assert told["share_direct"] > 0.25
    assert sum(told[f"share_{task}"] for task in ("caption", "direct", "think")) == pytest.approx(1)


def test_the_gradient_is_that_of_the_weighed_means(student: Student) -> None:
    """Against the formula, written down with the log-probabilities themselves."""
    weights = TaskWeights(caption=0.5, direct=2.0, think=1.5)
    backward(student, [PAPER, PAPER[:2]], weights=weights)
    ours = gradient(student)
    rows, tasks = rows_of(student, [PAPER, PAPER[:2]])
    by_task: dict[str, list[torch.Tensor]] = {"caption": [], "direct": [], "think": []}
    for names, segments in zip(tasks, log_probabilities(student.packed, rows), strict=True):
        for name, tokens in zip(names, segments, strict=True):
            by_task[name].append(tokens)
    means = {name: -torch.cat(tokens).mean() for name, tokens in by_task.items()}
    ((0.5 * means["caption"] + 2.0 * means["direct"] + 1.5 * means["think"]) / 4.0).backward()
    theirs = gradient(student)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("rows_per_forward", [1, 2])
def test_accumulated_gradients_are_those_of_one_big_batch(student: Student, rows_per_forward: int) -> None:
    """Rows of very different length and mixture: means of means would be another gradient."""
    videos = [PAPER, PAPER[1:2], [*PAPER[3:5], ("observe", segment(360, 3))], PAPER[:1]]
    together = backward(student, videos, rows_per_forward=len(videos))
    one = gradient(student)
    apart = backward(student, videos, rows_per_forward=rows_per_forward)
    many = gradient(student)
    assert apart == pytest.approx(together, rel=1e-5)
    for name, value in one.items():
        torch.testing.assert_close(many[name], value, atol=1e-6, rtol=1e-4)


def test_a_task_that_a_step_does_not_have_leaves_its_share_to_the_others(student: Student) -> None:
    told = backward(student, [PAPER[:1]], weights=TaskWeights(caption=0.01))
    gradient(student)
    assert told["loss"] == pytest.approx(told["loss_caption"]) and told["share_caption"] == 1
    assert "loss_direct" not in told


def test_nothing_scored_is_no_loss_rather_than_zero(student: Student) -> None:
    assert backward(student, []) == {}
    assert backward(student, [[("think", Segment((300, 301), (False, False)))]]) == {}


def test_the_scale_is_the_gradients_and_not_the_figures(student: Student) -> None:
    full, whole = backward(student, [PAPER[:2]]), gradient(student)
    scaled, tenth = backward(student, [PAPER[:2]], scale=0.1), gradient(student)
    assert scaled == full
    for name, value in whole.items():
        torch.testing.assert_close(tenth[name], value * 0.1, atol=1e-7, rtol=1e-4)


def test_a_weight_of_zero_is_refused_as_samples_without_loss_only_cost() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        TaskWeights(direct=0)
