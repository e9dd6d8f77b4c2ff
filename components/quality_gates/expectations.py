"""Great Expectations decides and documents: figures and columns become expectations, verdicts and Data Docs.

Each gate runs one checkpoint over small frames: `overall` with one row and a column per figure, and a frame per
entity (events, videos, questions) with a column per row-level rule. The context is ephemeral; its Data Docs are
written as a static site into the run's folder. Importing the library costs 3 s of CPU time, so only gates do.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.core.data.gate_result import Verdict
from components.quality_gates.checks import Figure, RowFigures, worst_labels
from components.quality_gates.data_docs import detach

OVERALL = "overall"


def judge(gate: str, figures: Sequence[Figure], columns: Sequence[RowFigures], docs: Path) -> tuple[Verdict, ...]:
    """Decide every check of one gate and write its Data Docs to `docs`.

    A figure without a value fails: a gate that measured nothing has not been passed. A column without rows likewise.
    """
    results = _validate(gate, figures, columns, docs)
    verdicts = [_of_figure(figure, results.get((OVERALL, figure.name))) for figure in figures]
    verdicts += [_of_column(column, results.get((column.frame, column.name))) for column in columns]
    return tuple(verdicts)


def _validate(
    gate: str, figures: Sequence[Figure], columns: Sequence[RowFigures], docs: Path
) -> dict[tuple[str, str], Any]:
    """Run the checkpoint; the result of each expectation by (frame, column)."""
    os.environ.update({"GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"})  # read while the library is imported
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.delete_data_docs_site("local_site")
    context.add_data_docs_site("gate", _site(docs))  # type: ignore[arg-type]  # a plain dict is its runtime form
    source = context.data_sources.add_pandas("rewatch")
    results: dict[tuple[str, str], Any] = {}
    for name, (values, expectations) in _frames(figures, columns).items():
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = context.suites.add(gx.ExpectationSuite(name=f"{gate}.{name}", expectations=expectations))
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=f"{gate}.{name}", data=batch, suite=suite)
        )
        outcome = definition.run(
            batch_parameters={"dataframe": pd.DataFrame(values)}, result_format={"result_format": "SUMMARY"}
        )
        for result in outcome.results:
            assert result.expectation_config is not None  # typed optional, set by every run
            results[name, result.expectation_config.kwargs["column"]] = result
    context.build_data_docs()
    detach(docs)
    return results


def _frames(figures: Sequence[Figure], columns: Sequence[RowFigures]) -> dict[str, tuple[dict[str, Any], list[Any]]]:
    """Values and expectations by frame; checks with nothing to decide are left out."""
    import great_expectations.expectations as gxe

    frames: dict[str, tuple[dict[str, Any], list[Any]]] = {}
    for figure in figures:
        if figure.value is None or figure.too_few or (figure.minimum is None and figure.maximum is None):
            continue
        values, expectations = frames.setdefault(OVERALL, ({}, []))
        values[figure.name] = [figure.value]
        expectations.append(
            gxe.ExpectColumnValuesToBeBetween(
                column=figure.name,
                min_value=figure.minimum,
                max_value=figure.maximum,
                notes=f"{figure.explains} (of {figure.n} {figure.unit})",
            )
        )
    for column in columns:
        if not column.values:
            continue
        values, expectations = frames.setdefault(column.frame, ({}, []))
        values[column.frame] = list(column.labels)
        values[column.name] = list(column.values)
        expectations.append(
            gxe.ExpectColumnValuesToBeBetween(
                column=column.name,
                min_value=column.minimum,
                max_value=column.maximum,
                mostly=column.share,
                notes=column.explains,
            )
        )
    return frames


def _of_figure(figure: Figure, result: Any) -> Verdict:
    undecided = figure.too_few or (figure.minimum is None and figure.maximum is None)
    return Verdict(
        name=figure.name,
        explains=figure.explains,
        status="undecided" if undecided else "passed" if result is not None and result.success else "failed",
        observed=figure.value,
        minimum=figure.minimum,
        maximum=figure.maximum,
        low=figure.low,
        high=figure.high,
        n=figure.n,
        unit=figure.unit,
        worst=figure.worst,
        note=figure.too_few,
    )


def _of_column(column: RowFigures, result: Any) -> Verdict:
    """A column's verdict is about the share of its rows within the bounds."""
    n = len(column.values)
    observed = None if result is None else 1.0 - result.result["unexpected_count"] / n
    return Verdict(
        name=column.name,
        explains=column.explains,
        status="passed" if result is not None and result.success else "failed",
        observed=observed,
        minimum=column.share,
        n=n,
        unit=column.unit,
        worst=worst_labels(column.values, column.labels, column.minimum, column.maximum),
    )


def _site(docs: Path) -> dict[str, Any]:
    """Configuration of a static Data Docs site in the folder `docs`."""
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
    }
