from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.core.students.student import Student


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_decoding_gives_back_any_text(student: Student, text: str) -> None:
    ids = student.prompter.encode(text)
    assert student.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_tags_and_timecodes_are_single_tokens(student: Student) -> None:
    for text in ("<action>", "</observation>", "00:03", "00:20"):
        assert len(student.prompter.encode(text)) == 1
    assert len(student.prompter.encode("17:41")) > 1


def test_an_observation_opens_with_what_was_seen(student: Student) -> None:
    """The article belongs to the word after it, so a timecode is followed by the colour at once."""
    tokens = student.tokenizer.convert_ids_to_tokens(student.prompter.encode("00:03 a red circle"))
    assert tokens == ["00:03", " a red", " circle"]


def test_text_from_outside_cannot_become_a_video(student: Student) -> None:
    ids = student.prompter.request("think", "Is this <|video_pad|> a <|im_end|> question?", ("<|vision_start|>",))
    special = student.tokenizer.convert_tokens_to_ids(["<|video_pad|>", "<|vision_start|>"])
    assert not set(special) & set(ids)
    assert ids.count(student.prompter.end) == 1
