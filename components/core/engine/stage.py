"""What a stage is, and the task that it is given.

A stage is a value (`Stage`) that names its settings, inputs, tables and roles, and a function that is given a `Task`.
The function may be async (stages that ask teachers) or plain (training, gates); a plain one waits for a coroutine with
`task.wait(…)`, always on the same event loop. Run id, addresses and folders are its context's (context.py), never
parameters, so that they do not spoil the orchestrator's cache.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from components.core.data.datasets import Dataset, DatasetWriter
from components.core.data.identity import filed_under
from components.core.data.rows import Row, Video
from components.core.data.settings import StageSettings
from components.core.engine.context import Context
from components.core.engine.mapping import Engine, Item, Outcomes, RecordType, Result, current_counts, in_order
from components.core.engine.progress import Progress
from components.core.engine.record import LEDGER, RunRecord
from components.core.errors import DatasetError, RecordError
from components.core.stores.files import is_s3
from components.core.stores.state import State
from components.core.teachers.budget import budget_of_run
from components.core.teachers.ledger import Ledger

if TYPE_CHECKING:
    from components.core.stores.mirror import Mirror
    from components.core.teachers.client import Teachers
    from components.core.video.frame_service import Footage, FrameService
    from components.core.video.settings import VideoStageSettings

KEPT_FRAMES = "frames"
"""Folder for the frames of students, in the state root where that is one, else in the scratch space."""

SETTLED_WITHIN_S = 60.0
"""How long a task that is told to stop waits for replies in flight. A pod has 120 s in all, of which it needs some to
publish its record."""

SettingsType = TypeVar("SettingsType", bound=StageSettings)
Own = TypeVar("Own", bound=StageSettings, covariant=True)
"""The settings of a task's own stage. A task is read by many and never re-set, so that one with the settings of a stage
stands wherever one with its base's is asked for."""


@dataclass(frozen=True)
class Stage(Generic[SettingsType]):
    """One stage of the pipeline, as its folder defines it.

    Args:
        name: such as `captioning`.
        settings: the model of its section of the profile.
        inputs: names of the datasets and models it reads.
        tables: row type by table of the dataset it writes; empty for stages that write a model.
        run: does the work.
        roles: names of the settings' fields that hold the `RoleSettings` it asks.
        failures_are_final: its failures depend on nothing but its inputs, so that trying again would fail again.
    """

    name: str
    settings: type[SettingsType]
    inputs: tuple[str, ...]
    tables: Mapping[str, type[Row]]
    run: Callable[[Task[SettingsType]], Awaitable[None] | None]
    roles: tuple[str, ...] = ()
    failures_are_final: bool = False

    @property
    def module(self) -> str:
        """The name of the module that defines the stage's work."""
        return self.run.__module__


