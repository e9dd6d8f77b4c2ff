"""What outlives a run, and the digests that file it."""

from __future__ import annotations

from pathlib import Path

from components.core.data.manifest import folder_digest
from components.core.stores.state import State


async def test_stores_are_opened_on_first_use_and_lie_apart(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state"))
    assert not (tmp_path / "state").exists()
    await state.calls.put("key", b"call")
    assert await state.records.get("key") is None
    state.close()
    assert sorted(path.name for path in (tmp_path / "state").glob("*.sqlite")) == ["calls.sqlite", "records.sqlite"]


async def test_a_state_in_s3_is_found_again(s3_bucket: str) -> None:
    state, again = State(f"{s3_bucket}/state/"), State(f"{s3_bucket}/state")
    await state.calls.put("key", b"call")
    assert await again.calls.get("key") == b"call"
    state.close()
    again.close()


def test_checkpoints_lie_in_a_folder_of_this_machine(tmp_path: Path, s3_bucket: str) -> None:
    assert State(str(tmp_path)).checkpoints("sft-1").folder == tmp_path / "checkpoints" / "sft-1"
    remote = State(f"{s3_bucket}/state", str(tmp_path / "scratch"))
    assert remote.checkpoints("sft-1").folder == tmp_path / "scratch" / "checkpoints" / "sft-1"


def test_a_folders_digest_covers_names_and_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "model.safetensors").write_bytes(b"weights")
    assert folder_digest(tmp_path / "one") == folder_digest(tmp_path / "two")
    (tmp_path / "one" / "manifest.json").write_text("{}")
    assert folder_digest(tmp_path / "one", frozenset({"manifest.json"})) == folder_digest(tmp_path / "two")
    (tmp_path / "two" / "sub" / "model.safetensors").rename(tmp_path / "two" / "model.safetensors")
    assert folder_digest(tmp_path / "one", frozenset({"manifest.json"})) != folder_digest(tmp_path / "two")
