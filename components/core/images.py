"""The container image a component runs in, and its tag: a hash of everything the image carries.

KFP keys its cache on the image string, not on the code inside. So each stage's tag is the hash of the lock, of
`components/core` and of the stage's own folder: editing one stage reruns that stage and what follows it, never its
neighbours. The repository's name holds the word python because KFP's SubprocessRunner warns about any other.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = os.environ.get("REWATCH_REGISTRY", "ghcr.io/rewatch")
LOCK = ROOT / "images" / "rewatch.lock"
TRAIN_STAGES = frozenset({"sft", "grpo", "evaluation"})
"""Stages that need the training image; all others run in the data image, which is a third of its size."""

IGNORED_SUFFIXES = frozenset({".pyc", ".md"})


def image(stage: str) -> str:
    """The image of the component folder `stage`, such as `ghcr.io/rewatch/rewatch-data-python:captioning-3f2a…`."""
    kind = "train" if stage in TRAIN_STAGES else "data"
    return f"{REGISTRY}/rewatch-{kind}-python:{tag(stage)}"


@cache
def tag(stage: str) -> str:
    """`<stage>-` and 12 hex digits of the hash of the lock, of core and of the stage's folder.

    `REWATCH_IMAGE_TAG` replaces it, for golden files and for images tagged by a release.
    """
    fixed = os.environ.get("REWATCH_IMAGE_TAG")
    if fixed:
        return f"{stage}-{fixed}"
    content = hashlib.sha256(_core_digest())
    content.update(_folder_digest(ROOT / "components" / stage))
    return f"{stage}-{content.hexdigest()[:12]}"


@cache
def _core_digest() -> bytes:
    lock = hashlib.sha256(LOCK.read_bytes() if LOCK.exists() else b"").digest()
    return lock + _folder_digest(ROOT / "components" / "core")


def _folder_digest(folder: Path) -> bytes:
    """sha256 over the names and contents of the folder's files that can change what its code does."""
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in IGNORED_SUFFIXES or "__pycache__" in path.parts or not path.is_file():
            continue
        content.update(path.relative_to(folder).as_posix().encode() + b"\0")
        content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.digest()
