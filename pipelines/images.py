"""Which image each component runs in and which Dockerfile builds it: what `make images` reads.

One image per module that a component runs, built from two Dockerfiles: the lock and `components/core` are layers that
all of a kind share, so a new tag costs only the stage's own folder. Tags are identities (core/engine/images.py).

    python -m pipelines.images      prints "image dockerfile stage", a line for each
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from pipelines.profile import STAGES


def images() -> Iterator[tuple[str, str, str]]:
    """Image, Dockerfile (relative to the repository) and component folder of every component, each image once."""
    from kfp.dsl.base_component import BaseComponent

    seen = set()
    for stage in STAGES:
        module = importlib.import_module(f"components.{stage}.component")
        for component in vars(module).values():
            if isinstance(component, BaseComponent):
                image = component.component_spec.implementation.container.image
                if image not in seen:
                    seen.add(image)
                    kind = image.rpartition("/")[2].split("-")[1]
                    yield image, f"images/{kind}.Dockerfile", stage


def main() -> None:
    """Print the image, the Dockerfile and the stage, for every image."""
    for line in images():
        print(*line)


if __name__ == "__main__":
    main()
