from __future__ import annotations

from random import Random

import pytest
import torch

from components.core.students import packed_model
from components.core.students.block_attention import blocks_of
from components.core.students.packing import Packed, attention_mask, pack
from components.core.students.prompting import Segment
from components.core.students.student import Student
from tests.components.training_world import frames


def rows(student: Student) -> list[Packed]:
    """Prefixes of two lengths and one of text alone; segments of one to forty tokens, some behind a shared stem."""
    rng = Random(0)
    made = []
    for number, prefix in enumerate(
        (student.prefix(frames(4), 2.0), student.prefix(frames(8, seed=1), 4.0), student.prompter.text_prefix())
    ):
        segments = []
        for length in (1, 40, 3, 17, 38):
            ids = tuple(rng.randrange(256, 400) for _ in range(length))
            stem = (300 + number, 301, 302) if rng.random() < 0.5 else ()
            segments.append(Segment(ids, (True,) * length, stem=stem, shift=0 if stem else rng.randrange(20)))
        made.append(pack(prefix, segments))
    return made


def test_blocks_are_what_the_mask_of_packed_rows_leaves_visible(student: Student) -> None:
    packed = rows(student)
    blocks = blocks_of(packed)
    starts = torch.tensor([0, *(len(row.token_ids) for row in packed)]).cumsum(0)
    expected = torch.zeros(int(starts[-1]), int(starts[-1]), dtype=torch.bool)
    for start, row in zip(starts, packed, strict=False):
        own = slice(int(start), int(start) + len(row.token_ids))
        expected[own, own] = attention_mask(row.owners[None], row.parents[None])[0, 0]
    seen = torch.zeros_like(expected)
    queries, keys, first = blocks.queries, blocks.keys, 0
    for (count, width, depth), mask in zip(blocks.shapes, blocks.masks, strict=True):
        for place in range(count * width):
            if blocks.places[queries[place]] == first + place:  # not padding
                visible = keys.view(-1)[: count * depth].view(count, depth)[place // width]
                seen[queries[place], visible[mask[place // width, 0, place % width] == 0]] = True
        queries, keys, first = queries[count * width :], keys[count * depth :], first + count * width
    assert torch.equal(seen, expected)


def test_blocks_give_the_scores_and_the_gradient_of_the_masked_rows(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        scores = student.packed("score", rows(student), 0.8)
        (scores * torch.linspace(-1, 1, len(scores))).sum().backward()
        gradient = {
            name: value.grad.clone() for name, value in student.model.named_parameters() if value.grad is not None
        }
        student.model.zero_grad()
        return scores.detach(), gradient

    in_blocks, gradient = scored()
    monkeypatch.setattr(packed_model, "attend_in_blocks", lambda language_model: False)
    masked, expected = scored()
    torch.testing.assert_close(in_blocks, masked, atol=1e-5, rtol=0)
    assert gradient.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, atol=1e-4, rtol=1e-4)
