"""Frames become events that tile the clip, with boundaries at the first frame that shows the change."""

from __future__ import annotations

import pytest

from components.sandbox.teacher.captions import write_caption
from tests.components.sandbox.teacher.drawing import Placed, jpeg, picture, still

Frames = list[tuple[float, str]]


def _clip(*looks: tuple[Placed, ...], fps: float = 2.0, size: tuple[int, int] = (160, 120)) -> Frames:
    return [(index / fps, jpeg(picture(*things, size=size))) for index, things in enumerate(looks)]


def _texts(frames: Frames, duration_s: float) -> list[tuple[float, float, str]]:
    return [(event["start_s"], event["end_s"], event["text"]) for event in write_caption(frames, duration_s)]


def test_events_tile_the_clip_and_begin_with_the_frame_that_shows_them() -> None:
    circle, square = still("red", "circle"), still("blue", "square", 40, 70)
    frames = [(0.1, circle), (0.5, circle), (1.0, circle), (1.52, square), (2.0, square), (2.5, square)]
    assert _texts(frames, 3.2) == [(0.0, 1.52, "a red circle"), (1.52, 3.2, "a blue square")]


def test_the_order_of_the_frames_in_the_request_does_not_matter() -> None:
    frames = [(float(second), still("red", "circle") if second < 2 else still("white", "cross")) for second in range(4)]
    assert write_caption(frames[::-1], 4.0) == write_caption(frames, 4.0)


def test_a_change_of_colour_or_of_shape_in_place_is_an_event() -> None:
    at = (80.0, 60.0)
    looks = [("red", "circle"), ("red", "circle"), ("green", "circle"), ("green", "circle"), ("green", "square")]
    frames = _clip(*(((colour, shape, at, 50.0),) for colour, shape in [*looks, ("green", "square")]))
    assert [text for _, _, text in _texts(frames, 3.0)] == ["a red circle", "a green circle", "a green square"]


@pytest.mark.parametrize(
    ("step", "way"), [((12, 0), "right"), ((-12, 1), "left"), ((1, 9), "down"), ((0, -9), "up"), ((0.4, 0.3), "")]
)
def test_motion_is_told_by_its_direction_and_trembling_is_not_motion(step: tuple[float, float], way: str) -> None:
    frames = _clip(*((("yellow", "triangle", (80 + step[0] * i, 60 + step[1] * i), 36.0),) for i in range(-2, 3)))
    assert [text for _, _, text in _texts(frames, 2.5)] == [
        f"a yellow triangle moves {way}" if way else "a yellow triangle"
    ]


def test_shapes_that_come_and_go_beside_others_change_the_set_only() -> None:
    one, two = ("red", "circle", (40.0, 60.0), 40.0), ("purple", "cross", (110.0, 60.0), 44.0)
    frames = _clip((one,), (one,), (one, two), (one, two), (two,), (two,))
    assert _texts(frames, 3.0) == [
        (0.0, 1.0, "a red circle"),
        (1.0, 2.0, "a purple cross; a red circle"),
        (2.0, 3.0, "a purple cross"),
    ]


def test_a_single_frame_that_frames_around_it_belie_is_merged_when_frames_are_dense() -> None:
    circle, nothing = (("blue", "circle", (80.0, 60.0), 50.0),), ()
    dense = _clip(circle, circle, nothing, circle, circle, fps=4)
    sparse = _clip(circle, circle, nothing, circle, circle, fps=0.5)
    assert _texts(dense, 1.25) == [(0.0, 1.25, "a blue circle")]
    assert [text for _, _, text in _texts(sparse, 10.0)] == ["a blue circle", "an empty scene", "a blue circle"]


def test_a_shape_that_leaves_the_frame_or_is_partly_covered_keeps_its_name() -> None:
    leaving = _clip(*((("green", "circle", (30.0 + 26 * i, 60.0), 44.0),) for i in range(6)))
    assert {text for _, _, text in _texts(leaving, 3.0)} == {"a green circle moves right"}
    below, above = ("red", "square", (80.0, 60.0), 50.0), ("white", "circle", (100.0, 75.0), 36.0)
    covered = _clip((below,), (below,), (below, above), (below, above), (below,), (below,))
    assert [text for _, _, text in _texts(covered, 3.0)] == [
        "a red square",
        "a red square; a white circle",
        "a red square",
    ]


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_caption([], 8.0)
