"""From a pipeline to compiled, linted YAML."""

from __future__ import annotations

from pathlib import Path

from pipelines.ir.lint import check
from pipelines.ir.prune import keep_until, task_names
from pipelines.pipeline import Pipeline
from pipelines.platform import Platform


def compile_pipeline(pipeline: Pipeline, platform: Platform, path: Path, until: str = "") -> Path:
    """Compile a pipeline for `platform` into `path`; returns the path.

    Args:
        until: keep only this task, what it needs and the exit task; empty keeps all.

    Raises:
        LintError: KFP would run it wrongly.
        InputError: no task is called `until`, or the pipeline names outputs of tasks that it has not.
    """
    from kfp import compiler

    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(pipeline.build(platform), str(path))
    pipeline.check(task_names(path))
    if until:
        keep_until(path, until)
    check(path)
    return path
