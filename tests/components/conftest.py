"""What tests of several components share."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core.stores.s3 import s3_storage
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


@pytest.fixture(scope="session")
def silent() -> Iterator[str]:
    """The address of a server that takes connections and packets and never answers, as long as anyone may wait."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent_store(silent: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All of S3 lies there."""
    for name, value in {"ENDPOINT_URL": silent, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3_storage.cache_clear()
    yield
    s3_storage.cache_clear()
