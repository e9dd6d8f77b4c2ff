"""Datasets: what is written is what is read, complete or not there, and its digest is about content alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.data.columns import columns_of, table_of
from components.core.data.datasets import Dataset, DatasetWriter
from components.core.data.manifest import Manifest, write_atomically
from components.core.data.rows import (
    Failure,
    Lineage,
    Outcome,
    Question,
    QuestionType,
    Row,
    Span,
    Step,
    Summary,
    Trajectory,
)
from components.core.errors import DatasetError

EMPTY = Manifest(stage="test", digest="")


def summary(number: int, **fields: Any) -> Summary:
    return Summary(video_id=f"v{number}", text=f"text {number}", **fields)


def write(folder: Path, rows: list[Summary], part: str = "") -> Manifest:
    with DatasetWriter(folder, {"summaries": Summary}, part) as writer:
        writer.write("summaries", rows)
        return writer.close(EMPTY)


TRAJECTORY = Trajectory(
    trajectory_id="t1",
    question_id="q1",
    video_id="v1",
    steps=(
        Step(thought="où?", action="segment_query", argument="00:03", observation='a "red" circle', event_ids=("e1",)),
        Step(thought="", action="segment_retrieval", argument="x", observation=""),
    ),
    answer="yellow",
    lineage=Lineage(parents=("q1",), teacher="m@1", prompt_digest="p", request_keys=("k1", "k2")),
)


def test_nested_rows_come_back_equal(tmp_path: Path) -> None:
    bare = Trajectory(trajectory_id="t2", question_id="q1", video_id="v1", steps=(), answer="")
    with DatasetWriter(tmp_path, {"trajectories": Trajectory}) as writer:
        writer.write("trajectories", [TRAJECTORY, bare])
        writer.close(EMPTY)
    assert list(Dataset(tmp_path).rows("trajectories")) == [TRAJECTORY, bare]


class Odd(Row):
    """A row with the kinds of field that parquet has no fixed type for."""

    id_field: ClassVar[str] = "odd_id"

    odd_id: str
    anything: dict[str, Any]
    maybe: float | None = None
    either: int | str = 0
    grid: tuple[tuple[int, ...], ...] = ()


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
odd_rows = st.builds(
    Odd,
    odd_id=texts,
    anything=st.dictionaries(texts, st.none() | st.integers(-(2**40), 2**40) | texts, max_size=3),
    maybe=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    either=st.integers(-(2**53), 2**53) | texts,
    grid=st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(tuple), max_size=3).map(tuple),
)


@given(st.lists(odd_rows, max_size=5))
def test_any_row_survives_its_columns(rows: list[Odd]) -> None:
    columns = columns_of(Odd)
    assert columns.encode is not None and columns.decode is not None
    if not rows:
        return
    table = table_of([columns.encode(row.model_dump(mode="json")) for row in rows], columns.schema)
    assert table.schema == columns.schema
    assert [Odd.model_validate(columns.decode(record)) for record in table.to_pylist()] == rows


def test_rows_go_where_their_outcome_belongs(tmp_path: Path) -> None:
    rejected = summary(2, outcome=Outcome.REJECTED, reason="gives the answer away")
    failure = Failure(record_id="v3", stage="test", error="VideoError", reason="unreadable")
    with DatasetWriter(tmp_path, {"summaries": Summary}, "s00001-abcdef") as writer:
        writer.write("summaries", [summary(1), rejected])
        writer.write("summaries", failure)
        manifest = writer.close(EMPTY)
    dataset = Dataset(tmp_path)
    assert list(dataset.rows("summaries")) == [summary(1)]
    assert list(dataset.rejected("summaries")) == [rejected]
    assert list(dataset.failures()) == [failure]
    assert manifest.rows == {"ok": 1, "rejected": 1, "failed": 1}
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")) == [
        "failures/s00001.parquet",
        "rejected/summaries/s00001.parquet",
        "summaries/s00001.parquet",
    ]


def test_the_digest_is_about_content_not_order_parts_or_lineage(tmp_path: Path) -> None:
    rows = [summary(number) for number in range(50)]
    shuffled = random.Random(1).sample(rows, len(rows))
    elsewhere = [row.model_copy(update={"lineage": Lineage(parents=("x",))}) for row in shuffled]
    one, two = write(tmp_path / "one", rows), write(tmp_path / "two", elsewhere, part="s00007")
    assert one.digest == two.digest
    assert write(tmp_path / "three", rows[1:]).digest != one.digest
    assert write(tmp_path / "four", [*rows[1:], summary(99)]).digest != one.digest


def test_a_rejected_row_changes_the_digest_and_a_failure_does_not(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", [summary(1)])
    refused = write(tmp_path / "refused", [summary(1), summary(2, outcome=Outcome.REJECTED)])
    with DatasetWriter(tmp_path / "failed", {"summaries": Summary}) as writer:
        writer.write("summaries", [summary(1)])
        writer.write("summaries", Failure(record_id="v9", stage="test", error="VideoError"))
        failed = writer.close(EMPTY)
    assert refused.digest != plain.digest
    assert failed.digest == plain.digest


def test_a_shard_reads_its_own_part_alone(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, {"summaries": Summary}) as writer:
        for number in range(6):
            writer.write("summaries", summary(number), part=f"s0000{number % 2}-{number}")
        writer.close(EMPTY)
    dataset = Dataset(tmp_path)
    assert [row.video_id for row in dataset.rows("summaries", "s00001-deadbeef")] == ["v1", "v3", "v5"]
    assert list(dataset.rows("summaries", "s00009")) == []
    assert len(list(dataset.rows("summaries"))) == 6


def test_a_table_that_is_not_split_cannot_be_read_by_shard(tmp_path: Path) -> None:
    write(tmp_path, [summary(1)])
    with pytest.raises(DatasetError, match="not split by shard"):
        Dataset(tmp_path).rows("summaries", "s00001")


def test_an_unfinished_dataset_is_refused_with_who_should_have_made_it(tmp_path: Path) -> None:
    folder = tmp_path / "captions"
    with DatasetWriter(folder, {"summaries": Summary}) as writer:
        writer.write("summaries", [summary(number) for number in range(3000)])
    with pytest.raises(DatasetError, match=r"the task that writes 'captions' did not finish"):
        Dataset(folder)
    with pytest.raises(DatasetError, match="no dataset at"):
        Dataset(tmp_path / "nowhere")
    assert not list(folder.rglob("*.parquet"))


def test_a_manifest_of_another_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [summary(1)])
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    write_atomically(tmp_path / "manifest.json", json.dumps(manifest | {"colour": "red"}).encode())
    with pytest.raises(DatasetError, match="not a manifest of this version"):
        Dataset(tmp_path)


def test_a_second_attempt_replaces_what_the_first_left(tmp_path: Path) -> None:
    write(tmp_path, [summary(number) for number in range(5)], part="s00003")
    write(tmp_path, [summary(9)], part="s00004")
    assert [row.video_id for row in Dataset(tmp_path).rows("summaries")] == ["v9"]


def test_a_table_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    write(tmp_path, [summary(1)])
    with pytest.raises(DatasetError, match=r"no table 'videos', only \['summaries'\]"):
        Dataset(tmp_path).rows("videos")


def test_a_row_of_another_type_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, {"summaries": Summary}) as writer, pytest.raises(DatasetError, match="Trajectory"):
        writer.write("summaries", TRAJECTORY)


def test_an_empty_table_loads_together_with_a_full_one(tmp_path: Path) -> None:
    write(tmp_path / "empty", [], part="s00000")
    write(tmp_path / "full", [summary(1)], part="s00001")
    files = [*Dataset(tmp_path / "empty").files("summaries"), *Dataset(tmp_path / "full").files("summaries")]
    schemas = [pyarrow.parquet.read_schema(file) for file in files]
    assert len(files) == 2 and schemas[0] == schemas[1]


def test_rows_load_with_the_datasets_library(tmp_path: Path) -> None:
    from datasets import load_dataset

    question = Question(
        question_id="q1",
        video_id="v1",
        type=QuestionType.COUNTING,
        form="multiple_choice",
        question="How many?",
        answer="3",
        options=("1", "2", "3", "4"),
        answer_index=2,
        evidence=(Span(start_s=1, end_s=2.5),),
    )
    with DatasetWriter(tmp_path / "data", {"questions": Question, "trajectories": Trajectory}) as writer:
        writer.write("questions", question)
        writer.write("trajectories", TRAJECTORY)
        writer.close(EMPTY)
    dataset = Dataset(tmp_path / "data")
    cache = str(tmp_path / "cache")
    loaded = load_dataset("parquet", data_files=dataset.files("questions"), split="train", cache_dir=cache)
    assert loaded[0]["options"] == ["1", "2", "3", "4"]
    assert loaded[0]["evidence"] == [{"start_s": 1.0, "end_s": 2.5}]
    steps = load_dataset("parquet", data_files=dataset.files("trajectories"), split="train", cache_dir=cache)[0][
        "steps"
    ]
    assert steps[0]["event_ids"] == ["e1"]


WRITE_AND_READ = """
import resource, sys
from pathlib import Path
from components.core.data.datasets import Dataset, DatasetWriter
from components.core.data.manifest import Manifest
from components.core.data.rows import Summary

def through(folder, count):
    with DatasetWriter(Path(folder), {"summaries": Summary}) as writer:
        for number in range(count):
            writer.write("summaries", Summary(video_id=f"v{number}", text="x" * 20_000))
        writer.close(Manifest(stage="test", digest=""))
    assert sum(1 for _ in Dataset(folder).rows("summaries")) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small = through(sys.argv[1] + "/small", 2100)
print(through(sys.argv[1] + "/large", 6_000) - small)
"""


def test_memory_stays_flat_over_many_rows(tmp_path: Path) -> None:
    """6,000 rows of 20 kB are 120 MB; beyond a few row groups (20 MB each) they must not add to the peak."""
    command = [sys.executable, "-c", WRITE_AND_READ, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    grown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert float(grown.stdout) < 50
