"""A pipeline of a shape that the linter refuses."""

from typing import Any

from kfp import dsl

from pipelines.pipeline import Pipeline
from pipelines.platform import Platform
from tests.pipelines.fake_pipeline import discover, work


def build(platform: Platform) -> Any:
    """A loop in a loop."""

    @dsl.pipeline(name="nested")
    def nested() -> None:
        shards = discover().set_caching_options(False)
        with dsl.ParallelFor(shards.output), dsl.ParallelFor(["a", "b"]) as item:
            work(shard=item)

    return nested


PIPELINE = Pipeline(name="nested", build=build)
