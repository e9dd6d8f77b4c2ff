"""A remedy that names a setting names one that exists, as it can be typed."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from components.core.video.limits import VideoLimits
from pipelines.profile import load_profile

ROOT = Path(__file__).parents[2]
TYPED = re.compile(r"--set ([a-z_][a-z_0-9.]*)=")


def remedies(error: str) -> list[tuple[str, str]]:
    """Where each error of this class is made, and its remedy; what an f-string fills in is written as X."""
    found = []
    for path in sorted((ROOT / "components").rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == error and len(node.args) > 1:
                remedy = node.args[1]
                remedy = constants.get(remedy.id, remedy) if isinstance(remedy, ast.Name) else remedy
                found.append((f"{path.name}:{node.lineno}", words(remedy)))
    return found


def words(node: ast.expr) -> str:
    """The text of a literal or f-string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "X"


def setting(name: str) -> Any:
    """The value that a dotted name has in the laptop's profile."""
    value: Any = load_profile("laptop").resolved()
    for part in name.split("."):
        value = value[part]
    return value


def test_every_setting_that_a_video_error_names_exists() -> None:
    named = {name: where for where, remedy in remedies("VideoError") for name in TYPED.findall(remedy)}
    assert {"video.limits.max_duration_s", "video.limits.max_frame_pixels", "video.reader"} <= set(named)
    for name, where in named.items():
        assert setting(name), f"{where} names {name}"


@pytest.mark.parametrize("limit", VideoLimits.model_fields)
def test_no_remedy_names_a_limit_in_another_way_than_it_is_typed(limit: str) -> None:
    sources = [(path, path.read_text()) for path in (ROOT / "components" / "core" / "video").glob("*.py")]
    assert any(f"--set video.limits.{limit}=" in text for _, text in sources), f"no error names {limit}"
    for where, remedy in remedies("VideoError"):
        assert limit not in remedy.replace(f"--set video.limits.{limit}=", ""), where
