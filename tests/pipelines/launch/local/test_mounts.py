"""What of this machine a container sees: all that a run reads, and no more than it needs. No Docker is needed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipelines.launch.local.mounts import read_by


@pytest.fixture()
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mp4").write_text("a")
    return folder


@pytest.fixture()
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    for name in ("b.mp4", "c.mp4"):
        (folder / name).write_text(name)
    return folder


def seen_inside(mounts: dict[Path, Path], path: Path, hops: int = 10) -> bool:
    """Whether a path can be opened where only the mounted folders are, links followed by their text."""
    for _ in range(hops):
        place = next((place for place in (path, *path.parents) if place in mounts), None)
        if place is None:
            return False
        outside = mounts[place] / path.relative_to(place)
        if not outside.is_symlink():
            return outside.exists()
        path = Path(os.path.normpath(path.parent / outside.readlink()))
    return False


def test_a_folder_of_videos_is_seen_and_nothing_beside_it(films: Path, elsewhere: Path) -> None:
    assert read_by(str(films), {}) == {films: films}


@pytest.mark.parametrize("videos", ["s3://bucket/films", "", "no/such/folder"])
def test_what_is_not_here_is_not_mounted(videos: str) -> None:
    assert read_by(videos, {"ingestion": '{"source": "camera", "licence": "CC-BY-4.0"}'}) == {}


def test_an_address_with_a_scheme_is_the_folder_that_it_names(films: Path) -> None:
    spaced = films.parent / "my films"
    films.rename(spaced)
    assert read_by(f"file://{str(spaced).replace(' ', '%20')}", {}) == {spaced: spaced}


def test_linked_videos_are_seen_through_every_link(films: Path, elsewhere: Path, tmp_path: Path) -> None:
    (films / "b.mp4").symlink_to(elsewhere / "b.mp4")
    (tmp_path / "between").mkdir()
    (tmp_path / "between" / "c.mp4").symlink_to("../elsewhere/deep/c.mp4")
    (films / "c.mp4").symlink_to("../between/c.mp4")
    mounts = read_by(str(films), {})
    assert all(seen_inside(mounts, films / name) for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert set(mounts) == {films, elsewhere, tmp_path / "between"}


def test_a_linked_folder_and_links_in_it_are_seen(films: Path, elsewhere: Path, tmp_path: Path) -> None:
    (films / "more").symlink_to(elsewhere, target_is_directory=True)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "d.mp4").write_text("d")
    (elsewhere / "d.mp4").symlink_to(tmp_path / "far" / "d.mp4")
    (elsewhere / "round").symlink_to(films, target_is_directory=True)
    mounts = read_by(str(films), {})
    assert seen_inside(mounts, films / "more") and seen_inside(mounts, elsewhere / "d.mp4")
    assert mounts[tmp_path / "far"] == tmp_path / "far"


def test_videos_that_are_a_link_themselves_are_mounted_where_they_are_named(films: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(films, target_is_directory=True)
    assert read_by(str(link), {})[link] == films


def test_a_manifest_shows_what_it_names(films: Path, elsewhere: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "lists" / "videos.jsonl"
    manifest.parent.mkdir()
    lines = [{"uri": "../films/a.mp4"}, {"uri": f"file://{elsewhere}/b.mp4"}, {"uri": "s3://bucket/c.mp4"}, {"uri": 3}]
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "no line\n")
    assert set(read_by(str(manifest), {})) == {manifest, films, elsewhere}


def test_files_that_settings_name_are_seen(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "seen.txt").write_text("id")
    monkeypatch.chdir(tmp_path)
    sft = json.dumps({"base": "./model", "size": None, "optimizer": {"name": "muon"}})
    ingestion = json.dumps({"benchmarks": [str(tmp_path / "seen.txt"), "films"], "buckets": []})
    assert set(read_by("s3://bucket/", {"sft": sft, "ingestion": ingestion})) == {
        tmp_path / "model",
        tmp_path / "seen.txt",
    }


def test_what_the_profile_adds_is_seen_and_nothing_twice(films: Path) -> None:
    assert read_by(str(films), {}, [str(films.parent), str(films / "a.mp4")]) == {films.parent: films.parent}
