"""Fixtures of captioning's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.data.rows import Video
from components.core.video.plans import FramePlan
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import Frame
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


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that a child process was asked to decode."""
    asked: list[Path] = []
    read = DecoderProcess.read

    def counted(self: DecoderProcess, path: Path, plan: FramePlan) -> list[Frame]:
        asked.append(path)
        return read(self, path, plan)

    monkeypatch.setattr(DecoderProcess, "read", counted)
    return asked
