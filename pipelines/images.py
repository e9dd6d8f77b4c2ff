"""Which image each task of a pipeline runs in and which Dockerfile builds it: what `make images` reads.

One image per module that a component runs, built from two Dockerfiles: the lock and `components/core` are layers that
all of a kind share, so a new tag costs only the stage's own folder. Tags are identities (core/engine/images.py).

    python -m pipelines.images [module of the pipeline]     prints "image dockerfile stage", a line for each
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from components.core.engine.images import REGISTRY
from pipelines.ir.compilation import compile_pipeline
from pipelines.ir.lint import Compiled
from pipelines.pipeline import DEFAULT, Pipeline, load_pipeline
from pipelines.platform import Platform


def images(pipeline: Pipeline) -> Iterator[tuple[str, str, str]]:
    """Image, Dockerfile (relative to the repository) and component folder of the tasks that run in an image of ours."""
    with TemporaryDirectory() as folder:
        compiled = Compiled.read(compile_pipeline(pipeline, Platform(), Path(folder) / "pipeline.yaml"))
    for image in dict.fromkeys(container["image"] for _, container in compiled.executors()):
        repository, _, tag = image.removeprefix(f"{REGISTRY}/").partition(":")
        if repository != image:
            yield image, f"images/{repository.split('-')[1]}.Dockerfile", tag.partition("-")[0]


def main() -> None:
    """Print the image, the Dockerfile and the stage, for every image."""
    for line in images(load_pipeline(sys.argv[1] if len(sys.argv) > 1 else DEFAULT)):
        print(*line)


if __name__ == "__main__":
    main()
