"""The KFP component of promotion."""

from kfp.dsl import Artifact, Dataset, Input, Model, Output, component

from components.core.images import image


@component(base_image=image("components.promotion.promote"), install_kfp_package=False)
def promote(settings: str, evaluation: Input[Dataset], grpo_model: Input[Model], decision: Output[Artifact]) -> None:
    """Make the model the champion if it beats the old one on the same questions.

    Args:
        settings: canonical JSON of the profile's promotion section.
        evaluation: tables predictions and scores.
        grpo_model: the model that stands for promotion.
        decision: decision.json, what was decided and why.
    """
    from components.core.tasks import run_task
    from components.promotion.promote import STAGE

    inputs = {"evaluation": evaluation.path, "grpo_model": grpo_model.path}
    run_task(STAGE, settings=settings, inputs=inputs, output=decision.path, metadata=decision.metadata, name="promote")
