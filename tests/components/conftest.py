"""What tests of several components share."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.video.plans import FramePlan
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import Frame


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
