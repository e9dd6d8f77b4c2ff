from __future__ import annotations

from pathlib import Path

import pytest
import torch

from components.core.errors import InputError
from components.core.students.samplers.own import sample
from components.core.students.samplers.sampler import Decoding
from components.core.students.student import Ask, Student, load_student
from tests.components.core.training.test_parity import requests
from tests.components.training_world import frames


def test_greedy_decoding_equals_the_library(student: Student) -> None:
    (request,) = [student.request(Ask(student.prefix(frames(4), 2.0), "think", "What colour?"))]
    ids = torch.tensor([[*request.prefix.token_ids, *request.token_ids]])
    expected = student.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values_videos=torch.from_numpy(request.prefix.video.pixels),
        video_grid_thw=torch.tensor([[1, *request.prefix.video.grid]] * 2),
        mm_token_type_ids=(ids == student.model.config.video_token_id).int() * 2,
        max_new_tokens=8,
        do_sample=False,
    )[0, ids.shape[1] :]
    ((reply,),) = sample(student.packed, [request], Decoding(8), student.ends)
    assert list(reply.token_ids) == expected.tolist()


def test_greedy_replies_do_not_depend_on_what_is_asked_beside_them(taught: Student) -> None:
    """Evaluation compares models whose answers were generated in batches of other sizes."""
    videos = [taught.prefix(frames(count, seed=count), count / 2) for count in (8, 2, 4)]
    asks = [
        Ask(video, "think", question) for video in videos for question in ("What colour?", "Which shape at [00:01]?")
    ]
    alone = [taught.generate([ask], max_tokens=10)[0] for ask in asks]
    assert taught.generate(asks, max_tokens=10) == taught.generate(asks, max_tokens=10, batch=4, threads=2) == alone
    assert taught.generate(asks[::-1], max_tokens=10)[::-1] == alone
    assert len(set(alone)) > 1


def test_the_same_seed_draws_the_same_and_another_draws_differently(student: Student) -> None:
    asks = [Ask(student.prefix(frames(4), 2.0), "think", "What colour?")] * 3
    drawn = [student.generate(asks, max_tokens=12, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) > 1


def test_vision_tokens_are_never_sampled_and_the_limit_holds(student: Student) -> None:
    decoding = Decoding(max_tokens=20, temperature=5.0, never=student.never)
    generator = torch.Generator().manual_seed(0)
    for group in sample(student.packed, requests(student) * 5, decoding, student.ends, generator):
        for reply in group:
            assert not set(reply.token_ids) & set(student.never)
            assert len(reply.token_ids) == len(reply.log_probabilities) <= 20
            assert reply.ended == (reply.token_ids[-1] == student.prompter.end)
            assert student.prompter.end not in reply.token_ids[:-1]


def test_the_nucleus_keeps_the_likely_and_nothing_else(student: Student) -> None:
    request = requests(student)[:1]
    greedy = sample(student.packed, request, Decoding(5), student.ends)[0][0]
    tight = Decoding(5, temperature=1.0, top_p=1e-6)
    generator = torch.Generator().manual_seed(3)
    assert all(
        reply.token_ids == greedy.token_ids
        for reply in sample(student.packed, request, tight, student.ends, generator)[0]
    )


def test_a_saved_student_says_what_it_said(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path)
    ask = [Ask(student.prefix(frames(4), 2.0), "think", "What colour?")]
    assert load_student(tmp_path, device="cpu").generate(ask, max_tokens=8) == student.generate(ask, max_tokens=8)


def test_a_missing_model_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No Qwen"):
        load_student(tmp_path / "nowhere")
