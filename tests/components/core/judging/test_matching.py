from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.judging.matching import compare, match_option, normalise, spans_in, temporal_iou, times_in
from components.core.video.timecodes import render, render_span

OPTIONS = ("red circle", "red", "yellow triangle", "12")


@pytest.mark.parametrize(
    ("prediction", "answer", "expected"),
    [
        ("Yellow", "yellow", True),
        ("the yellow triangle.", "yellow triangle", True),
        ("3", "three", True),
        ("3 seconds", "3", True),
        ("4 seconds", "3", False),
        ("3 or 4", "3", None),
        ("", "3", False),
        ("00:03", "00:02", True),
        ("at 00:05", "00:02", False),
        ("2 seconds in", "00:02", True),
        ("early on", "00:02", None),
        ("00:02 to 00:05", "00:02-00:05", True),
        ("00:02-00:08", "00:02-00:05", False),
        ("00:02", "00:02-00:05", False),
        ("a car", "an automobile", None),
        ("-3", "3", False),
    ],
)
def test_a_rule_decides_only_what_a_rule_can(prediction: str, answer: str, expected: bool | None) -> None:
    assert compare(prediction, answer) is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("red", 1),
        ("RED CIRCLE.", 0),
        ("It is a red circle", 0),
        ("(C)", 2),
        ("c", 2),
        ("Answer: B", 1),
        ("B) red", 1),
        ("B) yellow triangle", None),
        ("E", None),
        ("twelve", 3),
        ("red circle and yellow triangle", None),
        ("red circle or red", None),
        ("green", None),
        ("", None),
    ],
)
def test_an_option_is_found_by_text_or_letter_and_never_guessed(reply: str, expected: int | None) -> None:
    assert match_option(reply, OPTIONS) == expected


def test_an_option_that_is_a_letter_is_matched_as_text_first() -> None:
    assert match_option("B", ("C", "B", "A", "D")) == 1


def test_times_are_matched_as_options_to_the_second() -> None:
    options = ("00:02", "00:03", "00:02-00:05", "00:04")
    assert [match_option(option, options) for option in options] == [0, 1, 2, 3]
    assert match_option("It appears at 00:03.", options) == 1


@given(st.lists(st.text(alphabet="abcdefghij ", min_size=1, max_size=12), min_size=2, max_size=5, unique_by=normalise))
def test_every_option_matches_itself(options: list[str]) -> None:
    for index, option in enumerate(options):
        if normalise(option):
            assert match_option(option, options) == index


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=40), st.text(max_size=20))
def test_comparing_never_raises_and_equal_texts_are_never_different(text: str, other: str) -> None:
    compare(text, other)
    if normalise(text):
        assert compare(text, text) is True


@given(st.integers(0, 5000), st.integers(1, 500))
def test_rendered_times_and_spans_are_read_back(start: int, length: int) -> None:
    assert times_in(f"at [{render(start)}].") == [start]
    assert spans_in(f"from {render_span(start, start + length)}, yes") == [(start, start + length)]


@given(st.tuples(*[st.integers(0, 100)] * 4))
def test_iou_is_symmetric_and_within_bounds(ends: tuple[int, int, int, int]) -> None:
    first, second = (min(ends[:2]), max(ends[:2]) + 1), (min(ends[2:]), max(ends[2:]) + 1)
    assert temporal_iou(first, second) == temporal_iou(second, first)
    assert 0 <= temporal_iou(first, second) <= 1
    assert temporal_iou(first, first) == 1


def test_impossible_times_are_not_read() -> None:
    assert times_in("00:75 and 3:5") == []
    assert spans_in("00:05-00:02") == []
