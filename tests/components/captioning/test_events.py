"""Relative events become absolute ones: checked, clipped, shifted, joined, and honest about gaps."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.captioning.events import UNDESCRIBED, Event, Gap, check, cut_out, gaps, join, realign, tidy


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[Event], float]:
    """Events that `check` accepts, overlaps and overshoots included, and the length of their window."""
    duration = draw(st.floats(1, 600))
    starts = sorted(draw(st.sets(st.integers(0, int(duration * 1000) - 500), min_size=1, max_size=12)))
    events = []
    for number, start in enumerate(starts):
        length = draw(st.floats(0.01, duration))
        end = min(start / 1000 + length, duration + 0.5)
        events.append(Event(start / 1000, end, f"event {number}", (f"key {number}",)))
    return events, duration


@given(replies())
def test_tidied_events_are_inside_ordered_and_disjoint(reply: tuple[list[Event], float]) -> None:
    events, duration = reply
    check(events, duration, tolerance_s=0.5)
    tidied, _ = tidy(events, duration)
    assert all(0 <= event.start_s < event.end_s <= round(duration, 3) for event in tidied)
    assert all(before.end_s <= after.start_s for before, after in pairwise(tidied))


@given(replies(), st.floats(0, 7200))
def test_absolute_is_window_start_plus_relative(reply: tuple[list[Event], float], offset: float) -> None:
    events, _ = reply
    for event, moved in zip(events, realign(events, offset), strict=True):
        assert moved.start_s == pytest.approx(event.start_s + offset, abs=1e-3)
        assert moved.end_s - moved.start_s == pytest.approx(event.end_s - event.start_s, abs=2e-3)
        assert (moved.text, moved.request_keys) == (event.text, event.request_keys)


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([], "no event"),
        ([Event(0, math.nan, "a")], "finite"),
        ([Event(-math.inf, 2, "a")], "finite"),
        ([Event(0, 2, "  ")], "no text"),
        ([Event(2, 2, "a")], "not after its start"),
        ([Event(3, 1, "a")], "not after its start"),
        ([Event(0, 2, "a"), Event(0, 3, "b")], "not after the event before"),
        ([Event(4, 5, "a"), Event(1, 2, "b")], "not after the event before"),
        ([Event(0, 9, "a")], "outside the 8 s shown"),
        ([Event(-2, 4, "a")], "outside"),
        ([Event(8.1, 8.4, "a")], "outside"),
    ],
)
def test_impossible_events_are_refused_with_a_message_for_the_captioner(events: list[Event], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(events, 8.0, tolerance_s=0.5)


def test_overlaps_are_closed_and_overshoots_clipped_and_both_are_counted() -> None:
    tidied, repairs = tidy([Event(-0.2, 3, "a"), Event(2, 5, "b"), Event(5, 8.3, "c ")], 8.0)
    assert [(event.start_s, event.end_s, event.text) for event in tidied] == [(0, 2, "a"), (2, 5, "b"), (5, 8, "c")]
    assert repairs == {"clipped": 2, "overlap": 1}


def test_an_event_that_continues_over_a_border_becomes_one_and_keeps_both_requests() -> None:
    first = [Event(0, 4, "a", ("k1",)), Event(4, 8, "a red circle", ("k1",))]
    second = [Event(8, 9, "A red circle", ("k2",)), Event(9, 16, "b", ("k2",))]
    third = [Event(16, 20, "b", ("k3",))]
    assert join([first, second, third], tolerance_s=0.5) == [
        Event(0, 4, "a", ("k1",)),
        Event(4, 9, "a red circle", ("k1", "k2")),
        Event(9, 20, "b", ("k2", "k3")),
    ]


def test_the_same_text_after_a_gap_or_inside_a_window_stays_two_events() -> None:
    assert len(join([[Event(0, 6, "a")], [Event(8, 9, "a")]], tolerance_s=0.5)) == 2
    assert len(join([[Event(0, 4, "a"), Event(4, 8, "a")]], tolerance_s=0.5)) == 2


@given(st.lists(st.integers(0, 4000), min_size=2, max_size=20, unique=True))
def test_gaps_and_events_together_make_up_the_segment(borders: list[int]) -> None:
    edges = sorted(borders)
    events = [Event(start, end, "x") for start, end in zip(edges[::2], edges[1::2], strict=False)]
    missing = gaps(events, 0, 4001, tolerance_s=0)
    covered = sum(event.end_s - event.start_s for event in events)
    assert covered + sum(gap.end_s - gap.start_s for gap in missing) == 4001


def test_short_gaps_are_not_worth_recording() -> None:
    events = [Event(0, 2, "a"), Event(2.3, 4, "b"), Event(7, 8, "c")]
    assert gaps(events, 0, 8.4, tolerance_s=0.5) == [Gap(4, 7, UNDESCRIBED)]


def test_a_gap_with_a_reason_keeps_it_and_what_is_silent_beside_it_is_a_gap_of_its_own() -> None:
    unread = Gap(4, 6, "unreadable")
    assert gaps([Event(0, 4, "a"), Event(7, 8, "b")], 0, 8, [unread], tolerance_s=0.5) == [
        unread,
        Gap(6, 7, UNDESCRIBED),
    ]


def test_an_event_says_nothing_about_times_that_nobody_saw() -> None:
    assert cut_out([Event(0, 3, "a"), Event(3, 8, "b", ("key",))], [(2.0, 4.0), (5.0, 6.0)]) == [
        Event(0, 2, "a"),
        Event(4, 5, "b", ("key",)),
        Event(6, 8, "b", ("key",)),
    ]
