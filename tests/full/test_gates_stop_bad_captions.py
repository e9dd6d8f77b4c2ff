"""A teacher that captions on a fixed grid, or covers too little, is stopped before any question is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.full.conftest import latest, run

pytestmark = pytest.mark.full


@pytest.mark.parametrize(
    ("fault", "check"), [("fixed_grid_captions=1", "boundaries_on_a_grid"), ("short_captions=1", "coverage")]
)
def test_the_captions_gate_stops_the_run(corpus: Path, tmp_path: Path, fault: str, check: str) -> None:
    done = run(tmp_path / "runs", corpus, "--set", f"launch.teacher_faults=[{fault}]")
    assert done.returncode == 1
    assert check in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    tasks = {task["name"]: task["status"] for task in latest(tmp_path / "runs")["tasks"]}
    assert tasks["gate-captions"] == "failed"
    assert not any(name.startswith("write-questions") and status != "skipped" for name, status in tasks.items())
