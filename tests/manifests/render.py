"""Renders overlays with `kubectl kustomize` or `kustomize build`, and keeps a golden copy of each.

    python -m tests.manifests.render        rewrites tests/manifests/golden/*.yaml after an intended change

The golden copies let every check run where neither program is installed, and show a reviewer what an edit of a base or
a component does to each overlay. Their first line is a digest of all sources, so that a stale copy is noticed there
too. Tags of images that are ours are left out: they follow the code.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests"
GOLDEN = Path(__file__).parent / "golden"
Object = dict[str, Any]


def overlays() -> dict[str, Path]:
    """Name and folder of every overlay, and of `everything`: production with each component that may join it."""
    folders = [path.parent for path in sorted((MANIFESTS / "overlays").glob("*/kustomization.yaml"))]
    return {folder.name: folder for folder in [*folders, Path(__file__).parent / "everything"]}


def renderer() -> list[str] | None:
    """The command that renders a folder, or None where there is no such program."""
    for command in (["kustomize", "build", "--reorder=legacy"], ["kubectl", "kustomize"]):
        if shutil.which(command[0]):
            return command
    return None


def render(folder: Path) -> str:
    """The YAML documents that a kustomization comes to.

    Raises:
        RuntimeError: what the program said, or that there is none.
    """
    command = renderer()
    if command is None:
        raise RuntimeError("There is neither kustomize nor kubectl on this machine: install one of them.")
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{folder}: {done.stderr.strip()}")
    return done.stdout


def parse(text: str) -> list[Object]:
    """The objects of a stream of YAML documents."""
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]


def sources_digest() -> str:
    """Digest of every file that a rendering can depend on."""
    whole = hashlib.sha256()
    everything = Path(__file__).parent / "everything"
    for path in sorted([*MANIFESTS.rglob("*"), *everything.iterdir()]):
        if path.is_file() and path.suffix != ".md" and "kubeflow-pipelines" not in path.parts:
            content = path.read_text()
            if path.parent.name == "images":
                content = _without_tags(content)
            whole.update(f"{path.relative_to(MANIFESTS.parent)}\0{content}\0".encode())
    return whole.hexdigest()[:16]


def golden(overlay: str) -> str:
    """What the golden copy of an overlay should hold now."""
    return f"# sources {sources_digest()}\n{_without_tags(render(overlays()[overlay]))}"


def _without_tags(text: str) -> str:
    """Images that are ours without registry and tag, which differ from user to user and from commit to commit."""
    text = re.sub(r"(image: )\S*?(rewatch-[a-z-]+)(:\S+)?(?=\s)", r"\1\2:golden", text)
    return re.sub(r"(newName: )\S*?(rewatch-[a-z-]+)\n(\s*newTag: )\S+", r"\1\2\n\3golden", text)


if __name__ == "__main__":
    for name in overlays():
        (GOLDEN / f"{name}.yaml").write_text(golden(name))
        print(GOLDEN / f"{name}.yaml")
