"""Compiles a pipeline, lints it and runs it on kfp.local, in a process of its own.

A process, because KFP prints some sixty lines per task, replaces `builtins.print` and the root logger's handlers while
tasks run at once, and leaves both broken. Its output goes to `logs/kfp.log`; what a person should know comes from
the task records. Tasks that KFP took from its cache write no record, so this process writes theirs.

    python -m pipelines.launch.local.worker runs/<run_id>/job.json
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from components.core.engine.record import PLAN
from components.core.errors import RewatchError
from components.core.processes import end_group, join_run
from pipelines.launch.local.cache import forget_failed
from pipelines.launch.local.docker import DockerSettings, container_arguments, run_container
from pipelines.launch.local.folders import RunFolder
from pipelines.launch.local.observer import TaskObserver
from pipelines.pipeline import load_pipeline
from pipelines.platform import Platform


def main(job_file: str) -> int:
    """Run the job; 0 when every task succeeded."""
    join_run(end_group)  # the tasks that KFP started, too: some have not come to join yet
    job = json.loads(Path(job_file).read_text())
    folder = RunFolder(Path(job_file).parent)
    try:
        pipeline = load_job(job, folder)
    except RewatchError as error:
        folder.record.write_object(folder.refusal.name, {"what": error.what, "remedy": error.remedy})
        return 2
    return run(pipeline, job, folder)


def load_job(job: dict[str, Any], folder: RunFolder) -> Any:
    """Compile the job's pipeline to `pipeline.yaml`, note its tasks in `plan.json`, and load it.

    Raises:
        RewatchError: the linter refused it, or `until` names no task.
    """
    from kfp import components

    from pipelines.ir.compilation import compile_pipeline
    from pipelines.ir.prune import planners, task_names

    platform = Platform.model_validate(job["platform"])
    compile_pipeline(load_pipeline(job["pipeline"]), platform, folder.pipeline, until=job["until"])
    plan = {"tasks": task_names(folder.pipeline), "planners": planners(folder.pipeline), "until": job["until"]}
    folder.record.write_object(PLAN, plan)
    return components.load_component_from_file(str(folder.pipeline))


def run(pipeline: Any, job: dict[str, Any], folder: RunFolder) -> int:
    """Run the loaded pipeline under the job's runner; 0 when it succeeded, 1 when a task failed."""
    from kfp import local

    forget_failed(folder.path.parent, Path(job["cache"]))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addFilter(observer := TaskObserver(folder, Path(job["cache"])))
    runner: Any = local.SubprocessRunner(use_venv=False)
    if job["runner"] == "docker":
        from kfp.local import docker_task_handler

        settings, runs = DockerSettings.model_validate(job["docker"]), folder.path.parent
        given = container_arguments(settings, runs, job["arguments"], os.environ, job["keys"])
        runner = local.DockerRunner(**given)
        docker_task_handler.run_docker_container = run_container
    local.init(
        runner,
        pipeline_root=str(folder.artifacts),
        enable_caching=True,
        cache_root=job["cache"],
        raise_on_error=True,
    )
    known = pipeline.pipeline_spec.root.input_definitions.parameters
    try:
        pipeline(**{name: value for name, value in job["arguments"].items() if name in known})
    except RuntimeError as error:
        print(f"pipeline failed: {error}", flush=True)
        observer.conclude()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
