from __future__ import annotations

from pathlib import Path

import pytest
import torch

from components.core.students.build import build_student
from components.core.students.packing import attention_mask, pack
from components.core.students.profile import StudentProfile
from components.core.students.prompting import Prefix, Segment
from components.core.students.starting_heads import start_looking_up
from components.core.students.student import Student, load_student
from tests.components.training_world import TEXTS, frames
from tests.laptop import SIZE


def built(folder: Path, heads: tuple[int, ...]) -> Student:
    size = SIZE.model_copy(update={"previous_token_heads": heads})
    build_student(folder, TEXTS, size, seed=0)
    return load_student(folder, StudentProfile(style="compact"), device="cpu")


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


def test_heads_start_by_looking_up_what_stands_behind_the_same_second(tmp_path: Path) -> None:
    """Untrained, and shown noise: the second that an observation begins with finds its four visual tokens."""
    made = built(tmp_path, (1, 2))
    model, encode = made.model, made.prompter.encode
    model.set_attn_implementation("eager")
    prefix = made.prefix(frames(16), 8.0)
    seconds = [f"00:0{second}" for second in range(8)]
    before = [attention_to_its_second(made, prefix, second) for second in (1, 4, 6)]
    start_looking_up(model.model.language_model, [encode(second)[0] for second in seconds], seed=0)
    after = [attention_to_its_second(made, prefix, second) for second in (1, 4, 6)]
    assert sum(after) / 3 > 0.3 and sum(after) > 3 * sum(before)


def attention_to_its_second(made: Student, prefix: Prefix, second: int) -> float:
    """Of the third head of the second layer, at the second that an observation begins with."""
    text = made.prompter.encode(f"<action>look at 00:0{second}</action><observation>00:0{second}")
    row = pack(prefix, [Segment(tuple(text), (True,) * len(text), shift=40)])
    pads = (row.token_ids == made.model.config.video_token_id).nonzero()[:, 0]
    with torch.no_grad():
        # visual tokens as loud as words, as they are once their tower has learned them
        embedded = made.model.get_input_embeddings()(row.token_ids)
        noise = torch.randn(len(pads), embedded.shape[1], generator=torch.Generator().manual_seed(0))
        embedded[pads] = noise / noise.norm(dim=1, keepdim=True)
        seen = attention_mask(row.owners[None], row.parents[None])
        attentions = made.model.model.language_model(
            inputs_embeds=embedded[None],
            position_ids=row.positions[:, None],
            attention_mask={"full_attention": torch.zeros(seen.shape).masked_fill(~seen, -1e9)},
            output_attentions=True,
            use_cache=False,
        ).attentions
    return float(attentions[1][0, 2, -1, pads[4 * second : 4 * second + 4]].sum())


def test_more_heads_than_share_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="previous_token_heads: at most 2"):
        built(tmp_path, (1, 2, 3))
