"""Chunks tile a long video and are cut where the scene changes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from components.sandbox.teacher.segmenter import cut_into_segments
from tests.components.sandbox.teacher.drawing import jpeg, picture


def _frames(scene_cuts: list[float], duration_s: float, every_s: float = 5.0) -> list[tuple[float, str]]:
    frames = []
    for index in range(int(duration_s / every_s)):
        time_s = index * every_s
        ground = 40 + 25 * (sum(cut <= time_s for cut in scene_cuts) % 2)
        shape = ("circle", "square", "cross")[index % 3]
        frames.append((time_s, jpeg(picture(("red", shape, (50 + 9 * (index % 5), 60), 40), ground=ground))))
    return frames


def test_cuts_fall_on_scene_changes_and_not_on_the_events_between_them() -> None:
    segments = cut_into_segments(_frames([170.0, 345.0, 420.0], 600.0), 600.0, 200.0)
    assert [(segment["start_s"], segment["end_s"]) for segment in segments] == [
        (0.0, 170.0),
        (170.0, 420.0),
        (420.0, 600.0),
    ]


def test_a_video_hardly_longer_than_a_chunk_stays_whole() -> None:
    assert len(cut_into_segments([], 620.0, 600.0)) == 1


@pytest.mark.parametrize("duration_s", [661.3, 1800.0, 4000.7])
def test_segments_tile_the_video_exactly_even_without_a_change(duration_s: float) -> None:
    segments = cut_into_segments([(0.0, jpeg(picture()))], duration_s, 600.0)
    assert len(segments) > 1
    assert segments[0]["start_s"] == 0.0 and segments[-1]["end_s"] == duration_s
    assert all(a["end_s"] == b["start_s"] for a, b in pairwise(segments))


def test_a_target_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        cut_into_segments([], 60.0, 0.0)
