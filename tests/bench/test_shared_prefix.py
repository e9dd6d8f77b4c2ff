"""CPU time of forward and backward over what one video brings to a step: packed behind one prefix, and as single rows.

The laptop's student of 1.4 million parameters on one thread. "Row per sample" shares the encoded video among the rows;
"video per sample" encodes it for each, as trainers do that know a batch of single samples only. All three give the same
log-probabilities, which is asserted first. Ratios on two cores were 2.0 and 3.0 (GRPO, 16 frames), 3.3 and 5.8 (GRPO,
64 frames), 2.5 and 3.4 (SFT, 16 frames), 3.2 and 5.2 (SFT, 64 frames): the longer the video, the more is shared. The
limits are about two thirds of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from components.core.students.build import build_student
from components.core.students.packed_model import log_probabilities
from components.core.students.packing import Packed, pack
from components.core.students.profile import save_profile
from components.core.students.prompting import Prefix, Segment, prompt_texts
from components.core.students.student import Student, load_student
from tests.bench.measuring import cpu_ms, report
from tests.components.training_world import TEXTS, frames
from tests.laptop import SFT as LAPTOP
from tests.laptop import SIZE

pytestmark = pytest.mark.bench

GRPO = [Segment((300,) * 24, (True,) * 24, stem=(400 + question,) * 20) for question in range(2) for _ in range(8)]
"""Two questions of 20 tokens with eight replies of 24 each, as a step of GRPO draws for a video."""
SFT = [Segment((300 + task,) * size, (False,) * 4 + (True,) * (size - 4)) for task, size in enumerate([56] + [12] * 7)]
"""A caption, three looks and four answered questions, as a step of the second phase draws for a video."""


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    folder = tmp_path_factory.mktemp("student")
    build_student(folder, [*TEXTS, *prompt_texts("compact")], SIZE, seed=0)
    save_profile(folder, LAPTOP.student)
    return load_student(folder, device="cpu")


def alone(prefix: Prefix, segment: Segment, *, own_video: bool) -> Packed:
    """A segment and its stem as a row of its own."""
    flat = Segment((*segment.stem, *segment.token_ids), (False,) * len(segment.stem) + segment.scored)
    return pack(replace(prefix, video=replace(prefix.video)) if own_video else prefix, [flat])


def scores(student: Student, rows: Sequence[Packed]) -> torch.Tensor:
    """Log-probabilities of all scored tokens, in the order of the segments."""
    return torch.cat([tokens for row in log_probabilities(student.packed, rows) for tokens in row])


@pytest.mark.parametrize(
    ("count", "limits"),
    [(16, {"row per sample": 1.4, "video per sample": 2.0}), (64, {"row per sample": 2.0, "video per sample": 3.2})],
    ids=["16 frames", "64 frames"],
)
@pytest.mark.parametrize(("what", "segments"), [("GRPO", GRPO), ("SFT", SFT)], ids=["grpo", "sft"])
def test_shared_prefix(
    student: Student, what: str, segments: list[Segment], count: int, limits: dict[str, float]
) -> None:
    prefix = student.prefix(frames(count), count / 2)
    layouts = {
        "packed": [pack(prefix, segments)],
        "row per sample": [alone(prefix, segment, own_video=False) for segment in segments],
        "video per sample": [alone(prefix, segment, own_video=True) for segment in segments],
    }
    with torch.no_grad():
        expected = scores(student, layouts["packed"])
        for rows in layouts.values():
            torch.testing.assert_close(scores(student, rows), expected, atol=1e-4, rtol=0)

    def step(rows: Sequence[Packed]) -> Callable[[], None]:
        def run() -> None:
            student.model.zero_grad()
            (-scores(student, rows).mean()).backward()

        return run

    title = f"{what}: {len(segments)} samples of a video of {count} frames, prefix {len(prefix.token_ids)} tokens"
    assert not report(title, cpu_ms({name: step(rows) for name, rows in layouts.items()}), limits)
