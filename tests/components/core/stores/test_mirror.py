"""What is published of a folder is found again on another machine, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.stores.files import storage_for
from components.core.stores.mirror import SMALL_BYTES, Mirror


@pytest.fixture
def home(s3_bucket: str) -> str:
    return f"{s3_bucket}/state/checkpoints/sft/key"


def checkpoint(mirror: Mirror, name: str, weight: bytes = b"w") -> Path:
    folder = mirror.folder / name
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    (folder / "weights").write_bytes(weight * (SMALL_BYTES + 1))
    return folder


def found(folder: Path, home: str) -> Mirror:
    mirror = Mirror(folder, home)
    mirror.find()
    return mirror


def test_a_published_folder_is_found_small_files_at_once_and_large_ones_when_asked_for(
    tmp_path: Path, home: str
) -> None:
    one = Mirror(tmp_path / "one", home)
    one.publish(checkpoint(one, "000120-steps/step-000072"))
    other = found(tmp_path / "other", home)
    here = other.folder / "000120-steps" / "step-000072"
    assert [path.name for path in here.iterdir()] == ["state.json"]
    other.complete(here)
    assert (here / "weights").stat().st_size == SMALL_BYTES + 1


def test_what_was_cut_off_before_its_list_was_written_is_not_there(
    tmp_path: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Mirror(tmp_path / "one", home)
    one.publish(checkpoint(one, "step-000003"))
    monkeypatch.setattr("components.core.stores.s3.S3Storage.write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        one.publish(checkpoint(one, "step-000006"))
    other = found(tmp_path / "other", home)
    assert [path.name for path in other.folder.iterdir()] == ["step-000003"]


def test_a_file_that_is_published_again_replaces_the_one_before_and_leaves_nothing_behind(
    tmp_path: Path, home: str
) -> None:
    one = Mirror(tmp_path / "one", home)
    log = one.folder / "training.jsonl"
    for text in ("step 1\n", "step 1\nstep 2\n"):
        log.write_text(text)
        one.publish(log)
    assert (found(tmp_path / "other", home).folder / "training.jsonl").read_text() == "step 1\nstep 2\n"
    assert len(list(storage_for(home).list(f"{home}/"))) == 2, "the file and what was published of it"


def test_what_is_withdrawn_is_gone_here_and_there(tmp_path: Path, home: str) -> None:
    one = Mirror(tmp_path / "one", home)
    path = checkpoint(one, "step-000003")
    one.publish(path)
    one.withdraw(path)
    assert not path.exists()
    assert list(storage_for(home).list(f"{home}/")) == []


def test_what_lies_here_already_stays_and_what_was_damaged_there_is_refused(tmp_path: Path, home: str) -> None:
    one = Mirror(tmp_path / "one", home)
    path = checkpoint(one, "step-000003")
    one.publish(path)
    (path / "state.json").write_text('{"mine": 1}')
    one.find()
    assert (path / "state.json").read_text() == '{"mine": 1}'
    (damaged,) = [item.uri for item in storage_for(home).list(f"{home}/") if "/weights." in item.uri]
    storage_for(home).write(damaged, b"other")
    other = found(tmp_path / "other", home)
    with pytest.raises(OSError, match="is not what was published"):
        other.complete(other.folder / "step-000003")
    assert [path.name for path in (other.folder / "step-000003").iterdir()] == ["state.json"]


def test_a_folder_that_outlives_the_machine_by_itself_needs_no_copy(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "state" / "checkpoints" / "key")
    path = checkpoint(mirror, "step-000003")
    mirror.find()
    mirror.publish(path)
    mirror.complete(path)
    mirror.withdraw(path)
    assert list(mirror.folder.iterdir()) == []
