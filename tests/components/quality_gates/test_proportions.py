"""Wilson's interval against published values."""

from __future__ import annotations

import pytest

from components.quality_gates.proportions import wilson


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe (1998), table I: 81/263 and 0/20
    first, second = wilson(81, 263), wilson(0, 20)
    assert (round(first.low, 4), round(first.high, 4)) == (0.2553, 0.3662)
    assert (round(second.low, 4), round(second.high, 4)) == (0.0, 0.1611)


def test_wilson_refuses_an_empty_sample() -> None:
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)
