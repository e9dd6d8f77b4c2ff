from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from components.core.students import packed_model
from components.core.students.packed_model import log_probabilities
from components.core.students.packing import Packed, pack
from components.core.students.prompting import Segment
from components.core.students.samplers.own import OwnSampler
from components.core.students.samplers.sampler import Decoding
from components.core.students.student import Student, load_student
from components.core.students.vision import encode_videos
from tests.components.core.training.test_parity import requests
from tests.components.training_world import frames


def rows(student: Student) -> list[Packed]:
    """Two videos of different length, three replies of 14 tokens in all."""
    replies = [tuple(range(300, 306)), tuple(range(310, 313)), tuple(range(320, 325))]
    segments = [Segment(ids, (True,) * len(ids)) for ids in replies]
    return [
        pack(student.prefix(frames(4), 2.0), segments[:2]),
        pack(student.prefix(frames(8, seed=1), 4.0), segments[2:]),
    ]


def scores_and_gradient(student: Student) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    scores = student.packed("score", rows(student), 0.8)
    (scores * torch.linspace(-1, 1, len(scores))).sum().backward()
    taken = {name: value.grad.clone() for name, value in student.model.named_parameters() if value.grad is not None}
    student.model.zero_grad()
    return scores.detach(), taken


@pytest.mark.parametrize("tokens", [1, 4, 13])
def test_the_head_in_chunks_gives_the_scores_and_the_gradient_of_the_whole(
    student: Student, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, expected = scores_and_gradient(student)
    monkeypatch.setattr(packed_model, "LOGITS_AT_ONCE", tokens * student.model.config.get_text_config().vocab_size)
    chunked, gradient = scores_and_gradient(student)
    torch.testing.assert_close(chunked, whole, atol=1e-6, rtol=0)
    assert gradient.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, atol=1e-6, rtol=1e-6)


@pytest.fixture
def calls(student: Student) -> Iterator[list[str]]:
    """Names of the modules that run outside of the whole's forward: what a hook of DDP or ZeRO would never see."""
    inside, outside = [0], []
    hooks = [
        student.packed.register_forward_pre_hook(lambda *_: inside.__setitem__(0, inside[0] + 1)),
        student.packed.register_forward_hook(lambda *_: inside.__setitem__(0, inside[0] - 1)),
    ]
    for name, part in student.packed.named_modules():
        if name:
            hooks.append(
                part.register_forward_pre_hook(lambda *_, name=name: None if inside[0] else outside.append(name))
            )
    yield outside
    for hook in hooks:
        hook.remove()


def test_scoring_and_sampling_run_no_part_past_the_whole(student: Student, calls: list[str]) -> None:
    log_probabilities(student.packed, rows(student))
    OwnSampler(student.packed, student.ends).sample(requests(student), Decoding(6, 1.0), 0)
    student.packed("words", [row.prefix.video for row in rows(student)], [300, 301])
    assert calls == []
    encode_videos(student.model, [rows(student)[0].prefix.video])  # and such a call is seen
    assert calls


def test_a_sampler_with_a_copy_says_what_the_weights_say_that_it_took_up(student: Student) -> None:
    """What a server of its own does after every step of training."""
    copy = load_student(student.source, device="cpu")
    sampler, trained = OwnSampler(copy.packed, copy.ends), OwnSampler(student.packed, student.ends)
    with torch.no_grad():
        for value in copy.model.parameters():
            value += 0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    given = (requests(student), Decoding(12, 1.0), 5)
    assert sampler.sample(*given) != trained.sample(*given)
    sampler.take_up(student.model.named_parameters())
    assert sampler.sample(*given) == trained.sample(*given)


PEAK = """
import sys, torch
from types import SimpleNamespace
from components.core.students import packed_model

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

hidden, vocabulary, tokens = 64, 32_000, 2_048
model = torch.nn.Module()
model.lm_head = torch.nn.Linear(hidden, vocabulary, bias=False)
model.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=vocabulary))
packed = packed_model.packed_model(model)
packed_model.LOGITS_AT_ONCE = vocabulary
packed._score_in_chunks(torch.randn(2, hidden, requires_grad=True), torch.arange(2), 1.0).sum().backward()  # imports
packed_model.LOGITS_AT_ONCE = int(sys.argv[1]) * vocabulary
states = torch.randn(tokens, hidden, requires_grad=True)
open("/proc/self/clear_refs", "w").write("5")  # the peak from here on
before = peak()
packed._score_in_chunks(states, torch.arange(tokens), 1.0).sum().backward()
print(peak() - before)
"""


def test_the_head_in_chunks_holds_a_chunks_logits_at_a_time() -> None:
    """2,048 tokens over 32,000: 250 MiB of logits in float32, three times over in a backward pass."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000", "OMP_NUM_THREADS": "1"}  # what is freed is gone
    peaks = {}
    for chunk in (2_048, 128):
        command = [sys.executable, "-c", PEAK, str(chunk)]
        peaks[chunk] = float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    print(peaks)  # what README quotes
    assert peaks[2_048] > 600 and peaks[128] < 100
