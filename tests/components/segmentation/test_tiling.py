"""Whatever the segmenter proposes, the segments tile the video and keep to their lengths."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.segmentation.tiling import Lengths, Proposal, cuts_of, fit_lengths, spans_of, title_of

wild_times = st.one_of(st.floats(-100, 8000), st.sampled_from([math.nan, math.inf, -math.inf, 0.0]))
wild_proposals = st.lists(st.builds(Proposal, wild_times, wild_times, st.text(max_size=5)), max_size=20)
LENGTHS = Lengths(min_s=180, max_s=900)


@given(wild_proposals, st.floats(1, 7200))
def test_the_segments_tile_the_video_exactly_whatever_is_proposed(proposals: list[Proposal], duration: float) -> None:
    cuts, _ = cuts_of(proposals, duration, tolerance_s=1)
    fitted, _ = fit_lengths(cuts, duration, LENGTHS)
    spans = spans_of(fitted, duration)
    assert spans[0][0] == 0 and spans[-1][1] == duration
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    sizes = [end - start for start, end in spans]
    assert max(sizes) <= LENGTHS.max_s + 0.01
    assert min(sizes) >= min(LENGTHS.min_s, duration) - 0.01
    assert all(isinstance(title_of(span, proposals), str) for span in spans)


@given(st.lists(st.floats(LENGTHS.min_s, LENGTHS.max_s), min_size=1, max_size=10))
def test_good_proposals_are_taken_as_they_are(sizes: list[float]) -> None:
    edges = [0.0]
    for size in sizes:
        edges.append(round(edges[-1] + size, 1))
    proposals = [Proposal(start, end) for start, end in pairwise(edges)]
    cuts, repairs = cuts_of(proposals, edges[-1], tolerance_s=1)
    assert cuts == pytest.approx(edges[1:-1]) and not repairs
    fitted, changes = fit_lengths(cuts, edges[-1], Lengths(LENGTHS.min_s - 1, LENGTHS.max_s + 1))
    assert fitted == cuts and not changes


def test_every_departure_from_the_proposals_is_counted() -> None:
    proposals = [
        Proposal(10, 600),  # begins late: a gap
        Proposal(700, 1210),  # a gap of 100 s: cut at its middle
        Proposal(1190, 1900),  # an overlap of 20 s: cut at its middle; ends after the video: clipped
        Proposal(5, 2),
        Proposal(0, math.nan),
    ]
    cuts, repairs = cuts_of(proposals, 1800, tolerance_s=1)
    assert cuts == [650, 1200]
    assert repairs == {"invalid": 2, "clipped": 1, "gap": 2, "overlap": 1}


def test_short_segments_are_joined_to_the_shorter_neighbour_and_long_ones_split() -> None:
    cuts, repairs = fit_lengths([500, 560, 900], 2700, LENGTHS)
    assert cuts == [500, 900, 1800] and repairs == {"joined": 1, "split": 1}


def test_a_title_comes_from_the_proposal_that_shares_most_time() -> None:
    proposals = [Proposal(0, 300, "kitchen"), Proposal(300, 900, "garden")]
    assert title_of((200, 600), proposals) == "garden"
    assert title_of((1000, 1200), proposals) == ""


def test_lengths_that_would_make_splitting_break_the_minimum_are_refused() -> None:
    with pytest.raises(ValueError, match="at most half"):
        Lengths(min_s=500, max_s=900)
