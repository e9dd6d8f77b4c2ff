"""The KFP component of supervised fine-tuning."""

from kfp.dsl import Dataset, Input, Model, Output, component

from components.core.engine.images import image


@component(base_image=image("components.sft.train"), install_kfp_package=False)
def sft(
    settings: str,
    captions: Input[Dataset],
    questions: Input[Dataset],
    trajectories: Input[Dataset],
    model: Output[Model],
) -> None:
    """Train a student on captions, questions and re-watching traces.

    Args:
        settings: canonical JSON of the profile's sft section.
        captions: videos and their detailed captions, as the captions gate left them.
        questions: questions that passed the filters.
        trajectories: traces that passed their gate.
        model: a Hugging Face folder; `untrained/` in it holds the start where it was built from scratch.
    """
    from components.core.engine.run import run_task
    from components.sft.train import STAGE

    inputs = {"captions": captions.path, "questions": questions.path, "trajectories": trajectories.path}
    run_task(STAGE, settings=settings, inputs=inputs, output=model.path, metadata=model.metadata, name="sft")
