"""Windows tile a segment, keep to the limit, and are nearly equal."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.captioning.windows import windows_of


@given(st.floats(0, 7200), st.floats(0.1, 1200), st.floats(0.5, 300))
def test_windows_tile_the_segment_and_keep_to_the_limit(start: float, length: float, longest: float) -> None:
    windows = windows_of(start, start + length, longest)
    assert windows[0][0] == start and windows[-1][1] == start + length
    assert all(before[1] == after[0] for before, after in pairwise(windows))
    assert all(0 < after - before <= longest * (1 + 1e-6) for before, after in windows)
    assert len(windows) - 1 <= length / longest * (1 + 1e-6)


def test_a_segment_that_fits_is_one_window() -> None:
    assert windows_of(600, 660, 60) == [(600, 660)]


def test_no_short_rest_is_left_and_borders_fall_on_whole_seconds() -> None:
    assert windows_of(0, 65, 32) == [(0, 21), (21, 43), (43, 65)]
    assert min(end - start for start, end in windows_of(0, 33, 32)) == pytest.approx(16.5, abs=0.5)
