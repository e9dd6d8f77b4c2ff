"""The tiny corpus, and runs of the pipeline as a person starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.data.datasets import Dataset
from components.core.data.manifest import read_manifest

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "pipelines" / "tiny.yaml"

Rewatch = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: str) -> list[str]:
    """The command line of `rewatch`."""
    return [sys.executable, "-m", "pipelines.cli", *arguments]


def run_arguments(runs: Path, videos: Path, *more: str) -> list[str]:
    """`rewatch run` at tiny settings."""
    return command("run", "--profile", str(TINY), "--runs", str(runs), "--videos", str(videos), *more)


def rewatch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)


def run(runs: Path, videos: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the pipeline to its end."""
    return subprocess.run(run_arguments(runs, videos, *more), cwd=ROOT, capture_output=True, text=True, check=False)


def latest(runs: Path) -> dict[str, Any]:
    """run.json of the newest run."""
    record: dict[str, Any] = json.loads(max(runs.glob("*/run.json")).read_text())
    return record


def read_by(captions: Dataset) -> str:
    """The reader of the frames that a gated dataset of captions was made from: it stands with the tasks before it."""
    readers = {read_manifest(Path(upstream.path)).reader for upstream in captions.manifest.upstream}
    assert len(readers) == 1
    return readers.pop()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny corpus' videos."""
    folder = tmp_path_factory.mktemp("corpus")
    assert rewatch("corpus", "--tiny", "--out", str(folder)).returncode == 0
    return folder / "videos"


@pytest.fixture(scope="session")
def whole_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of one finished run over the tiny corpus."""
    runs = tmp_path_factory.mktemp("whole") / "runs"
    done = run(runs, corpus)
    assert done.returncode == 0, done.stdout + done.stderr
    return runs
