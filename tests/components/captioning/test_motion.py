"""Motion is what moves between frames; a cut is not motion."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.captioning.motion import MeasuredFrame, measure_frames, motion_of, thin
from components.core.video.readers.pyav import Frame


def frames_of(pictures: list[np.ndarray], fps: float = 4.0) -> list[Frame]:
    return [Frame(index / fps, pixels, index / fps) for index, pixels in enumerate(pictures)]


def seen(pictures: list[np.ndarray]) -> list[MeasuredFrame]:
    return measure_frames(frames_of(pictures))


def square_at(column: int) -> np.ndarray:
    picture = np.full((64, 64, 3), 40, np.uint8)
    picture[24:40, column : column + 16] = (20, 220, 20)
    return picture


def test_a_still_scene_has_no_motion_even_with_a_cut_in_it() -> None:
    still, after = square_at(4), np.full((64, 64, 3), 200, np.uint8)
    assert motion_of(seen([still] * 5 + [after] * 5), full=0.05) == 0


def test_faster_movement_is_more_motion() -> None:
    slow = motion_of(seen([square_at(column) for column in range(0, 12, 2)]), full=0.5)
    fast = motion_of(seen([square_at(column) for column in range(0, 48, 8)]), full=0.5)
    assert 0 < slow < fast < 1


def test_noise_of_compression_is_no_motion() -> None:
    noise = np.random.default_rng(1)
    pictures = [np.clip(square_at(8) + noise.integers(-10, 11, (64, 64, 3)), 0, 255).astype(np.uint8) for _ in range(6)]
    assert motion_of(seen(pictures), full=0.05) == 0


def test_a_single_frame_has_no_motion() -> None:
    assert motion_of(seen([square_at(0)]), full=0.05) == 0


@given(st.integers(1, 60), st.sampled_from([1, 2, 4, 8]))
def test_thinning_keeps_exactly_the_looks_of_the_slower_rate(count: int, stride: int) -> None:
    frames = [MeasuredFrame(5 + index / 8, 5 + index / 8, 0.0) for index in range(count)]
    assert thin(frames, 8 / stride) == frames[::stride]


def test_thinning_goes_on_at_the_same_rate_after_frames_that_are_missing() -> None:
    frames = [MeasuredFrame(index / 4, index / 4, 0.0) for index in (0, 1, 2, 13, 14, 15, 16, 17, 18)]
    assert [frame.asked_s for frame in thin(frames, 1.0)] == [0.0, 3.25, 4.0]


def test_the_motion_of_a_part_is_that_of_its_own_frames() -> None:
    pictures = [square_at(0)] * 8 + [square_at(column) for column in range(0, 48, 8)]
    whole = seen(pictures)
    assert motion_of(whole[:8], full=0.5) == 0
    assert motion_of(whole[8:], full=0.5) == motion_of(seen(pictures[8:]), full=0.5) > 0
