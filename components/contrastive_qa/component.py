"""The KFP component of contrastive QA."""

from kfp.dsl import Dataset, Input, Output, component

from components.core.engine.images import image


@component(base_image=image("components.contrastive_qa.write_questions"), install_kfp_package=False)
def write_questions(shard: str, settings: str, captions: Input[Dataset], written: Output[Dataset]) -> None:
    """Write a summary and open questions for each video of one shard.

    Args:
        shard: id of the shard, from discovery.
        settings: canonical JSON of the profile's contrastive_qa section.
        captions: the captions that passed their gate.
        written: tables summaries and questions.
    """
    from components.contrastive_qa.write_questions import STAGE
    from components.core.engine.run import run_task

    inputs, metadata = {"captions": captions.path}, written.metadata
    run_task(
        STAGE,
        settings=settings,
        inputs=inputs,
        output=written.path,
        shard=shard,
        metadata=metadata,
        name="write-questions",
    )
