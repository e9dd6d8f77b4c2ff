"""The KFP components of ingestion: prerequisites and discovery, which are never cached, and ingestion."""

import linecache
from typing import Any

from kfp.dsl import Dataset, Output, component

from components.core.engine.images import image

PREREQUISITES = '''def prerequisites(videos: str, settings: str, pools: str, {parameters}) -> bool:
    """Check what the run needs, all at once, and whether it has videos to work on.

    Args:
        videos: local folder, `s3://` prefix or manifest.
        settings: canonical JSON of the profile's ingestion section.
        pools: what pools need of the cluster, JSON; all other arguments are sections that name teachers, or a base.
    """
    from components.ingestion.readiness import is_anything_to_do

    return is_anything_to_do(videos, settings, pools, {{{given}}})
'''


def prerequisites_of(*sections: str) -> Any:
    """The component that checks what a run needs, with a parameter for each section that names teachers, or a
    base.

    KFP reads a component's interface from the source of its function, so it is written here for the names of a DAG.
    """
    from components.ingestion.readiness import (
        STAGE,
    )  # what the function written here runs: images carry what is imported

    parameters = ", ".join(f"{name}: str" for name in sections)
    source = PREREQUISITES.format(parameters=parameters, given=", ".join(f'"{name}": {name}' for name in sections))
    file = f"<prerequisites of {' '.join(sections)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": __name__}
    exec(compile(source, file, "exec", dont_inherit=True), scope)
    made = component(base_image=image(STAGE.module), install_kfp_package=False)
    return made(scope["prerequisites"])


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


@component(base_image=image("components.ingestion.ingest", "components.ingestion.discover"), install_kfp_package=False)
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
