"""The compiled rewatch pipeline with fixed image tags, to compare with what is checked in.

python -m tests.pipelines.golden        rewrites tests/pipelines/golden/rewatch.yaml after an intended change
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "rewatch.yaml"
ROOT = Path(__file__).parents[2]


def compile_rewatch(path: Path) -> None:
    """Compile in a process of its own: tags are fixed when components are imported."""
    environment = {**os.environ, "REWATCH_IMAGE_TAG": "golden", "REWATCH_REGISTRY": "registry.example"}
    command = [sys.executable, "-m", "pipelines.cli", "compile", "--output", str(path)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    compile_rewatch(GOLDEN)
    print(GOLDEN)
