"""What the README, the Makefile and the command's help tell people to type is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.cli import EPILOG
from pipelines.profile import load_profile

ROOT = Path(__file__).parents[2]


def overrides(text: str) -> set[str]:
    return set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+=\d+", text))


@pytest.mark.parametrize("name", ["README.md", "Makefile"])
def test_every_setting_shown_in_a_file_can_be_set(name: str) -> None:
    shown = overrides((ROOT / name).read_text())
    assert shown
    load_profile("laptop", sorted(shown))


def test_every_setting_shown_in_the_help_can_be_set() -> None:
    shown = overrides(EPILOG)
    assert shown
    load_profile("laptop", sorted(shown))


def test_the_profile_that_the_readme_shows_is_accepted(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n# mine.yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "mine.yaml").write_text(shown)
    assert load_profile(str(tmp_path / "mine.yaml")).launch.shared_model_accepted
