"""What outlives a run, and the digests that file it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.data.manifest import folder_digest
from components.core.errors import InputError
from components.core.stores.state import State


async def test_stores_are_opened_on_first_use_and_lie_apart(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state"))
    assert not (tmp_path / "state").exists()
    await state.calls.put("key", b"call")
    assert await state.records.get("key") is None
    state.close()
    assert sorted(path.name for path in (tmp_path / "state").glob("*.sqlite")) == ["calls.sqlite", "records.sqlite"]


async def test_the_environment_names_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_bucket: str) -> None:
    monkeypatch.setenv("REWATCH_STATE_ROOT", f"{s3_bucket}/state/")
    state = State()
    await state.calls.put("key", b"call")
    assert await State().calls.get("key") == b"call"
    state.close()


def test_checkpoints_need_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert State(str(tmp_path)).checkpoint_dir("sft-1") == tmp_path / "checkpoints" / "sft-1"
    with pytest.raises(InputError, match="REWATCH_CHECKPOINT_ROOT"):
        State("s3://bucket/state").checkpoint_dir("sft-1")
    monkeypatch.setenv("REWATCH_CHECKPOINT_ROOT", str(tmp_path / "volume"))
    assert State("s3://bucket/state").checkpoint_dir("sft-1").is_dir()


def test_a_folders_digest_covers_names_and_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "model.safetensors").write_bytes(b"weights")
    assert folder_digest(tmp_path / "one") == folder_digest(tmp_path / "two")
    (tmp_path / "one" / "manifest.json").write_text("{}")
    assert folder_digest(tmp_path / "one", frozenset({"manifest.json"})) == folder_digest(tmp_path / "two")
    (tmp_path / "two" / "sub" / "model.safetensors").rename(tmp_path / "two" / "model.safetensors")
    assert folder_digest(tmp_path / "one", frozenset({"manifest.json"})) != folder_digest(tmp_path / "two")
