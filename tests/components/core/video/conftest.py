"""The kinds of file, each written once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .kinds import KINDS, Numbered, Recipe, make

Maker = Callable[..., Numbered]


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """The video of a kind by name, `make_video("open GOP")`, or of a recipe of its own, `make_video(name, recipe)`."""
    folder = tmp_path_factory.mktemp("videos")
    made: dict[str, Numbered] = {}

    def video(name: str, recipe: Recipe | None = None) -> Numbered:
        if name not in made:
            made[name] = make(name, recipe or KINDS[name], folder)
        return made[name]

    return video


@pytest.fixture(scope="session")
def plain(make_video: Maker) -> Numbered:
    """20 s at 10 frames per second, no B-frames."""
    return make_video("constant rate")
