"""The report opens from `file://` in a real browser, runs no script of a model's making and fetches nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from components.reporting.facts import gather
from components.reporting.page import render_page
from tests.components.reporting.worlds import SETTINGS, build_run
from tests.full.conftest import latest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr"
)

MEASURE = """
const figures = [...document.querySelectorAll(".tile b")];
document.body.dataset.tiles = figures.length;
document.body.dataset.wide = figures.filter(it => it.scrollWidth > it.clientWidth).map(it => it.textContent);
"""

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


@pytest.mark.parametrize("width", [390, 800, 1300])
def test_no_tile_is_narrower_than_its_figure(width: int, tmp_path: Path) -> None:
    world = build_run(tmp_path / "world")
    facts = gather(SETTINGS, world.roots.values(), world.record)
    records = [{**record, "cpu_seconds": 3599.0} for record in facts.run.records[:1]]
    page = render_page(replace(facts, run=replace(facts.run, records=records)))
    assert "59 min 59 s" in page
    told = tmp_path / "measured.html"
    told.write_text(re.sub("<meta http-equiv[^>]*>", "", page).replace("</body>", f"<script>{MEASURE}</script></body>"))
    done = browse(told, tmp_path / "profile", "--dump-dom", f"--window-size={width},2000")
    assert 'data-tiles="6" data-wide=""' in done.stdout


def test_the_report_is_a_picture_and_no_blank_page(whole_run: Path, tmp_path: Path) -> None:
    from PIL import Image

    page, picture = Path(latest(whole_run)["report"]), tmp_path / "report.png"
    browse(page, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1280,4000")
    colours = Image.open(picture).convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 100
