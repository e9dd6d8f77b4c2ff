"""A small pipeline in the shape of the real one, whose tasks write the records that real tasks write.

`FAKE_FAIL=<shard>` makes that shard's task fail with a message, `FAKE_DIE=<shard>` makes it die without one,
`FAKE_LOSE=<shard>` lets it succeed with a failed record. They are environment variables because those are not part of
KFP's cache key: the same task does better in the next run.
"""

from typing import Any

from kfp import dsl
from kfp.dsl import Dataset, Input

from components.core.data.outline import Output
from pipelines.pipeline import Pipeline
from pipelines.platform import Platform

component = dsl.component(base_image="example.org/fake-python:1", install_kfp_package=False)


@component
def discover() -> list[str]:
    from tests.pipelines.fake_task import end_task

    end_task("discover")
    return ["s00000-aa", "s00001-bb"]


@component
def work(shard: str, output: dsl.Output[Dataset]):
    from tests.pipelines.fake_task import end_task

    end_task("work", shard=shard, output=output.path)


@component
def gate_captions(shards: Input[list[Dataset]], output: dsl.Output[Dataset]):
    from tests.pipelines.fake_task import end_task

    end_task("gate-captions", output=output.path)


@component
def report(captions: Input[Dataset]):
    from tests.pipelines.fake_task import end_task

    end_task("report")


@component
def finish():
    """Writes no record, like the real one."""


def build(platform: Platform) -> Any:
    """Discover, a loop, a gate, a report, an exit task."""

    @dsl.pipeline(name="fake-body")
    def body() -> None:
        shards = discover().set_caching_options(False)
        with dsl.ParallelFor(shards.output) as shard:
            worked = work(shard=shard)
        gated = gate_captions(shards=dsl.Collected(worked.output))
        report(captions=gated.output).set_caching_options(False)

    @dsl.pipeline(name="fake")
    def fake() -> None:
        ending = finish().set_caching_options(False)
        with dsl.ExitHandler(ending):
            body()

    return fake


PIPELINE = Pipeline(
    name="fake", build=build, outputs=(Output(task="gate-captions", name="captions", kind="gate", passed="captioned"),)
)
