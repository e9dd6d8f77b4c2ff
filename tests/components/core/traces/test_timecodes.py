"""Times are written and read back the same way everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.traces.timecodes import caption_line, parse, parse_span, render, render_span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00"), (0.5, "00:01"), (1.5, "00:02"), (2.5, "00:03"), (59.49, "00:59"), (59.5, "01:00"), (4500, "75:00")],
)
def test_seconds_are_rounded_half_up_and_minutes_may_pass_59(seconds: float, text: str) -> None:
    assert render(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:03", 3), ("[00:03]", 3), ("75:00", 4500), ("01:02:03", 3723), ("00:03.5", 3.5), (" 1:05 ", 65)],
)
def test_times_are_read_in_every_form_a_teacher_writes(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "00:61", "1:75:00", "-00:03", "00:03 and more", "three"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"MM:SS|minutes pass"):
        parse(text)


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_what_no_video_shows_is_not_rendered(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        render(seconds)


@given(st.integers(min_value=0, max_value=100 * 3600))
def test_whole_seconds_survive_a_round_trip(seconds: int) -> None:
    assert parse(render(seconds)) == seconds


@given(st.integers(min_value=0, max_value=36_000), st.integers(min_value=1, max_value=36_000))
def test_a_span_never_renders_its_ends_equal(start_tenths: int, length_tenths: int) -> None:
    start_s, end_s = start_tenths / 10, (start_tenths + length_tenths) / 10
    read_start, read_end = parse_span(render_span(start_s, end_s))
    assert read_start < read_end
    assert abs(read_start - start_s) <= 0.51
    assert abs(read_end - end_s) <= 0.51


def test_a_short_span_shows_tenths_on_both_ends() -> None:
    assert render_span(1.1, 1.4) == "00:01.1-00:01.4"
    assert render_span(1.0, 4.0) == "00:01-00:04"


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        parse_span("00:05-00:02")


def test_a_caption_line_is_what_teachers_are_shown() -> None:
    assert caption_line(2, 5, "a yellow triangle") == "[00:02-00:05] a yellow triangle"
