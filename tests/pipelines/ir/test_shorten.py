"""What no machine reads is taken out of the compiled pipeline, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

from pipelines.ir.compilation import compile_pipeline
from pipelines.ir.lint import Compiled
from pipelines.ir.shorten import without_docstrings
from pipelines.platform import Platform
from pipelines.rewatch import PIPELINE


def test_tasks_travel_without_words_and_the_pipelines_own_parameters_with_them(tmp_path: Path) -> None:
    compiled = Compiled.read(compile_pipeline(PIPELINE, Platform(), tmp_path / "p.yaml", defaults={"videos": "s3://v"}))
    assert "description" not in str(compiled.ir["components"])
    assert compiled.ir["root"]["inputDefinitions"]["parameters"]["videos"]["description"] == "Where the videos are."
    sources = [container["command"][-1] for _, container in compiled.executors()]
    assert len(sources) == 18 and not any('"""' in source for source in sources)
    caption = next(source for source in sources if "def caption(" in source)
    assert "run_task(" in caption and ast.parse(caption)


def test_only_docstrings_go_from_a_source() -> None:
    source = 'def one(a: int) -> int:\n    """Words.\n\n    More.\n    """\n    told = """kept"""\n    return a\n'
    told = "def only():\n    '''Nothing but words.'''\n"
    assert without_docstrings(source) == 'def one(a: int) -> int:\n    told = """kept"""\n    return a\n'
    assert without_docstrings(told) == told
