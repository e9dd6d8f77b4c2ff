"""Intervals against values known from the literature and against their own definition."""

from __future__ import annotations

import random

import pytest

from components.core.judging.intervals import clustered_bootstrap, wilson


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe (1998), table I: 81/263 and 0/20
    first, second = wilson(81, 263), wilson(0, 20)
    assert (round(first.low, 4), round(first.high, 4)) == (0.2553, 0.3662)
    assert (round(second.low, 4), round(second.high, 4)) == (0.0, 0.1611)


def test_wilson_refuses_an_empty_sample() -> None:
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)


def test_bootstrap_is_deterministic_and_covers_the_mean() -> None:
    draw = random.Random(1)
    values = [float(draw.random() < 0.3) for _ in range(400)]
    clusters = [f"v{index // 4}" for index in range(400)]
    interval = clustered_bootstrap(values, clusters)
    assert interval == clustered_bootstrap(values, clusters)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(sum(values) / 400)


def test_questions_of_one_video_do_not_count_as_independent() -> None:
    values = [float(index // 20 % 2) for index in range(400)]  # whole videos right or wrong
    by_video = clustered_bootstrap(values, [f"v{index // 20}" for index in range(400)])
    by_question = clustered_bootstrap(values, [f"q{index}" for index in range(400)])
    assert by_video.high - by_video.low > 2 * (by_question.high - by_question.low)


def test_bootstrap_refuses_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match="both must be equal"):
        clustered_bootstrap([1.0], [])
