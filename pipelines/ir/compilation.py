"""From a DAG's builder to compiled, linted YAML."""

from __future__ import annotations

import importlib
from pathlib import Path

from pipelines.ir.lint import check
from pipelines.ir.prune import keep_until
from pipelines.platform import Platform

REWATCH = "pipelines.rewatch:build"


def compile_pipeline(platform: Platform, path: Path, builder: str = REWATCH, until: str = "") -> Path:
    """Compile the pipeline that `builder` (`module:function`) makes for `platform` into `path`; returns the path.

    Args:
        until: keep only this task, what it needs and the exit task; empty keeps all.

    Raises:
        LintError: KFP would run it wrongly.
        InputError: no task is called `until`.
    """
    from kfp import compiler

    module, _, function = builder.partition(":")
    pipeline = getattr(importlib.import_module(module), function)(platform)
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(pipeline, str(path))
    if until:
        keep_until(path, until)
    check(path)
    return path
