"""The KFP component of segmentation."""

from kfp.dsl import Dataset, Input, Output, component

from components.core.engine.images import image


@component(base_image=image("components.segmentation.segment"), install_kfp_package=False)
def segment(shard: str, settings: str, corpus: Input[Dataset], segments: Output[Dataset]) -> None:
    """Cut the long videos of one shard into semantic chunks.

    Args:
        shard: id of the shard, from discovery.
        settings: canonical JSON of the profile's segmentation section.
        corpus: the ingested videos.
        segments: table segments; those of a video tile it exactly.
    """
    from components.core.engine.run import run_task
    from components.segmentation.segment import STAGE

    inputs, metadata = {"corpus": corpus.path}, segments.metadata
    run_task(
        STAGE, settings=settings, inputs=inputs, output=segments.path, shard=shard, metadata=metadata, name="segment"
    )
