"""From a pipeline to compiled, linted YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.ir.lint import Compiled, check
from pipelines.ir.prune import keep_until, task_names
from pipelines.ir.shorten import shorten
from pipelines.pipeline import Pipeline
from pipelines.platform import Platform


def compile_pipeline(
    pipeline: Pipeline, platform: Platform, path: Path, until: str = "", defaults: Mapping[str, str] | None = None
) -> Path:
    """Compile a pipeline for `platform` into `path`; returns the path.

    Args:
        defaults: values of the pipeline's parameters where a run names none, as one that is started in KFP's pages.
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
    _finish(path, defaults or {})
    check(path)
    return path


def _finish(path: Path, defaults: Mapping[str, str]) -> None:
    """Give the pipeline's parameters their defaults and a word on what they are; leave out what no machine reads."""
    import yaml

    compiled = Compiled.read(path)
    shorten(compiled.ir)
    for name, parameter in compiled.ir["root"].get("inputDefinitions", {}).get("parameters", {}).items():
        if name in defaults:
            about = "Where the videos are." if name == "videos" else f"The profile's settings of {name}, JSON."
            parameter |= {"defaultValue": defaults[name], "isOptional": True, "description": about}
    documents = [compiled.ir, *([compiled.platform] if compiled.platform else [])]
    path.write_text(yaml.safe_dump_all(documents, sort_keys=True))
