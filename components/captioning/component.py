"""The KFP component of captioning."""

from kfp.dsl import Dataset, Input, Output, component

from components.core.engine.images import image


@component(base_image=image("components.captioning.caption"), install_kfp_package=False)
def caption(
    shard: str, settings: str, corpus: Input[Dataset], segments: Input[Dataset], captioned: Output[Dataset]
) -> None:
    """Caption the segments of one shard: events in absolute time.

    Args:
        shard: id of the shard, from discovery.
        settings: canonical JSON of the profile's captioning section.
        corpus: the ingested videos.
        segments: the shard's segments.
        captioned: tables segments and events.
    """
    from components.captioning.caption import STAGE
    from components.core.engine.run import run_task

    inputs = {"corpus": corpus.path, "segments": segments.path}
    metadata = captioned.metadata
    run_task(
        STAGE, settings=settings, inputs=inputs, output=captioned.path, shard=shard, metadata=metadata, name="caption"
    )
