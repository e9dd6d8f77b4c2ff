"""The container image a component runs in, and its tag: the identity of the code that runs there.

KFP keys its cache on the image string, not on the code inside. So the tag is the identity (identity.py) of the module
that the component runs, of the engine that drives it and of the Dockerfile: an edit reruns what it can reach and what
follows, a comment reruns nothing. The repository's name holds the word python because KFP's SubprocessRunner warns
about any other.
"""

from __future__ import annotations

import os
from functools import cache

from components.core.data.identity import ROOT, identity_of
from components.core.data.rows import digest_of

REGISTRY = os.environ.get("REWATCH_REGISTRY", "ghcr.io/rewatch")
ENTRY = "components.core.engine.run"
"""What every component calls to run its module."""


def image(module: str) -> str:
    """The image that runs a module: `ghcr.io/rewatch/rewatch-data-python:captioning-3f2a…` for captioning's."""
    return f"{REGISTRY}/rewatch-{kind_of(module)}-python:{tag(module)}"


def stage_of(module: str) -> str:
    """The component folder of `components.<folder>.<module>`: all of `components` that an image carries beside core."""
    return module.split(".")[1]


def kind_of(module: str) -> str:
    """Which Dockerfile builds the module's image: `train` where it reaches torch; `data` has a third of that size."""
    return "train" if "torch" in identity_of(module, ENTRY).packages else "data"


@cache
def tag(module: str) -> str:
    """`<folder>-` and 12 hex digits of the identity of what runs there.

    `REWATCH_IMAGE_TAG` replaces it, for golden files and for images tagged by a release.
    """
    fixed = os.environ.get("REWATCH_IMAGE_TAG")
    if fixed:
        return f"{stage_of(module)}-{fixed}"
    dockerfile = ROOT / "images" / f"{kind_of(module)}.Dockerfile"
    built_by = dockerfile.read_text() if dockerfile.is_file() else ""  # an image does not carry its own
    runs = identity_of(module, ENTRY).digest
    return f"{stage_of(module)}-{digest_of(runs, built_by)[:12]}"
