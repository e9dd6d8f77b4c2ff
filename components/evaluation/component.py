"""The KFP component of evaluation."""

from kfp.dsl import Dataset, Input, Model, Output, component

from components.core.engine.images import image


@component(base_image=image("components.evaluation.evaluate"), install_kfp_package=False)
def evaluate(
    settings: str,
    champion: str,
    captions: Input[Dataset],
    questions: Input[Dataset],
    sft_model: Input[Model],
    grpo_model: Input[Model],
    evaluation: Output[Dataset],
) -> None:
    """Evaluate the students on held-out videos.

    Args:
        settings: canonical JSON of the profile's evaluation section.
        champion: the model to ask beside the new ones, as `find_champion` names it; empty where there is none.
        captions: videos and their events, past the captions gate.
        questions: questions past the questions gate.
        sft_model: the student after SFT.
        grpo_model: the student after GRPO.
        evaluation: tables predictions and scores.
    """
    from components.core.engine.run import run_task
    from components.evaluation.evaluate import STAGE
    from components.evaluation.systems import task_settings

    inputs = {"captions": captions.path, "questions": questions.path}
    inputs |= {"sft_model": sft_model.path, "grpo_model": grpo_model.path}
    run_task(
        STAGE,
        settings=task_settings(settings, champion),
        inputs=inputs,
        output=evaluation.path,
        metadata=evaluation.metadata,
        name="evaluate",
    )
