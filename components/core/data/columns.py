"""Parquet columns derived from a row's pydantic fields.

Types come from annotations, never from values, so that an empty list or an empty table has the same schema as a full
one and all parts of a table load together. What parquet has no type for (dicts, unions, Any) is kept as JSON text.
"""

from __future__ import annotations

import enum
import io
import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from components.core.data.rows import canonical_json

if TYPE_CHECKING:
    import pyarrow

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Column:
    """An arrow type, and how a JSON value enters and leaves it; None where it passes unchanged."""

    type: pyarrow.DataType
    encode: Convert | None = None
    decode: Convert | None = None


@dataclass(frozen=True)
class RowColumns:
    """The columns of one row type."""

    schema: pyarrow.Schema
    encode: Convert | None
    decode: Convert | None


@cache
def columns_of(row_type: type[BaseModel]) -> RowColumns:
    """The parquet schema of a row type and its converters between `model_dump(mode="json")` and a parquet record."""
    import pyarrow

    columns = {name: _column(field.annotation) for name, field in row_type.model_fields.items()}
    schema = pyarrow.schema([pyarrow.field(name, column.type) for name, column in columns.items()])
    return RowColumns(
        schema,
        _by_key({name: column.encode for name, column in columns.items()}),
        _by_key({name: column.decode for name, column in columns.items()}),
    )


def table_of(records: list[dict[str, Any]], schema: pyarrow.Schema) -> pyarrow.Table:
    """An arrow table of records. They pass through JSON: arrow's way from Python objects would import pandas."""
    import pyarrow.json

    text = "\n".join(json.dumps(record) for record in records).encode()
    parsing = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    reading = pyarrow.json.ReadOptions(block_size=len(text) + 1, use_threads=False)
    return pyarrow.json.read_json(io.BytesIO(text), read_options=reading, parse_options=parsing).select(schema.names)


def _column(annotation: Any) -> Column:
    import pyarrow

    origin, arguments = get_origin(annotation), get_args(annotation)
    scalars = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    if annotation in scalars:
        return Column(scalars[annotation])
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return Column(pyarrow.string())
    if origin is Literal and all(isinstance(value, str) for value in arguments):
        return Column(pyarrow.string())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation.model_fields:
        return _struct(annotation)
    if origin is list or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        item = _column(arguments[0])
        return Column(pyarrow.list_(item.type), _each(item.encode), _each(item.decode))
    if origin in (Union, types.UnionType):
        members = [member for member in arguments if member is not type(None)]
        if len(members) == 1:
            inner = _column(members[0])
            return Column(inner.type, _unless_none(inner.encode), _unless_none(inner.decode))
    return Column(pyarrow.string(), canonical_json, json.loads)


def _struct(model: type[BaseModel]) -> Column:
    import pyarrow

    columns = {name: _column(field.annotation) for name, field in model.model_fields.items()}
    return Column(
        pyarrow.struct([pyarrow.field(name, column.type) for name, column in columns.items()]),
        _by_key({name: column.encode for name, column in columns.items()}),
        _by_key({name: column.decode for name, column in columns.items()}),
    )


def _each(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda items: [convert(item) for item in items]


def _unless_none(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: None if value is None else convert(value)


def _by_key(converters: dict[str, Convert | None]) -> Convert | None:
    active = {name: convert for name, convert in converters.items() if convert is not None}
    if not active:
        return None
    return lambda record: {name: active[name](value) if name in active else value for name, value in record.items()}