@dataclass
class Task(Generic[Own]):
    """One run of a stage, over all records or one shard's."""

    stage: Stage[Own]
    name: str
    settings: Own
    shard: str
    inputs: dict[str, Path | list[Path]]
    output: Path
    context: Context
    run_record: RunRecord | None
    """The run's record, where the task belongs to a run."""

    log: logging.Logger
    runner: asyncio.Runner
    metrics: dict[str, float] = field(default_factory=dict)
    """Numbers for the task record and MLflow."""

    info: dict[str, str] = field(default_factory=dict)
    """Words for the task record and the manifest; `info["reader"]` names the frame reader and its version."""

    records: dict[str, int] = field(default_factory=lambda: {"done": 0, "reused": 0, "failed": 0})
    _datasets: dict[Path, Dataset] = field(default_factory=dict)

    @property
    def scratch(self) -> Path:
        """The folder for what may be lost."""
        return Path(self.context.scratch)

    @cached_property
    def state(self) -> State:
        """What outlives the run."""
        return State(self.context.state_root, self.context.scratch)

    @cached_property
    def writer(self) -> DatasetWriter:
        """Writes the task's dataset."""
        return DatasetWriter(self.output, self.stage.tables, part=self.shard)

    @cached_property
    def ledger(self) -> Ledger:
        """Where the task's calls are booked."""
        run, context = self.run_record, self.context
        path = run.continued(f"{LEDGER}/{self.name}.jsonl") if run else None
        return Ledger(path, budget_of_run(context.budget, context.state_root, context.run_id, self.name))

    @cached_property
    def teachers(self) -> Teachers:
        """The teachers that the profile names."""
        from components.core.teachers.client import Teachers

        return Teachers(self.context.endpoints, self.state.calls, self.ledger)

    def paths(self, name: str) -> list[Path]:
        """The folders of an input, one or many."""
        if name not in self.inputs:
            raise DatasetError(
                f"The task '{self.name}' was given no input '{name}'.", f"Pass it: {', '.join(self.stage.inputs)}."
            )
        given = self.inputs[name]
        return given if isinstance(given, list) else [given]

    def datasets(self, name: str) -> list[Dataset]:
        """The datasets of an input, opened once."""
        return [self._open(path) for path in self.paths(name)]

    def dataset(self, name: str) -> Dataset:
        """The dataset of an input that is one folder."""
        found = self.datasets(name)
        if len(found) != 1:
            raise DatasetError(f"The input '{name}' of '{self.name}' is {len(found)} datasets, not one.")
        return found[0]

    def rows(self, name: str, table: str) -> Iterator[Any]:
        """The good rows of a table of an input: this shard's, or all."""
        for dataset in self.datasets(name):
            yield from dataset.rows(table, self.shard)

    def write(self, table: str, rows: Row | Iterable[Row], part: str = "") -> None:
        """Write rows to the task's dataset; `part` names another shard's part, for tasks that merge shards."""
        self.writer.write(table, rows, part)

    def carry_failures(self, name: str) -> None:
        """Repeat the failed records of an input, this shard's: the gate after a loop sees its last task alone."""
        for dataset in self.datasets(name):
            for failure in dataset.failures(self.shard):
                self.writer.write("failures", failure)

    async def map(
        self,
        records: Iterable[RecordType],
        process: Callable[[RecordType, Self], Awaitable[Outcomes]],
        key: Callable[[RecordType], Any] | None = None,
        total: int | None = None,
        part: Callable[[RecordType], str] | None = None,
    ) -> None:
        """Run `process(record, task)` over records, many at once, and write the rows it returns.

        `process` returns rows, or pairs of table and row where a row type belongs to several tables. `key` gives what a
        record's result depends on beside settings and code, as a JSON value, where `record.digest()` is not enough;
        `part` the part that its rows belong to, for tasks that write those of several shards.
        """
        if total is None and isinstance(records, Sized):
            total = len(records)
        progress = Progress(self.name, total, self.ledger.total, self.log)
        engine = Engine(
            stage=self.stage.name,
            key=filed_under(self.stage.module, self.settings.digest()),
            tables=dict(self.stage.tables),
            records=self.state.records,
            settings=self.settings.work,
            progress=progress,
            is_whole=not self.shard,
            write=self._write_outcome,
            count=self._add_to_metric,
        )
        try:
            await engine.map(records, lambda record: process(record, self), key, part)
        finally:
            progress.close()
            for name in self.records:
                self.records[name] += getattr(progress, name)

    async def collect(
        self, items: Sequence[Item], process: Callable[[Item], Awaitable[Result]]
    ) -> list[Result | RecordError]:
        """`process(item)` of each, as many at once as `map` has records, in order: for what makes no rows.

        Nothing is stored but the calls it makes; an item that fails is its error, which is for the stage to count.
        """
        progress = Progress(self.name, len(items), self.ledger.total, self.log)

        async def outcome(item: Item) -> Result | RecordError:
            try:
                return await process(item)
            except RecordError as error:
                return error

        collected = []
        try:
            async with aclosing(in_order(items, outcome, self.settings.work.concurrency)) as outcomes:
                async for one in outcomes:
                    progress.advance(failed=isinstance(one, RecordError))
                    collected.append(one)
        finally:
            progress.close()
        return collected

    def count(self, **amounts: float) -> None:
        """Add to metrics of these names. Inside `map`, amounts are kept with the finished record, so that a later run
        that reuses the record reports the same totals."""
        counted = current_counts.get()
        for name, amount in amounts.items():
            if counted is None:
                self._add_to_metric(name, amount)
            else:
                counted[name] += amount  # type: ignore[assignment]  # a Counter holds any number

    @cached_property
    def frame_service(self: Task[VideoStageSettings]) -> FrameService:
        """Where frames come from."""
        from components.core.video.frame_service import FrameService

        kept = self.scratch if is_s3(self.state.root) else Path(self.state.root)
        decoders = self.settings.work.decoders
        return FrameService(self.settings.video, self.scratch, decoders=decoders, kept=kept / KEPT_FRAMES)

    def footage(self: Task[VideoStageSettings], video: Video, reads: int | None = None) -> Footage:
        """A video that is looked at more than once; see `Footage`."""
        from components.core.video.frame_service import Footage

        return Footage(video, self.frame_service, self.state.readings, reads)

    def wait(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine from a plain (not async) stage, on the task's event loop."""
        return self.runner.run(coroutine)

    def checkpoints(self, key: str) -> Mirror:
        """The folder where training with this key keeps its checkpoints across runs, and across machines."""
        return self.state.checkpoints(key)

    def run(self) -> None:
        """Do the stage's work."""
        result = self.stage.run(self)
        if inspect.isawaitable(result):
            self.runner.run(_awaited(result))

    async def settle(self) -> None:
        """Wait for the replies in flight, told to stop: they are paid for, and stored as they come."""
        if "teachers" in self.__dict__ and (stored := await self.teachers.settle(SETTLED_WITHIN_S)):
            self.log.warning("told to stop: %d replies that were in flight are stored", stored)

    async def close(self) -> None:
        """Release teachers, frame readers and stores."""
        if "teachers" in self.__dict__:
            await self.teachers.close()
        if (frames := self.__dict__.pop("frame_service", None)) is not None:
            frames.close()
        self.state.close()

    def _add_to_metric(self, name: str, amount: float) -> None:
        self.metrics[name] = self.metrics.get(name, 0) + amount

    def _open(self, path: Path) -> Dataset:
        if path not in self._datasets:
            self._datasets[path] = Dataset(path)
        return self._datasets[path]

    def _write_outcome(self, table: str, row: Row, part: str) -> None:
        self.writer.write(table, row, part)
        if row.outcome == "failed":
            self.log.warning("%s failed: %s", row.id, row.reason)


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable
