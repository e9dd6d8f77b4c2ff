"""The KFP components of promotion: who must be beaten, which is never cached, and the decision."""

from kfp.dsl import Artifact, Dataset, Input, Model, Output, component

from components.core.engine.images import image


@component(base_image=image("components.promotion.promote"), install_kfp_package=False)
def find_champion(settings: str, grpo_model: Input[Model]) -> str:
    """Ask the registry which model must be evaluated beside the new one.

    Args:
        settings: canonical JSON of the profile's promotion section.
        grpo_model: the model that stands for promotion.

    Returns:
        Version, fingerprint and folder of the champion, as one string; empty where there is none.
    """
    from components.promotion.promote import find_rival

    return find_rival(settings, grpo_model.path)


@component(base_image=image("components.promotion.promote"), install_kfp_package=False)
def promote(settings: str, evaluation: Input[Dataset], grpo_model: Input[Model], decision: Output[Artifact]) -> None:
    """Make the model the champion if it beats the old one on the same questions.

    Args:
        settings: canonical JSON of the profile's promotion section.
        evaluation: tables predictions and scores.
        grpo_model: the model that stands for promotion.
        decision: decision.json, what was decided and why.
    """
    from components.core.engine.run import run_task
    from components.promotion.promote import STAGE, task_settings

    section = task_settings(settings, grpo_model.uri)
    inputs = {"evaluation": evaluation.path, "grpo_model": grpo_model.path}
    run_task(STAGE, settings=section, inputs=inputs, output=decision.path, metadata=decision.metadata, name="promote")
