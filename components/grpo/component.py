"""The KFP component of reinforcement learning."""

from kfp.dsl import Dataset, Input, Model, Output, component

from components.core.engine.images import image


@component(base_image=image("components.grpo.train"), install_kfp_package=False)
def grpo(
    settings: str,
    captions: Input[Dataset],
    questions: Input[Dataset],
    sft_model: Input[Model],
    model: Output[Model],
) -> None:
    """Improve the student by GRPO on its own re-watching traces.

    Args:
        settings: canonical JSON of the profile's grpo section.
        captions: videos and their detailed captions, which the judge checks observations against.
        questions: questions that passed the filters.
        sft_model: the student to start from.
        model: a Hugging Face folder.
    """
    from components.core.engine.run import run_task
    from components.grpo.train import STAGE

    inputs = {"captions": captions.path, "questions": questions.path, "sft_model": sft_model.path}
    run_task(STAGE, settings=settings, inputs=inputs, output=model.path, metadata=model.metadata, name="grpo")
