"""The KFP component of agent_cot."""

from kfp.dsl import Dataset, Input, Output, component

from components.core.engine.images import image


@component(base_image=image("components.agent_cot.rewatch_questions"), install_kfp_package=False)
def rewatch_questions(
    shard: str, settings: str, captions: Input[Dataset], questions: Input[Dataset], rewatched: Output[Dataset]
) -> None:
    """Write the re-watching trajectories of one shard's training videos.

    Args:
        shard: id of the shard, from discovery.
        settings: canonical JSON of the profile's agent_cot section.
        captions: videos and their events, past the captions gate.
        questions: questions past the questions gate.
        rewatched: table trajectories.
    """
    from components.agent_cot.rewatch_questions import STAGE
    from components.core.engine.run import run_task

    inputs = {"captions": captions.path, "questions": questions.path}
    metadata = rewatched.metadata
    run_task(
        STAGE,
        settings=settings,
        inputs=inputs,
        output=rewatched.path,
        shard=shard,
        metadata=metadata,
        name="rewatch-questions",
    )
