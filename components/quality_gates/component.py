"""The three gates as KFP components. `shards` is what the loop before a gate collected."""

from kfp.dsl import Dataset, Input, Output, component

from components.core.engine.images import image


@component(base_image=image("components.quality_gates.gate_captions"), install_kfp_package=False)
def gate_captions(
    settings: str, corpus: Input[Dataset], shards: Input[list[Dataset]], captions: Output[Dataset]
) -> None:
    """Merge the captions of all shards, and refuse them when they are unfit.

    Args:
        settings: canonical JSON of the profile's quality_gates section.
        corpus: the ingested videos.
        shards: what captioning wrote, one dataset per shard.
        captions: tables videos, segments and events.
    """
    from components.core.engine.run import run_task
    from components.quality_gates.gate_captions import STAGE

    inputs = {"corpus": corpus.path, "shards": [shard.path for shard in shards]}
    metadata, output = captions.metadata, captions.path
    run_task(STAGE, settings=settings, inputs=inputs, output=output, metadata=metadata, name="gate-captions")


@component(base_image=image("components.quality_gates.gate_questions"), install_kfp_package=False)
def gate_questions(
    settings: str, captions: Input[Dataset], shards: Input[list[Dataset]], questions: Output[Dataset]
) -> None:
    """Merge the questions of all shards, balance their answers, audit them, and refuse them when they are unfit.

    Args:
        settings: canonical JSON of the profile's quality_gates section.
        captions: what the captions gate passed.
        shards: what the filters wrote, one dataset per shard.
        questions: tables summaries, questions and verdicts.
    """
    from components.core.engine.run import run_task
    from components.quality_gates.gate_questions import STAGE

    inputs = {"captions": captions.path, "shards": [shard.path for shard in shards]}
    metadata, output = questions.metadata, questions.path
    run_task(STAGE, settings=settings, inputs=inputs, output=output, metadata=metadata, name="gate-questions")


@component(base_image=image("components.quality_gates.gate_trajectories"), install_kfp_package=False)
def gate_trajectories(
    settings: str,
    captions: Input[Dataset],
    questions: Input[Dataset],
    shards: Input[list[Dataset]],
    trajectories: Output[Dataset],
) -> None:
    """Merge the trajectories of all shards, and refuse them when they are unfit.

    Args:
        settings: canonical JSON of the profile's quality_gates section.
        captions: what the captions gate passed.
        questions: what the questions gate passed.
        shards: what re-watching wrote, one dataset per shard.
        trajectories: table trajectories.
    """
    from components.core.engine.run import run_task
    from components.quality_gates.gate_trajectories import STAGE

    paths = [shard.path for shard in shards]
    inputs = {"captions": captions.path, "questions": questions.path, "shards": paths}
    metadata, output = trajectories.metadata, trajectories.path
    run_task(STAGE, settings=settings, inputs=inputs, output=output, metadata=metadata, name="gate-trajectories")
