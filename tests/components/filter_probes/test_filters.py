from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.filter_probes import filters, twins
from components.filter_probes.filters import dropped


@pytest.mark.parametrize("module", [filters, twins])
def test_the_examples_in_the_documentation_hold(module: object) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.floats(0.01, 1.0))
def test_stopping_early_never_changes_the_verdict(replies: list[bool], theta: float) -> None:
    final = dropped(sum(replies), len(replies), len(replies), theta)
    assert final is (sum(replies) / len(replies) >= theta - 1e-9)
    for asked in range(1, len(replies)):
        early = dropped(sum(replies[:asked]), asked, len(replies), theta)
        assert early is None or early is final


def test_with_two_probes_and_the_papers_threshold_only_both_right_drops() -> None:
    assert dropped(0, 1, 2, 1.0) is False, "the second probe need not be asked"
    assert dropped(1, 1, 2, 1.0) is None
    assert dropped(1, 2, 2, 1.0) is False
    assert dropped(2, 2, 2, 1.0) is True


def test_a_threshold_written_as_a_rounded_fraction_is_reached() -> None:
    assert dropped(2, 3, 3, 2 / 3) is True
    assert dropped(1, 3, 3, 2 / 3) is False


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 right of 2 asked"):
        dropped(3, 2, 4, 1.0)
