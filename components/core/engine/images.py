"""The container image a component runs in, and its tag: the identity of what the image carries.

KFP keys its cache on the image string, not on the code inside. So the tag is a digest of all that goes into the image:
the modules that the component's own reaches by import, the engine's among them (an image carries no other), the
packages that are pinned for it, and how it is built. An edit reruns what it can reach and what follows, a comment
reruns nothing. Tags are computed from files alone and so are the same on every machine, whatever is installed there.

The repository's name holds the word python because KFP's SubprocessRunner warns about any other.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from components.core.data.identity import ROOT, identity_of
from components.core.data.rows import digest_of

REGISTRY = os.environ.get("REWATCH_REGISTRY", "ghcr.io/rewatch")
ENTRY = "components.core.engine.run"
"""What every component calls to run its module."""
LAUNCHER = "launcher"
"""The image that submits pipelines and follows them."""
SERVING = "serving"
"""The image of vLLM, into which nothing is installed."""

_modules: dict[str, tuple[str, ...]] = {}


def image(*modules: str) -> str:
    """The image that runs a component: `ghcr.io/rewatch/rewatch-data-python:captioning-3f2a…` for captioning's.

    Args:
        modules: that the component's function imports; the engine, which most do, is in every image.
    """
    name = f"{REGISTRY}/rewatch-{recipe_of(*modules)}-python:{tag(*modules)}"
    _modules[name] = (*modules, ENTRY)
    return name


def modules_of(image: str) -> tuple[str, ...]:
    """The modules of an image which some component asked for; none for any other image."""
    return _modules.get(image, ())


def stage_of(module: str) -> str:
    """The component folder of `components.<folder>.<module>`, which a tag names for people."""
    return module.split(".")[1]


def recipe_of(*modules: str) -> str:
    """Which Dockerfile builds the modules' image: `train` where they reach torch; `data` has a fifth of that size."""
    return "train" if "torch" in identity_of(*modules, ENTRY).packages else "data"


@cache
def tag(*modules: str) -> str:
    """`<folder>-` and 12 hex digits of the identity of what the image carries."""
    return f"{stage_of(modules[0])}-{tag_of(recipe_of(*modules), *modules, ENTRY)}"


def tag_of(recipe: str, *modules: str) -> str:
    """12 hex digits for an image that is built by a recipe and carries what some modules reach.

    `REWATCH_IMAGE_TAG` replaces them, for golden files and for images tagged by a release.
    """
    fixed = os.environ.get("REWATCH_IMAGE_TAG")
    if fixed:
        return fixed
    carried = identity_of(*modules).modules if modules else {}
    return digest_of(carried, {path.name: path.read_text() for path in recipe_files(recipe)})[:12]


def recipe_files(recipe: str) -> list[Path]:
    """How an image is built: its Dockerfile and, where it installs packages, their pins and the script that does.

    The launcher's holds those of all, from which it computes their tags.
    """
    folder = ROOT / "images"
    if recipe == LAUNCHER:
        return sorted(path for path in folder.iterdir() if path.suffix in (".Dockerfile", ".lock", ".sh"))
    dockerfile, *installed = (folder / name for name in (f"{recipe}.Dockerfile", f"{recipe}.lock", "install.sh"))
    return [dockerfile] if recipe == SERVING else [dockerfile, *installed]
