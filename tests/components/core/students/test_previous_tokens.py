from __future__ import annotations

from pathlib import Path

import pytest
import torch

from components.core.students.build import build_student
from components.core.students.student import Student, load_student
from tests.components.training_world import TEXTS, frames
from tests.laptop import SIZE


def built(folder: Path, heads: tuple[int, ...]) -> Student:
    build_student(folder, TEXTS, SIZE.model_copy(update={"previous_token_heads": heads}), seed=0)
    return load_student(folder, device="cpu")


def test_heads_start_by_looking_back(tmp_path: Path) -> None:
    """On random weights at the laptop's size, whatever the tokens are: most of the attention is where it belongs."""
    model = built(tmp_path, (1, 2)).model
    model.set_attn_implementation("eager")
    ids = torch.randint(300, 400, (1, 60), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = model(input_ids=ids, output_attentions=True).attentions[0][0]
    for head, distance in ((0, 1), (1, 2)):
        found = first[head, 5:].argmax(-1)
        wanted = torch.arange(5, 60) - distance
        assert (found == wanted).float().mean() > 0.9
    assert (first[2, 5:].argmax(-1) == torch.arange(5, 60) - 1).float().mean() < 0.5  # the others start as ever


def test_what_a_second_is_called_reaches_its_visual_tokens(tmp_path: Path) -> None:
    """The token before a moment's visual tokens in mRoPE's time is its timecode, for each of the four."""
    made = built(tmp_path, (1,))
    prefix = made.prefix(frames(8, side=56), 4.0)
    pads = [place for place, token in enumerate(prefix.token_ids) if token == made.model.config.video_token_id]
    for place in pads:
        time = prefix.positions[place][0] - 1
        (key,) = (n for n, position in enumerate(prefix.positions) if position[0] == time and n not in pads)
        assert made.tokenizer.decode([prefix.token_ids[key]]).startswith("00:0")


def test_more_heads_than_share_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="previous_token_heads: at most 2"):
        built(tmp_path, (1, 2, 3))
