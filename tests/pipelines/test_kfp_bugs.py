"""Pins what KFP's local runner gets wrong without a word. Strict: the day KFP is fixed, the test says so.

Each test runs a tiny pipeline and asserts what a user would expect. `pipelines/ir/lint.py` refuses the shapes.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEADER = """
import sys
from typing import Dict, List, NamedTuple
from kfp import dsl, local
from kfp.dsl import Artifact, Input, Output
component = dsl.component(base_image="example.org/python:1", install_kfp_package=False)

@component
def names() -> List[str]:
    return ["A0", "A1"]

@component
def word() -> str:
    return "OUTER"

@component
def note(first: str, second: str, folder: str):
    import os, uuid
    with open(os.path.join(folder, uuid.uuid4().hex), "w") as file:
        file.write(first + " " + second)
"""
FOOTER = """
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1] + "/root")
notes = sys.argv[1] + "/notes"
pipeline(folder=notes)
"""


def notes_of(tmp_path: Path, source: str, dies_of: str = "") -> list[str]:
    """Run a pipeline called `pipeline` in a process of its own; what its tasks noted, sorted.

    Raises:
        RuntimeError: the process failed, and not of the pinned error `dies_of`: the pin would prove nothing.
    """
    notes = tmp_path / "notes"
    notes.mkdir()
    script = tmp_path / "script.py"
    script.write_text(HEADER + textwrap.dedent(source) + FOOTER)
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False)
    if done.returncode and not (dies_of and dies_of in done.stderr):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return sorted(path.read_text() for path in notes.iterdir())


def pinned(number: int, why: str) -> pytest.MarkDecorator:
    """A strict xfail: a wrong result is expected, any other error is not."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"KFP 2.17 [{number}]: {why}")


@pinned(1, "a parameter from an outer task becomes the loop item")
def test_a_loop_body_receives_an_outer_parameter(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            outer, items = word(), names()
            with dsl.ParallelFor(items.output) as item:
                note(first=item, second=outer.output, folder=folder)
        """,
    )
    assert found == ["A0 OUTER", "A1 OUTER"]


@pinned(2, "the outer loop's item is replaced by the inner one's")
def test_nested_loops_give_every_pair(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @component
        def others() -> List[str]:
            return ["B0", "B1"]

        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            outer_items, inner_items = names(), others()
            with dsl.ParallelFor(outer_items.output) as outer:
                with dsl.ParallelFor(inner_items.output) as inner:
                    note(first=outer, second=inner, folder=folder)
        """,
    )
    assert found == ["A0 B0", "A0 B1", "A1 B0", "A1 B1"]


@pinned(3, "a loop over a named output cannot find it")
def test_a_loop_runs_over_a_named_output(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @component
        def named() -> NamedTuple("Outputs", [("items", List[str])]):
            return (["A0", "A1"],)

        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            planned = named()
            with dsl.ParallelFor(planned.outputs["items"]) as item:
                note(first=item, second="", folder=folder)
        """,
        dies_of="'pipelinechannel--named-items' not found",
    )
    assert found == ["A0 ", "A1 "]


@pinned(4, "an empty list and Collected end in a ValueError")
def test_an_empty_loop_collects_nothing(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @component
        def nothing() -> List[str]:
            return []

        @component
        def echo(text: str) -> str:
            return text

        @component
        def count(texts: List[str], folder: str):
            with open(folder + "/count", "w") as file:
                file.write(str(len(texts)))

        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            items = nothing()
            with dsl.ParallelFor(items.output) as item:
                echoed = echo(text=item)
            count(texts=dsl.Collected(echoed.output), folder=folder)
        """,
        dies_of="task 'for-loop-1' not found",
    )
    assert found == ["0"]


@pinned(5, "integers in lists become floats")
def test_integers_stay_integers_in_lists(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @component
        def numbers() -> List[int]:
            return [1, 2]

        @component
        def show(values: List[int], folder: str):
            with open(folder + "/values", "w") as file:
                file.write(str(values))

        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            show(values=numbers().output, folder=folder)
        """,
    )
    assert found == ["[1, 2]"]


@pinned(6, "choosing between artifacts raises, and the exit task does not run")
def test_the_exit_task_runs_after_a_choice_between_artifacts(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @component
        def make(out: Output[Artifact]):
            open(out.path, "w").write("x")

        @component
        def flip() -> bool:
            return True

        @component
        def use(chosen: Input[Artifact]):
            open(chosen.path).read()

        @dsl.pipeline
        def choose() -> Artifact:
            decision = flip()
            with dsl.If(decision.output == True):
                left = make()
            with dsl.Else():
                right = make()
            return dsl.OneOf(left.outputs["out"], right.outputs["out"])

        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            with dsl.ExitHandler(note(first="exit", second="ran", folder=folder)):
                use(chosen=choose().output)
        """,
        dies_of="Expected 1 artifact in ArtifactSelectorSpec. Got: 2",
    )
    assert found == ["exit ran"]


@pinned(9, "the text python3 in a parameter becomes the interpreter's path")
def test_a_parameter_may_hold_the_word_python3(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @dsl.pipeline(name="p")
        def pipeline(folder: str, text: str = "/opt/python3/films"):
            note(first=text, second="", folder=folder)
        """,
    )
    assert found == ["/opt/python3/films "]


@pinned(20, "an exit task is cached like any other, so the third identical run says nothing")
def test_an_exit_task_runs_every_time(tmp_path: Path) -> None:
    found = notes_of(
        tmp_path,
        """
        @dsl.pipeline(name="p")
        def pipeline(folder: str):
            with dsl.ExitHandler(note(first="exit", second="ran", folder=folder)):
                word()

        root = sys.argv[1] + "/root"
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root, enable_caching=True)
        pipeline(folder=sys.argv[1] + "/notes")
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=root, enable_caching=True)
        pipeline(folder=sys.argv[1] + "/notes")
        sys.exit()
        """,
    )
    assert found == ["exit ran", "exit ran"]


def test_what_the_real_pipeline_relies_on_holds(tmp_path: Path) -> None:
    """The control: items, pipeline parameters and order are right, so the tests above fail for their own reason."""
    found = notes_of(
        tmp_path,
        """
        @dsl.pipeline(name="p")
        def pipeline(folder: str, text: str = "parameter"):
            items = names()
            with dsl.ParallelFor(items.output) as item:
                note(first=item, second=text, folder=folder)
        """,
    )
    assert found == ["A0 parameter", "A1 parameter"]
