"""A small corpus and a way to run ingestion on it as a task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from components.core.engine.run import run_task
from components.ingestion.ingest import STAGE
from components.sandbox.corpus.generate import Corpus, generate
from components.sandbox.corpus.settings import CorpusSettings


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight learning clips, the broken files and a copy."""
    folder = tmp_path_factory.mktemp("corpus")
    settings = CorpusSettings(learning=8, showcase=0, long_s=0, clock_s=0)
    return generate(folder / "videos", folder / "truth", settings)


@pytest.fixture
def ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    """`ingest(videos, output="corpus", **settings)` runs the stage and opens its dataset."""
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))

    def run(videos: Path | str, output: str = "corpus", **settings: object) -> Dataset:
        section = json.dumps({"videos": str(videos), **settings})
        run_task(STAGE, settings=section, inputs={}, output=str(tmp_path / output), name="ingest")
        return Dataset(tmp_path / output)

    return run
