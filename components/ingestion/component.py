"""The KFP components of ingestion: discovery, which is never cached, and ingestion."""

from kfp.dsl import Dataset, Output, component

from components.core.engine.images import image


@component(base_image=image("components.ingestion.discover"), install_kfp_package=False)
def discover(videos: str, settings: str) -> list[str]:
    """List the shards of a corpus.

    Args:
        videos: local folder, `s3://` prefix or manifest.
        settings: canonical JSON of the profile's ingestion section.

    Returns:
        Shard ids, each with a digest of its members.
    """
    from components.ingestion.discover import discover_shards

    return discover_shards(videos, settings)


@component(base_image=image("components.ingestion.ingest"), install_kfp_package=False)
def ingest(videos: str, shards: list[str], settings: str, corpus: Output[Dataset]) -> None:
    """Probe, deduplicate, split and check the videos of the shards.

    Args:
        videos: local folder, `s3://` prefix or manifest.
        shards: shard ids from discovery.
        settings: canonical JSON of the profile's ingestion section.
        corpus: table videos, in parts named by shard.
    """
    from components.core.engine.run import run_task
    from components.ingestion.discover import task_settings
    from components.ingestion.ingest import STAGE

    section = task_settings(settings, videos, shards)
    run_task(STAGE, settings=section, inputs={}, output=corpus.path, metadata=corpus.metadata, name="ingest")
