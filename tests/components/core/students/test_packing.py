from __future__ import annotations

from random import Random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.students.packed_model import log_probabilities
from components.core.students.packing import attention_mask, pack
from components.core.students.prompting import Segment
from components.core.students.student import Student
from tests.components.training_world import frames

TOKENS = st.lists(st.integers(256, 400), min_size=1, max_size=6).map(tuple)


@given(
    stems=st.lists(TOKENS, min_size=1, max_size=2), replies=st.lists(TOKENS, min_size=1, max_size=4), seed=st.integers()
)
@settings(max_examples=15, deadline=None)
def test_packed_log_probabilities_equal_unpacked_ones(
    student: Student, stems: list[tuple[int, ...]], replies: list[tuple[int, ...]], seed: int
) -> None:
    prefix = student.prefix(frames(4), 2.0)
    rng = Random(seed)
    segments = []
    for reply in replies:
        stem = rng.choice(stems)
        if rng.random() < 0.5:
            segments.append(Segment(reply, (True,) * len(reply), stem=stem))
        else:
            segments.append(Segment((*stem, *reply), (False,) * len(stem) + (True,) * len(reply)))
    with torch.no_grad():
        (packed,) = log_probabilities(student.packed, [pack(prefix, segments)])
        for segment, scores in zip(segments, packed, strict=True):
            flat = Segment((*segment.stem, *segment.token_ids), (False,) * len(segment.stem) + segment.scored)
            ((alone,),) = log_probabilities(student.packed, [pack(prefix, [flat])])
            torch.testing.assert_close(scores, alone, atol=2e-5, rtol=0)


def test_rows_of_different_length_do_not_disturb_each_other(student: Student) -> None:
    short, long = student.prefix(frames(2), 1.0), student.prefix(frames(8, seed=1), 4.0)
    segment = Segment((300, 301, 302), (False, True, True))
    with torch.no_grad():
        together = log_probabilities(student.packed, [pack(short, [segment]), pack(long, [segment, segment])])
        for row, prefix in zip(together, (short, long), strict=True):
            ((alone,),) = log_probabilities(student.packed, [pack(prefix, [segment])])
            for scores in row:
                torch.testing.assert_close(scores, alone, atol=2e-5, rtol=0)


def test_packed_scores_equal_the_library_forward(student: Student) -> None:
    """No packing, no masks and no positions of ours: the model as anybody would call it."""
    prefix = student.prefix(frames(4), 2.0)
    reply = (300, 301, 302, 303)
    segment = Segment(reply, (False, True, True, True))
    ids = torch.tensor([[*prefix.token_ids, *reply]])
    kinds = (ids == student.model.config.video_token_id).int() * 2
    grids = torch.tensor([[1, *prefix.video.grid]] * len(prefix.video.times_s))
    with torch.no_grad():
        logits = student.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values_videos=torch.from_numpy(prefix.video.pixels),
            video_grid_thw=grids,
            mm_token_type_ids=kinds,
        ).logits
        expected = logits[0, -4:-1].log_softmax(-1).gather(1, torch.tensor(reply[1:])[:, None])[:, 0]
        ((ours,),) = log_probabilities(student.packed, [pack(prefix, [segment])])
    torch.testing.assert_close(ours, expected, atol=2e-5, rtol=0)


def test_a_segment_sees_the_prefix_its_stem_and_itself_only(student: Student) -> None:
    row = pack(
        student.prefix(frames(2), 1.0), [Segment((1, 2), (True, True), stem=(3,)), Segment((4, 5), (False, True))]
    )
    mask = attention_mask(row.owners[None], row.parents[None])[0, 0]
    first, second = row.segments
    at = {owner: (row.owners == owner).nonzero()[:, 0].tolist() for owner in row.owners.unique().tolist()}
    stem = int(row.parents[at[first][0]])
    last = at[first][-1]
    seen = set(mask[last].nonzero()[:, 0].tolist())
    assert seen == {*at[0], *at[stem], *at[first]}
    assert set(mask[at[second][0]].nonzero()[:, 0].tolist()) == {*at[0], at[second][0]}


def test_equal_stems_are_laid_once(student: Student) -> None:
    prefix = student.prefix(frames(2), 1.0)
    segments = [Segment((index,), (True,), stem=(7, 8, 9)) for index in range(300, 304)]
    row = pack(prefix, segments)
    assert len(row.token_ids) == len(prefix.token_ids) + 3 + 4
