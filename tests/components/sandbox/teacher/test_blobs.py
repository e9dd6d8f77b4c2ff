"""Colours and shapes are named right through noise, JPEG and at every size of frame."""

from __future__ import annotations

from itertools import product

import pytest

from components.sandbox.teacher.blobs import Blob, classify, decode, find_blobs, name_colours
from components.sandbox.teacher.tracks import SURE
from components.sandbox.teacher.vocabulary import COLOURS, SHAPES
from tests.components.sandbox.teacher.drawing import Placed, jpeg, picture


def _seen(*things: Placed, size: tuple[int, int] = (112, 112), quality: int = 80) -> list[Blob]:
    return find_blobs(name_colours(decode(jpeg(picture(*things, size=size), quality))))


@pytest.mark.parametrize(
    ("size", "side"), [((112, 112), 38.0), ((160, 120), 40.0), ((320, 240), 52.0), ((640, 480), 90.0)]
)
def test_every_colour_and_shape_is_named_right(size: tuple[int, int], side: float) -> None:
    for colour, shape in product(COLOURS, SHAPES):
        blobs = _seen((colour, shape, (size[0] * 0.4, size[1] * 0.6), side), size=size)
        assert [(blob.colour, classify(blob)[0]) for blob in blobs] == [(colour, shape)]
        assert classify(blobs[0])[1] >= SURE


def test_strong_compression_changes_no_name() -> None:
    for colour, shape in product(COLOURS, SHAPES):
        blobs = _seen((colour, shape, (50, 60), 44), quality=30)
        assert [(blob.colour, classify(blob)[0]) for blob in blobs] == [(colour, shape)]


def test_an_empty_ground_and_a_grey_clock_show_no_shape() -> None:
    frame = picture(noise=6)
    frame[90:100, 20:90] = 0
    frame[92:98, 30:34] = frame[92:98, 40:44] = 150
    assert find_blobs(name_colours(decode(jpeg(frame)))) == []


def test_several_shapes_of_one_colour_are_told_apart() -> None:
    blobs = _seen(("red", "circle", (60, 60), 50), ("red", "cross", (220, 160), 60), size=(320, 240))
    assert {classify(blob)[0] for blob in blobs} == {"circle", "cross"}


def test_two_touching_shapes_leave_no_third_in_the_fringe_between_them() -> None:
    blobs = _seen(("red", "square", (36, 56), 40), ("blue", "square", (76, 56), 40))
    assert [(blob.colour, classify(blob)[0]) for blob in sorted(blobs, key=lambda b: b.box)] == [
        ("red", "square"),
        ("blue", "square"),
    ]


def test_a_shape_cut_by_the_edge_is_not_trusted() -> None:
    (blob,) = _seen(("green", "circle", (4, 56), 50))
    assert blob.touches_edge
    assert classify(blob)[1] < SURE


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="no readable image"):
        decode("data:image/jpeg;base64,bm90IGFuIGltYWdl")
