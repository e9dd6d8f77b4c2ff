"""Footage without clean shapes is measured, not invented about."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from components.sandbox.teacher.captions import write_caption
from components.sandbox.teacher.vocabulary import read_picture
from tests.components.sandbox.teacher.drawing import jpeg


def _texture(seed: int, tint: tuple[float, float, float], level: float) -> np.ndarray:
    """A smooth random landscape, uint8 RGB (240, 640, 3)."""
    coarse = np.random.default_rng(seed).uniform(0.3, 1.0, (24, 64)).astype(np.float32)
    fine = np.asarray(Image.fromarray(coarse).resize((640, 240), Image.Resampling.BICUBIC))
    return (fine[..., None] * np.array(tint) * level).clip(0, 255).astype(np.uint8)


def _pan(scene: np.ndarray, step: int, frames: int = 6) -> list[np.ndarray]:
    """A camera that moves by `step` pixels per frame over the landscape."""
    return [scene[:, 160 + step * i : 480 + step * i] for i in range(frames)]


def _caption(*shots: list[np.ndarray]) -> list[dict[str, object]]:
    frames = [(index / 2, jpeg(pixels)) for index, pixels in enumerate(np.concatenate(shots))]
    return write_caption(frames, len(frames) / 2)


@pytest.mark.parametrize(("step", "motion"), [(12, "to the left"), (-12, "to the right"), (0, "in no clear direction")])
def test_the_picture_moves_against_the_camera(step: int, motion: str) -> None:
    (event,) = _caption(_pan(_texture(1, (0.7, 1.0, 0.6), 200), step))
    picture = read_picture(str(event["text"]))
    assert picture is not None
    assert picture.motion == motion
    assert (picture.movement == "no movement") == (step == 0)


def test_shots_are_cut_where_the_picture_changes_and_tile_the_clip() -> None:
    forest, sea = _pan(_texture(1, (0.35, 1.0, 0.35), 120), 4), _pan(_texture(2, (0.25, 0.5, 1.0), 255), 0)
    first, second = _caption(forest, sea)
    assert (first["start_s"], first["end_s"], second["start_s"], second["end_s"]) == (0.0, 3.0, 3.0, 6.0)
    one, two = read_picture(str(first["text"])), read_picture(str(second["text"]))
    assert one is not None and two is not None
    assert one.colours[0] == "green" and two.colours[0] == "blue"
    assert one.brightness == "dark"


def test_no_coloured_shape_is_claimed_of_a_landscape() -> None:
    (event,) = _caption(_pan(_texture(3, (1.0, 0.3, 0.3), 255), 6))
    assert str(event["text"]).startswith("shot with dominant colours red")
