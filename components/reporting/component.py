"""The KFP components of reporting: `report` inside the pipeline, `finish` as its exit task."""

from kfp.dsl import Artifact, Dataset, Input, Model, Output, PipelineTaskFinalStatus, component

from components.core.engine.images import image


@component(base_image=image("components.reporting.report"), install_kfp_package=False)
def report(
    settings: str,
    corpus: Input[Dataset],
    captions: Input[Dataset],
    questions: Input[Dataset],
    trajectories: Input[Dataset],
    sft_model: Input[Model],
    grpo_model: Input[Model],
    evaluation: Input[Dataset],
    decision: Input[Artifact],
    page: Output[Artifact],
) -> None:
    """Write the run's page, its dataset card, and the MLflow runs of its data tasks.

    Args:
        settings: canonical JSON of the profile's reporting section.
        page: the folder of index.html; all other arguments are what the run made.
    """
    from components.core.engine.run import run_task
    from components.reporting.report import STAGE

    data = {"corpus": corpus, "captions": captions, "questions": questions, "trajectories": trajectories}
    rest = {"sft_model": sft_model, "grpo_model": grpo_model, "evaluation": evaluation, "decision": decision}
    inputs = {name: artifact.path for name, artifact in {**data, **rest}.items()}
    run_task(STAGE, settings=settings, inputs=inputs, output=page.path, metadata=page.metadata, name="report")


@component(base_image=image("components.reporting.finish"), install_kfp_package=False)
def finish(settings: str, status: PipelineTaskFinalStatus) -> None:
    """Write how the run ended and, after a failure, a page about what was finished.

    Args:
        settings: canonical JSON of the profile's reporting section.
        status: what KFP says of the run.
    """
    from components.reporting.finish import finish as write_status

    write_status(settings, status.state or "", status.error_message or "")
