"""Fixtures of captioning's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.data.rows import Video
from tests.components.captioning.clips import CLIP
from tests.components.writing_stages import render_clip, run_stage, teacher

__all__ = ["run_stage", "teacher"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips are rendered."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def video(folder: Path) -> Video:
    return render_clip(CLIP, folder)
