"""The KFP components of reporting: `report` inside the pipeline, `finish` as its exit task."""

import linecache
from typing import Any

from kfp.dsl import HTML, Artifact, Input, Output, PipelineTaskFinalStatus, component

from components.core.engine.images import image

REPORT = '''def report(settings: str, pipeline: str, {inputs}, page: Output[HTML]) -> None:
    """Write the run's page, its dataset card, and the MLflow runs of its data tasks.

    Args:
        settings: canonical JSON of the profile's reporting section.
        pipeline: the pipeline's outline, JSON.
        page: the page, which KFP shows; all other arguments are what the run made.
    """
    from components.reporting.report import report_run

    report_run(settings, pipeline, [{paths}], page.path, page.metadata)
'''


def report_on(*artifacts: str) -> Any:
    """The component that reports on a pipeline's artifacts, with an input for each name.

    KFP has no input that takes what several tasks made, and reads a component's interface from the source of its
    function. So the function is written here, for the names that a DAG gives.
    """
    inputs = ", ".join(f"{name}: Input[Artifact]" for name in artifacts)
    source = REPORT.format(inputs=inputs, paths=", ".join(f"{name}.path" for name in artifacts))
    file = f"<report on {' '.join(artifacts)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": __name__, "Artifact": Artifact, "Input": Input, "Output": Output, "HTML": HTML}
    exec(compile(source, file, "exec", dont_inherit=True), scope)
    return component(base_image=image("components.reporting.report"), install_kfp_package=False)(scope["report"])


@component(base_image=image("components.reporting.finish"), install_kfp_package=False)
def finish(settings: str, pipeline: str, status: PipelineTaskFinalStatus) -> None:
    """Write how the run ended and, after a failure, a page about what was finished.

    Args:
        settings: canonical JSON of the profile's reporting section.
        pipeline: the pipeline's outline, JSON.
        status: what KFP says of the run.
    """
    from components.reporting.finish import finish as write_status

    write_status(settings, pipeline, status.state or "", status.error_message or "")
