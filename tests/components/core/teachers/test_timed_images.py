"""Frames travel as JPEGs with the times at which their pictures were on screen."""

import io

import numpy as np
from PIL import Image

from components.core.teachers.timed_images import encode_jpeg, timed_images
from components.core.video.reader import Frame


def picture(level: int) -> np.ndarray:
    return np.full((40, 60, 3), level, np.uint8)


def test_times_count_from_the_start_of_the_stretch() -> None:
    frames = [Frame(time_s=20 + index / 2, pixels=picture(index), asked_s=20 + index / 2) for index in range(4)]
    assert [image.time_s for image in timed_images(frames, start_s=20, quality=80)] == [0, 0.5, 1, 1.5]


def test_a_new_picture_has_its_own_time_and_one_still_on_screen_the_time_of_the_look() -> None:
    first, second = picture(10), picture(200)
    looks = [(9.7, first, 10.0), (9.7, first, 10.5), (10.8, second, 11.0), (10.8, second, 11.5)]
    images = timed_images([Frame(*look) for look in looks], start_s=10.0, quality=80)
    assert [image.time_s for image in images] == [0, 0.5, 0.8, 1.5]
    assert images[0].jpeg == images[1].jpeg != images[2].jpeg == images[3].jpeg


def test_small_coloured_shapes_keep_their_colour() -> None:
    pixels = picture(40)
    pixels[10:14, 10:14] = (222, 40, 40)
    with Image.open(io.BytesIO(encode_jpeg(pixels, 85))) as decoded:
        assert decoded.size == (60, 40)
        assert np.abs(np.asarray(decoded)[11:13, 11:13].astype(int) - (222, 40, 40)).max() < 25
