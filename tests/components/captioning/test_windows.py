"""Windows tile a segment, keep to the limit, and are nearly equal."""

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.captioning import windows
from components.captioning.windows import halves_of, windows_of, without


@given(st.floats(0, 7200), st.floats(0.1, 1200), st.floats(0.5, 300))
def test_windows_tile_the_segment_and_keep_to_the_limit(start: float, length: float, longest: float) -> None:
    windows = windows_of(start, start + length, longest)
    assert windows[0][0] == start and windows[-1][1] == start + length
    assert all(before[1] == after[0] for before, after in pairwise(windows))
    assert all(0 < after - before <= longest * (1 + 1e-6) for before, after in windows)
    assert len(windows) - 1 <= length / longest * (1 + 1e-6)


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(windows).failed == 0


@given(st.floats(0, 100), st.floats(1, 100), st.integers(1, 40), st.floats(0.5, 20))
def test_halves_tile_the_window_and_none_is_had_below_the_shortest(
    start: float, length: float, looks: int, shortest: float
) -> None:
    times = [start + length * index / looks for index in range(looks)]
    halves = halves_of((start, start + length), times, shortest)
    if length < 2 * shortest - 1e-3 or looks == 1:
        assert halves == []
    for half in halves:
        assert half[1] - half[0] > 0
    if halves:
        assert (halves[0][0], halves[1][1]) == (start, start + length) and halves[0][1] == halves[1][0] in times


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair))), max_size=6))
def test_what_is_left_of_a_span_is_exactly_what_no_hole_covers(holes: list[tuple[int, int]]) -> None:
    left = without((10, 40), holes)
    for second in range(10, 40):
        assert any(a <= second < b for a, b in left) != any(a <= second < b for a, b in holes)


def test_a_segment_that_fits_is_one_window() -> None:
    assert windows_of(600, 660, 60) == [(600, 660)]


def test_no_short_rest_is_left_and_borders_fall_on_whole_seconds() -> None:
    assert windows_of(0, 65, 32) == [(0, 21), (21, 43), (43, 65)]
    assert min(end - start for start, end in windows_of(0, 33, 32)) == pytest.approx(16.5, abs=0.5)
