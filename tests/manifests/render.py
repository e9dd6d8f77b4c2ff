"""Renders overlays with `kubectl kustomize` or `kustomize build`, and keeps a golden copy of each.

    python -m tests.manifests.render        rewrites tests/manifests/golden/*.yaml after an intended change

The golden copies let every check run where neither program is installed, and show a reviewer what an edit of a base or
a component does to each overlay. Their first line is a digest of all sources, so that a stale copy is noticed there
too. Each object is kept once: `everything` holds what differs from `prod`. A list of kinds, names and images would be
shorter still, but nothing could be checked on it without one of the programs.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.manifests.objects import title

MANIFESTS = Path(__file__).parents[2] / "manifests"
GOLDEN = Path(__file__).parent / "golden"
BELOW = {"everything": "prod"}
"""Overlays that hold another one, which is rendered before them."""
WITHOUT = "# without "
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


def render(overlay: str) -> list[Object]:
    """The objects of an overlay, without the tags of our images: those follow the code.

    Raises:
        RuntimeError: what the program said, or that there is none.
    """
    return parse(_without_tags(_build(overlays()[overlay])))


def render_with_tags(overlay: str) -> list[Object]:
    """The objects of an overlay as they are applied; raises as `render`."""
    return parse(_build(overlays()[overlay]))


def golden(overlay: str) -> list[Object]:
    """The objects that the golden copy of an overlay stands for."""
    text = (GOLDEN / f"{overlay}.yaml").read_text()
    own = by_name(parse(text))
    lost = {line.removeprefix(WITHOUT) for line in text.splitlines() if line.startswith(WITHOUT)}
    below = by_name(golden(BELOW[overlay])) if overlay in BELOW else {}
    return [*({name: item for name, item in below.items() if name not in lost} | own).values()]


def keep_golden(overlay: str) -> Path:
    """Write the golden copy of an overlay, after that of the one below it; returns its path."""
    below = by_name(golden(BELOW[overlay])) if overlay in BELOW else {}
    now = by_name(render(overlay))
    lines = [f"# sources {sources_digest()}"]
    if below:
        lines += [f"# {BELOW[overlay]}, and in it:", *(f"{WITHOUT}{name}" for name in below if name not in now)]
    own = [item for name, item in now.items() if below.get(name) != item]
    path = GOLDEN / f"{overlay}.yaml"
    text = yaml.dump_all(own, Dumper=_Compact, default_flow_style=None, width=118)
    path.write_text("\n".join([*lines, text]))
    return path


def by_name(objects: list[Object]) -> dict[str, Object]:
    """Objects by kind, namespace, name and version."""
    return {f"{title(item)} {item['apiVersion']}": item for item in objects}


def parse(text: str) -> list[Object]:
    """The objects of a stream of YAML documents."""
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]


def _build(folder: Path) -> str:
    command = renderer()
    if command is None:
        raise RuntimeError("There is neither kustomize nor kubectl on this machine: install one of them.")
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{folder}: {done.stderr.strip()}")
    return done.stdout


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


def _without_tags(text: str) -> str:
    """Images that are ours without registry and tag, which differ from user to user and from commit to commit."""
    text = re.sub(r"(image: )\S*?(rewatch-[a-z-]+)(:\S+)?(?=\s)", r"\1\2:golden", text)
    return re.sub(r"(newName: )\S*?(rewatch-[a-z-]+)\n(\s*newTag: )\S+", r"\1\2\n\3golden", text)


class _Compact(yaml.SafeDumper):
    """Texts of several lines as such, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Compact.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


if __name__ == "__main__":
    for name in overlays():
        print(keep_golden(name))
