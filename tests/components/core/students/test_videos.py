"""The videos of a training: read ahead in the background, once, and left out with a reason where they cannot be."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.core.data.datasets import Dataset
from components.core.data.rows import Video
from components.core.students.student import Student
from components.core.students.videos import Videos
from components.core.video.frame_service import FrameService
from components.core.video.plans import FramePlan
from components.core.video.process import DecoderProcess
from components.core.video.readers.pyav import Frame
from components.core.video.settings import VideoSettings
from tests.components.training_world import training_data


def test_what_is_read_ahead_is_there_when_it_is_asked_for_and_read_once(
    tmp_path: Path, student: Student, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decoded: list[Path] = []
    read = DecoderProcess.read

    def counted(self: DecoderProcess, path: Path, plan: FramePlan) -> list[Frame]:
        frames = read(self, path, plan)
        decoded.append(path)
        return frames

    monkeypatch.setattr(DecoderProcess, "read", counted)
    good: Video = next(iter(Dataset(training_data(tmp_path, 1)["captions"]).rows("videos")))
    gone = good.model_copy(update={"video_id": "gone", "uri": str(tmp_path / "gone.mp4")})
    with FrameService(VideoSettings(), tmp_path / "scratch", kept=tmp_path / "kept") as service:
        task: Any = SimpleNamespace(frame_service=service, log=logging.getLogger("test"))
        videos = Videos(task, student, [good, gone])
        videos.read_ahead([good.video_id, "gone"])
        deadline = time.monotonic() + 60
        while not decoded and time.monotonic() < deadline:  # nobody waits for it
            time.sleep(0.01)
        assert len(decoded) == 1
        for _ in range(2):
            shown, missing = videos.frames([good.video_id, "gone"])
            assert shown is not None and missing is None
        assert len(decoded) == 1
    assert list(videos.unreadable) == ["gone"] and "gone.mp4" in videos.unreadable["gone"]
    assert caplog.text.count("left out of training") == 1
