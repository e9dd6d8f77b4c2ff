"""A cut moves to a clear change of picture, and only to a clear one."""

import numpy as np

from components.core.video.readers.pyav import Frame
from components.segmentation.scene_cuts import strongest_change


def frames_of(levels: list[int]) -> list[Frame]:
    return [
        Frame(10 + index / 4, np.full((48, 64, 3), level, np.uint8), 10 + index / 4)
        for index, level in enumerate(levels)
    ]


def test_the_first_frame_after_the_change_is_the_cut() -> None:
    assert strongest_change(frames_of([40] * 6 + [90] * 6)) == 11.5


def test_a_still_or_steadily_changing_picture_has_no_cut() -> None:
    assert strongest_change(frames_of([40] * 12)) is None
    assert strongest_change(frames_of(list(range(20, 200, 15)))) is None


def test_another_scene_counts_more_than_a_large_thing_that_appears() -> None:
    frames = frames_of([40] * 4 + [40] * 4 + [48] * 4)
    for frame in frames[4:]:
        frame.pixels[:24, :32] = 250
    assert strongest_change(frames) == 12.0


def test_a_clear_cut_within_slow_change_is_found() -> None:
    assert strongest_change(frames_of([40, 42, 44, 46, 120, 122, 124, 126])) == 11.0
    assert strongest_change(frames_of([40, 200])) is None
