"""What the tests of segmentation, captioning and contrastive QA share: tiny rendered clips, stages run as tasks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.core.data.datasets import Dataset, DatasetWriter
from components.core.data.manifest import Manifest
from components.core.data.rows import Row, Video
from components.core.engine.run import run_task
from components.core.engine.stage import Stage
from components.core.video.probe import probe
from components.sandbox.corpus.rendering import render
from components.sandbox.corpus.scene import Clip
from components.sandbox.teacher.launch import running_teacher
from tests.components.builtin_roles import with_builtin_roles
from tests.components.core.teachers.loopback import Answer, says

Replies = Mapping[str, Callable[[dict[str, Any]], Any]]
RunStage = Callable[..., Dataset]


@pytest.fixture(scope="session")
def teacher() -> Iterator[str]:
    """The address of a built-in teacher."""
    with running_teacher(workers=1) as url:
        yield url


@pytest.fixture
def run_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStage:
    """`run_stage(stage, url, output, inputs, **settings)` runs a stage as a task and opens its dataset."""
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))

    def run(stage: Stage, url: str, output: str, inputs: Mapping[str, Path], **settings: Any) -> Dataset:
        monkeypatch.setenv("REWATCH_ENDPOINTS", json.dumps({"builtin": {"base_url": url}}))
        paths = {name: str(path) for name, path in inputs.items()}
        section = with_builtin_roles(stage, settings)
        run_task(stage, settings=section, inputs=paths, output=str(tmp_path / output), name=output)
        return Dataset(tmp_path / output)

    return run


def render_clip(clip: Clip, folder: Path) -> Video:
    """Render a clip and describe it as ingestion would."""
    folder.mkdir(exist_ok=True)
    path = folder / clip.file
    render(clip, path)
    info = probe(path)
    return Video(
        video_id=hashlib.sha256(path.read_bytes()).hexdigest(),
        uri=str(path),
        duration_s=info.duration_s,
        fps=info.fps,
        width=info.width,
        height=info.height,
        codec=info.codec,
        size_bytes=info.size_bytes,
        split="train",
        shard="s00000",
    )


def write_dataset(path: Path, tables: dict[str, Iterable[Row]], types: dict[str, type[Row]]) -> Path:
    """Write rows as the dataset that a stage before would have left."""
    with DatasetWriter(path, types) as writer:
        for table, rows in tables.items():
            writer.write(table, rows)
        writer.close(Manifest(stage="test", digest=""))
    return path


def scripted(replies: Replies) -> Callable[[dict[str, Any], int], Answer]:
    """Answer a request by its schema's name: the reply is made from the JSON payload."""

    def answer(body: dict[str, Any], _: int) -> Answer:
        name = body["response_format"]["json_schema"]["name"]
        return says(replies[name](payload_of(body)))

    return answer


def payload_of(body: dict[str, Any]) -> dict[str, Any]:
    """The JSON payload of a request; `frames` lists the times shown, `asked_before` counts earlier attempts."""
    content = body["messages"][1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts = [part["text"] for part in parts if part["type"] == "text"]
    times = [float(text.removeprefix("t=").removesuffix("s")) for text in texts[1:]]
    return {**json.loads(texts[0]), "frames": times, "asked_before": (len(body["messages"]) - 2) // 2}
