"""A third pipeline, all of it in this file: notes are read, a gate passes them, and their words are counted.

It stands for what a newcomer adds: settings, stages, components, and the value `PIPELINE`. Nothing outside this file
knows it; `pipeline: tests.pipelines.notes` in notes.yaml chooses it.
"""

from typing import Any

from pydantic import Field

from components.core.data.outline import Output
from components.core.data.rows import Failure, Outcome, Summary
from components.core.data.settings import StageSettings
from components.core.engine.stage import Stage, Task
from components.quality_gates.checks import Figure
from components.quality_gates.gate import decide
from components.reporting.settings import ReportingSettings
from pipelines.pipeline import Pipeline
from pipelines.platform import Platform


class ReadingSettings(StageSettings):
    """Which files are notes."""

    suffix: str = ".txt"
    """What their names end in."""


class GateSettings(StageSettings):
    """What notes must hold."""

    min_kept: float = Field(default=0.3, ge=0, le=1)
    """Notes that say something / files, at least."""


def read_notes(task: Task[ReadingSettings]) -> None:
    """Read every note; an empty one is refused, one that is no text failed."""
    for path in sorted(task.paths("videos")[0].glob(f"*{task.settings.suffix}")):
        try:
            text = path.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError as error:
            reason = f"no text: {error.reason}"
            task.write("notes", Failure(record_id=path.name, stage="reading", error="NotText", reason=reason))
            continue
        note = Summary(video_id=path.stem, text=text)
        refused = {"outcome": Outcome.REJECTED, "reason": "it is empty"}
        task.write("notes", note if text else note.model_copy(update=refused))


def gate_notes(task: Task[GateSettings]) -> None:
    """Pass the notes that were read, or refuse all of them."""
    read = task.dataset("read")
    task.write("notes", read.rows("notes"))
    task.write("notes", read.rejected("notes"))
    rows = read.manifest.rows
    kept, tried = rows["ok"], sum(rows.values())
    share = Figure("kept", "notes kept / files", kept / tried, tried, "files", minimum=task.settings.min_kept)
    decide(task, "notes", [share], [], {"kept": kept})


def count_words(task: Task[StageSettings]) -> None:
    """Say of each note how many words it has."""
    for note in task.rows("notes", "notes"):
        words = len(note.text.split())
        task.write("counts", Summary(video_id=note.video_id, text=f"{words} words"))
        task.count(words=words)


READ = Stage("reading", ReadingSettings, ("videos",), {"notes": Summary}, read_notes)
GATE = Stage("notes_gate", GateSettings, ("read",), {"notes": Summary}, gate_notes)
COUNT = Stage("counting", StageSettings, ("notes",), {"counts": Summary}, count_words)


def build(platform: Platform) -> Any:
    """Read, gate, count, report; `finish` whatever happens."""
    from kfp import dsl
    from kfp.dsl import Dataset, Input, Output

    from components.reporting.component import finish, report_on

    component = dsl.component(base_image="example.org/notes-python:1", install_kfp_package=False)

    @component
    def read(videos: str, settings: str, made: Output[Dataset]):
        from components.core.engine.run import run_task
        from tests.pipelines.notes import READ

        run_task(READ, settings=settings, inputs={"videos": videos}, output=made.path, name="read")

    @component
    def gate_notes(settings: str, read: Input[Dataset], notes: Output[Dataset]):
        from components.core.engine.run import run_task
        from tests.pipelines.notes import GATE

        run_task(GATE, settings=settings, inputs={"read": read.path}, output=notes.path, name="gate-notes")

    @component
    def count(settings: str, notes: Input[Dataset], counts: Output[Dataset]):
        from components.core.engine.run import run_task
        from tests.pipelines.notes import COUNT

        run_task(COUNT, settings=settings, inputs={"notes": notes.path}, output=counts.path, name="count")

    place, told = platform.place, PIPELINE.outline.model_dump_json()
    report = report_on("notes", "counts")

    @dsl.pipeline(name="notes-body")
    def body(videos: str, reading: str, gate: str, counting: str, reporting: str) -> None:
        made = place(read(videos=videos, settings=reading), "data")
        passed = place(gate_notes(settings=gate, read=made.output), "gate")
        counted = place(count(settings=counting, notes=passed.output), "data")
        told_of = {"notes": passed.output, "counts": counted.output}
        place(report(settings=reporting, pipeline=told, **told_of), "data").set_caching_options(False)

    @dsl.pipeline(name="notes")
    def notes(videos: str, reading: str, gate: str, counting: str, reporting: str) -> None:
        ending = place(finish(settings=reporting, pipeline=told), "data").set_caching_options(False)
        with dsl.ExitHandler(ending, name="notes"):
            body(videos=videos, reading=reading, gate=gate, counting=counting, reporting=reporting)

    return notes


PIPELINE = Pipeline(
    name="notes",
    contents="Notes and the number of their words",
    build=build,
    stages={
        "reading": ReadingSettings(),
        "gate": GateSettings(),
        "counting": StageSettings(),
        "reporting": ReportingSettings(),
    },
    outputs=(
        Output(task="read", name="read", passed="read"),
        Output(task="gate-notes", name="notes", kind="gate", passed="passed"),
        Output(task="count", name="counts", passed="counted"),
    ),
)
