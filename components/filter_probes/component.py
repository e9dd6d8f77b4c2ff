"""The KFP component of filter_probes."""

from kfp.dsl import Dataset, Input, Output, component

from components.core.engine.images import image


@component(base_image=image("components.filter_probes.filter_questions"), install_kfp_package=False)
def probe(
    shard: str, settings: str, captions: Input[Dataset], written: Input[Dataset], probed: Output[Dataset]
) -> None:
    """Filter the questions of one shard and write the multiple-choice twins of those that remain.

    Args:
        shard: id of the shard, from discovery.
        settings: canonical JSON of the profile's filter_probes section.
        captions: videos and their events, past the captions gate.
        written: the shard's summaries and open questions.
        probed: tables summaries, questions and verdicts.
    """
    from components.core.engine.run import run_task
    from components.filter_probes.filter_questions import STAGE

    inputs = {"captions": captions.path, "written": written.path}
    metadata = probed.metadata
    run_task(STAGE, settings=settings, inputs=inputs, output=probed.path, shard=shard, metadata=metadata, name="probe")
