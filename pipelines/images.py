"""Which image each component runs in and which Dockerfile builds it: what `make images` reads.

One image per stage, built from two Dockerfiles: the lock and `components/core` are layers that all of a kind share, so
a new tag costs only the stage's own folder. Tags are content hashes (`components/core/images.py`).

    python -m pipelines.images      prints "image dockerfile stage", a line for each
"""

from __future__ import annotations

from components.core.images import TRAIN_STAGES, image
from pipelines.profile import STAGES


def dockerfile(stage: str) -> str:
    """The Dockerfile, relative to the repository, that builds the image of `stage`."""
    return "images/train.Dockerfile" if stage in TRAIN_STAGES else "images/data.Dockerfile"


def main() -> None:
    """Print the image, the Dockerfile and the stage, for every stage."""
    for stage in STAGES:
        print(image(stage), dockerfile(stage), stage)


if __name__ == "__main__":
    main()
