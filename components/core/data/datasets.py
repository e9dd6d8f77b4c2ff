"""A dataset: what one task writes and the next reads.

    <table>/<part>.parquet            good rows
    rejected/<table>/<part>.parquet   rows that were refused, with their reasons
    failures/<part>.parquet           records that could not be processed
    manifest.json                     written last: a dataset without it is not finished

A part is named by its shard (`s00000-<digest>` is filed as `s00000`), so that a shard's task reads its own part alone.
Rows are streamed in row groups; memory does not grow with the dataset (32 bytes per row are kept for the digest).
The content digest is a sha256 over the sorted digests of the rows: neither their order nor file names matter.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.data import rows as row_types
from components.core.data.columns import RowColumns, columns_of, table_of
from components.core.data.manifest import MANIFEST_NAME, Manifest, TableInfo, read_manifest, write_manifest
from components.core.data.rows import Failure, Outcome, Row, digest_of
from components.core.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow.parquet

WHOLE = "part-00000"
ROWS_PER_GROUP = 1024


def part_of(shard: str) -> str:
    """File name of a shard's part, without the digest of the shard's members."""
    return shard.split("-")[0] if shard and not shard.startswith("part-") else shard or WHOLE


@dataclass
class _Sink:
    """One parquet file being written, and what was written to its table so far."""

    path: Path
    columns: RowColumns
    pending: list[dict[str, Any]] = field(default_factory=list)
    writer: pyarrow.parquet.ParquetWriter | None = None

    @property
    def partial(self) -> Path:
        return self.path.with_name(f".{self.path.name}.partial")

    def add(self, record: dict[str, Any]) -> None:
        self.pending.append(self.columns.encode(record) if self.columns.encode else record)
        if len(self.pending) >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow.parquet

        if self.writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.writer = pyarrow.parquet.ParquetWriter(self.partial, self.columns.schema, compression="zstd")
        if self.pending:
            self.writer.write_table(table_of(self.pending, self.columns.schema))
            self.pending = []

    def close(self) -> None:
        self.flush()
        if self.writer is not None:
            self.writer.close()
            self.partial.replace(self.path)


class DatasetWriter(AbstractContextManager["DatasetWriter"]):
    """Writes one dataset; leaving the context without `close()` leaves a folder without a manifest.

    Args:
        path: the folder; what an unfinished attempt left there is removed.
        tables: row type by table name.
        part: part to write to where `write` names none, usually the task's shard.

    Raises:
        OSError: if the folder cannot be written.
    """

    def __init__(self, path: Path | str, tables: Mapping[str, type[Row]], part: str = "") -> None:
        self.path = Path(path)
        self.tables = dict(tables)
        self.part = part_of(part)
        self._sinks: dict[tuple[str, str], _Sink] = {}
        self._digests: dict[str, list[bytes]] = {}
        self._counts = {"ok": 0, "rejected": 0, "failed": 0}
        self._teachers: set[str] = set()
        self._prompts: set[str] = set()
        self._clear()

    def write(self, table: str, rows: Row | Iterable[Row], part: str = "") -> None:
        """Write rows, each where its outcome belongs; a `Failure` may be written through any table."""
        for row in [rows] if isinstance(rows, Row) else rows:
            self._write(table, row, part_of(part) if part else self.part)

    def close(self, manifest: Manifest) -> Manifest:
        """Finish every file, then write the manifest: `manifest` completed with counts, digests and parts."""
        for table in self.tables:
            if not any(where == table for where, _ in self._sinks):
                self._sink(table, table, self.part)
        for sink in self._sinks.values():
            sink.close()
        tables = {table: self._table_info(table, row_type) for table, row_type in self.tables.items()}
        content = [[table, info.digest, info.rejected_digest] for table, info in sorted(tables.items())]
        complete = manifest.model_copy(
            update={
                "digest": digest_of(content),
                "tables": tables,
                "rows": dict(self._counts),
                "teachers": manifest.teachers or {teacher: teacher for teacher in sorted(self._teachers)},
                "prompt_digests": tuple(sorted(self._prompts | set(manifest.prompt_digests))),
            }
        )
        write_manifest(self.path, complete)
        return complete

    @property
    def counts(self) -> dict[str, int]:
        """Rows written so far by outcome."""
        return dict(self._counts)

    def __exit__(self, *_: object) -> None:
        for sink in self._sinks.values():
            if sink.writer is not None and sink.writer.is_open:
                sink.writer.close()
                sink.partial.unlink(missing_ok=True)

    def _write(self, table: str, row: Row, part: str) -> None:
        if isinstance(row, Failure):
            self._counts["failed"] += 1
            self._sink("failures", "failures", part, Failure).add(row.model_dump(mode="json"))
            return
        if table not in self.tables or type(row) is not self.tables[table]:
            raise DatasetError(
                f"A {type(row).__name__} was written to table '{table}' of {self.path.name}, "
                f"which holds {', '.join(f'{name}: {kind.__name__}' for name, kind in self.tables.items())}.",
                "Correct the stage's `tables`.",
            )
        kept = row.outcome is Outcome.OK
        self._counts[str(row.outcome)] += 1
        where = table if kept else f"rejected/{table}"
        self._digests.setdefault(where, []).append(bytes.fromhex(row.digest()))
        self._sink(where, table, part).add(row.model_dump(mode="json"))
        if row.lineage.teacher:
            self._teachers.add(row.lineage.teacher)
        if row.lineage.prompt_digest:
            self._prompts.add(row.lineage.prompt_digest)

    def _sink(self, where: str, table: str, part: str, row_type: type[Row] | None = None) -> _Sink:
        sink = self._sinks.get((where, part))
        if sink is None:
            columns = columns_of(row_type or self.tables[table])
            sink = self._sinks[where, part] = _Sink(self.path / where / f"{part}.parquet", columns)
        return sink

    def _table_info(self, table: str, row_type: type[Row]) -> TableInfo:
        good, refused = self._digests.get(table, []), self._digests.get(f"rejected/{table}", [])
        return TableInfo(
            row=row_type.__name__,
            version=row_type.schema_version,
            ok=len(good),
            rejected=len(refused),
            digest=_digest(good),
            rejected_digest=_digest(refused),
            parts=tuple(sorted(part for where, part in self._sinks if where == table)),
        )

    def _clear(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / MANIFEST_NAME).unlink(missing_ok=True)
        for name in ("rejected", "failures", *self.tables):
            shutil.rmtree(self.path / name, ignore_errors=True)


class Dataset:
    """A finished dataset.

    Raises:
        DatasetError: if it is missing or unfinished.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(self.path)

    def rows(self, table: str, part: str = "") -> Iterator[Any]:
        """The good rows of a table, of one shard's part or of all parts in order, read one row group at a time."""
        info = self._info(table)
        if part and info.ok and WHOLE in info.parts and len(info.parts) == 1 and part_of(part) != WHOLE:
            raise DatasetError(
                f"Table '{table}' of {self.path} is not split by shard, so shard '{part}' cannot be read from it.",
                f"The stage '{self.manifest.stage}' should write it in parts named by shard.",
            )
        return self._read(table, row_type_named(info.row), part)

    def rejected(self, table: str, part: str = "") -> Iterator[Any]:
        """The rejected rows of a table."""
        return self._read(f"rejected/{table}", row_type_named(self._info(table).row), part)

    def failures(self, part: str = "") -> Iterator[Failure]:
        """The records that could not be processed."""
        return self._read("failures", Failure, part)

    def files(self, table: str) -> list[str]:
        """The parquet files of a table, as `datasets.load_dataset("parquet", data_files=…)` takes them."""
        return [str(path) for path in sorted((self.path / table).glob("*.parquet"))]

    def _info(self, table: str) -> TableInfo:
        if table not in self.manifest.tables:
            raise DatasetError(
                f"The dataset at {self.path} has no table '{table}', only {sorted(self.manifest.tables)}.",
                "Pass the output of the task that writes that table.",
            )
        return self.manifest.tables[table]

    def _read(self, where: str, row_type: type[Row], part: str) -> Iterator[Any]:
        import pyarrow.parquet

        columns = columns_of(row_type)
        for path in sorted((self.path / where).glob(f"{part_of(part)}.parquet" if part else "*.parquet")):
            with pyarrow.parquet.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    for record in file.read_row_group(group).to_pylist():
                        yield row_type.model_validate(columns.decode(record) if columns.decode else record)


def row_type_named(name: str) -> type[Row]:
    """The row class a manifest names; those outside `core.data.rows` are known once their module was imported."""
    known = getattr(row_types, name, None)
    if isinstance(known, type) and issubclass(known, Row):
        return known
    for row_type in _subclasses(Row):
        if row_type.__name__ == name:
            return row_type
    raise DatasetError(f"Rows of type '{name}' are not known here.", "Import the module that defines them first.")


def _subclasses(row_type: type[Row]) -> Iterator[type[Row]]:
    for subclass in row_type.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _digest(digests: list[bytes]) -> str:
    total = hashlib.sha256()
    for digest in sorted(digests):
        total.update(digest)
    return total.hexdigest()
