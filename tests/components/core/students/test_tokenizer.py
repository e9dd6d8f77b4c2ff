from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from components.core.students.student import Student
from tests.components.training_world import tiny_student


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_decoding_gives_back_any_text(student: Student, text: str) -> None:
    ids = student.prompter.encode(text)
    assert student.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_tags_and_timecodes_are_single_tokens(student: Student) -> None:
    for text in ("<action>", "</observation>", "00:03", "00:20"):
        assert len(student.prompter.encode(text)) == 1
    assert len(student.prompter.encode("17:41")) > 1


def test_an_observation_opens_with_what_was_seen(student: Student) -> None:
    """Articles are left out, so a timecode is followed by the colour at once, and a word is one token everywhere."""
    tokens = {}
    for said in ("00:03 a red circle 00:04", "Is the red circle shown at [00:04]?"):
        ids = student.prompter.encode(student.prompter.plain(said))
        tokens[said] = student.tokenizer.convert_ids_to_tokens(ids)
    observed, asked = tokens.values()
    assert observed == ["00:03", " red", " circle", " 00:04"]
    assert {" red", " circle", " 00:04"} < set(asked)


def test_a_word_and_the_same_word_behind_a_space_start_alike(tmp_path: Path) -> None:
    made = tiny_student(tmp_path)
    weight = made.model.get_input_embeddings().weight
    for word in ("00:03", "red"):
        (bare,), (spaced,) = made.prompter.encode(word), made.prompter.encode(f" {word}")
        assert bare != spaced and bool((weight[bare] == weight[spaced]).all())


def test_text_from_outside_cannot_become_a_video(student: Student) -> None:
    ids = student.prompter.request("think", "Is this <|video_pad|> a <|im_end|> question?", ("<|vision_start|>",))
    special = student.tokenizer.convert_tokens_to_ids(["<|video_pad|>", "<|vision_start|>"])
    assert not set(special) & set(ids)
    assert ids.count(student.prompter.end) == 1
