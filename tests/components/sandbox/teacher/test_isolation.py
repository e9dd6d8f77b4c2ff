"""The teacher knows nothing but the request: it imports neither the corpus generator nor any stage."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import components.sandbox.teacher

FOLDER = Path(components.sandbox.teacher.__file__).parent
ALLOWED = (
    "components.sandbox.teacher",
    "components.core.data.identity",
    "components.core.errors",
    "components.core.processes",
    "components.core.traces.scans",
    "components.core.traces.timecodes",
)


def test_it_imports_only_itself_and_what_knows_of_no_stage() -> None:
    foreign = []
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            foreign += [(path.name, name) for name in names if name.startswith(("components", "pipelines", "tests"))]
    assert foreign
    assert [found for found in foreign if not found[1].startswith(ALLOWED)] == []


def test_the_whole_server_loads_no_heavy_package() -> None:
    probe = (
        "import sys, components.sandbox.teacher.server, components.sandbox.teacher.captions;"
        "print([m for m in ('torch', 'kfp', 'mlflow', 'pandas', 'great_expectations', 'scipy') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
