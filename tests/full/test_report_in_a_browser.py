"""The report opens from `file://` in a real browser, runs no script of a model's making and fetches nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.full.conftest import latest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr"
)

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed on this machine"),
]


def browse(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page without a window."""
    call = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", *flags, page.absolute().as_uri()]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)


def test_the_report_renders_without_an_error_of_its_own(whole_run: Path, tmp_path: Path) -> None:
    page = Path(latest(whole_run)["report"])
    done = browse(page, tmp_path / "profile", "--dump-dom")
    for heading in ("Funnel", "Quality gates", "Evaluation", "Training", "Lineage", "Quarantine", "Videos"):
        assert heading in done.stdout
    assert "CONSOLE" not in done.stderr


def test_the_report_is_a_picture_and_no_blank_page(whole_run: Path, tmp_path: Path) -> None:
    from PIL import Image

    page, picture = Path(latest(whole_run)["report"]), tmp_path / "report.png"
    browse(page, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1280,4000")
    colours = Image.open(picture).convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 100
