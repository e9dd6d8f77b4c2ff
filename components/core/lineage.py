"""MLflow lineage: one parent run per pipeline run, a nested run per task, datasets by digest, a LoggedModel per model.

The launcher prepares the database once (`initialise_database`: the first writers of a new one would race), opens the
parent run and hands its id on in the context; on a cluster, where no launcher waits, the first task that writes opens
it and the exit task closes it. Trainers log live through `training_run`. KFP's own MLflow plugin opens a run for the
pipeline and for each node of its graph: the task's own is used, and moved up right under the pipeline's, where people
look for it. Data tasks are written by the report, so that they need not import MLflow, which costs a second. Where the
context names no server nothing is tracked: a stage works the same from its own command line. Secrets are never logged.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.data.manifest import MANIFEST_NAME, Upstream, read_manifest
from components.core.engine.context import EXPERIMENT, Context

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric

SQLITE = "sqlite:///"
RUN_TAG = "rewatch.run_id"
"""On every run: the pipeline run that it belongs to."""
PIPELINE_TAG = "rewatch.pipeline_run"
"""On the parent alone: the pipeline run that it stands for."""
PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own, by which its pages nest runs."""
DIGEST_LENGTH = 36
"""MLflow's limit on the digest of a dataset; the full one is in its source."""
FLUSH_S = 2.0
"""Metrics are written to the database at most this often; one write costs 10 ms."""
SECRET = re.compile(r"(^|[_.])(api_?key|key|token|secret|password|credentials?)$", re.IGNORECASE)
"""How the names of settings and variables end that hold secrets."""
_NOT_IN_NAMES = re.compile(r"[^\w\-. :/]")
_USER_IN_URL = re.compile(r"://[^/@\s]+@")


def connect(uri: str = "") -> MlflowClient | None:
    """A client of a tracking server, the context's if none is given, telemetry off; None when there is none."""
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
    uri = uri or Context.read().mlflow_uri
    if not uri:
        return None
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def initialise_database(uri: str, experiment: str = EXPERIMENT, artifacts: Path | None = None) -> str:
    """Create the tables and the experiment, from one process and before any task; returns the experiment's id.

    A new SQLite database is made beside its place and moved there whole: migrations that were cut off by a kill would
    leave one that MLflow can neither use nor mend.

    Args:
        artifacts: folder of the experiment's artifacts; MLflow's default is beside the working directory.
    """
    database = Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None
    if database is not None and not database.exists():
        partial = database.with_name(f"{database.name}.{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        client = connect(f"{SQLITE}{partial}")
        assert client is not None
        experiment_id(client, experiment, artifacts)
        partial.replace(database)
    client = connect(uri)
    assert client is not None
    return experiment_id(client, experiment, artifacts)


def experiment_id(client: MlflowClient, name: str = "", artifacts: Path | None = None) -> str:
    """The id of an experiment, created if missing; the context's if no name is given."""
    name = name or Context.read().mlflow_experiment
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = artifacts.absolute().as_uri() if artifacts else None
    return str(client.create_experiment(name, artifact_location=location))


def start_pipeline_run(uri: str, experiment: str, run_id: str, settings: Mapping[str, Any]) -> str:
    """Open the parent run of a pipeline run; returns its MLflow id."""
    client = connect(uri)
    assert client is not None
    tags = {RUN_TAG: run_id, PIPELINE_TAG: run_id}
    run = client.create_run(experiment_id(client, experiment), run_name=run_id, tags=tags)
    _log_params(client, run.info.run_id, settings)
    return str(run.info.run_id)


def end_pipeline_run(uri: str, mlflow_run_id: str, succeeded: bool) -> None:
    """Close the parent run."""
    client = connect(uri)
    assert client is not None
    client.set_terminated(mlflow_run_id, "FINISHED" if succeeded else "FAILED")


def close_run_without_launcher(context: Context, succeeded: bool) -> None:
    """Close the parent run of a pipeline run that nobody else closes: no launcher opened it, and no plugin did."""
    if not context.mlflow_uri or not context.run_id or context.mlflow_parent or context.mlflow_run:
        return
    client = connect(context.mlflow_uri)
    assert client is not None
    client.set_terminated(pipeline_run(client, context), "FINISHED" if succeeded else "FAILED")


@dataclass
class TrainingRun:
    """What a trainer tells MLflow while it trains. Without a client it tells nobody."""

    client: MlflowClient | None = None
    run_id: str = ""
    experiment_id: str = ""
    upstream: tuple[Upstream, ...] = ()
    _pending: list[Metric] = field(default_factory=list)
    _flushed: float = 0.0

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers of one step; buffered for up to `FLUSH_S` seconds."""
        if self.client is None:
            return
        from mlflow.entities import Metric

        now = time.time()
        self._pending += [
            Metric(metric_name(name), float(value), int(now * 1000), step) for name, value in metrics.items()
        ]
        if now - self._flushed > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        if self.client is not None and self._pending:
            for start in range(0, len(self._pending), 1000):  # MLflow's limit of metrics in one batch
                self.client.log_batch(self.run_id, metrics=self._pending[start : start + 1000])
            self._pending, self._flushed = [], time.time()

    def log_model(self, path: Path, name: str, step: int = 0) -> str:
        """Record a model folder as a LoggedModel tied to the datasets it was trained on; returns its id, "" untracked.

        The weights stay where they are: the model names its folder, its step, and the digests of its inputs.
        """
        if self.client is None:
            return ""
        from mlflow.entities import LoggedModelOutput

        model = self.client.create_logged_model(
            self.experiment_id,
            name=name,
            source_run_id=self.run_id,
            model_type="student",
            tags={"rewatch.path": str(path), "rewatch.step": str(step)},
            params={f"{source.name}.digest": source.digest for source in self.upstream},
        )
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step)])
        return str(model.model_id)


@contextmanager
def training_run(
    name: str, *, settings: Mapping[str, Any], inputs: Mapping[str, Path | Sequence[Path]]
) -> Iterator[TrainingRun]:
    """A nested run that is live while the block trains; it ends as failed when the block raises.

    Args:
        name: the task's name, such as `sft`.
        settings: logged as parameters, dotted where nested, without secrets.
        inputs: folders of the datasets and models read, by input name, each with its manifest.
    """
    client = connect()
    if client is None:
        yield TrainingRun()
        return
    upstream = tuple(_upstream(inputs))
    run_id = task_run(client, name)
    _log_params(client, run_id, settings)
    client.log_inputs(run_id, datasets=[dataset_input(source, "training") for source in upstream])
    run = TrainingRun(client, run_id, client.get_run(run_id).info.experiment_id, upstream)
    ended = "FAILED"
    try:
        yield run
        ended = "FINISHED"
    finally:
        run.flush()
        client.set_terminated(run_id, ended)


def task_run(client: MlflowClient, name: str) -> str:
    """The running task's own run: the one that KFP's plugin opened for it, or a new nested one."""
    context = Context.read()
    if not context.mlflow_run:
        return nested_run(client, name)
    for tag, value in _tags(client, context, name).items():
        client.set_tag(context.mlflow_run, tag, value)
    return context.mlflow_run


def pipeline_run(client: MlflowClient, context: Context) -> str:
    """The run under which the tasks of the context's pipeline run nest theirs; "" where it belongs to none.

    The launcher's or the plugin's, else the one that carries the run's id, opened by whoever asks first.
    """
    if context.mlflow_run and not context.mlflow_parent:
        run_id = context.mlflow_run  # below one for each level of the graph
        while above := client.get_run(run_id).data.tags.get(PARENT_TAG, ""):
            run_id = above
        return run_id
    if context.mlflow_parent or not context.run_id:
        return context.mlflow_parent
    experiment = experiment_id(client)
    found = client.search_runs([experiment], f"tags.`{PIPELINE_TAG}` = '{context.run_id}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {RUN_TAG: context.run_id, PIPELINE_TAG: context.run_id}
    return str(client.create_run(experiment, run_name=context.run_id, tags=tags).info.run_id)


def nested_run(client: MlflowClient, name: str, tags: Mapping[str, str] | None = None) -> str:
    """A new run under the pipeline's parent run."""
    all_tags = {**_tags(client, Context.read(), name), **(tags or {})}
    return str(client.create_run(experiment_id(client), run_name=name, tags=all_tags).info.run_id)


def _tags(client: MlflowClient, context: Context, name: str) -> dict[str, str]:
    """What every task's run carries: its task, its pipeline run, and the run that it nests under."""
    parent = pipeline_run(client, context)
    return {"kfp.task": name, RUN_TAG: context.run_id} | ({PARENT_TAG: parent} if parent else {})


def dataset_input(source: Upstream, context: str) -> DatasetInput:
    """A dataset as an input of a run: its name, its digest, and where it lies."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=source.name,
        digest=source.digest[:DIGEST_LENGTH],
        source_type="local" if "://" not in source.path else source.path.partition("://")[0],
        source=json.dumps({"path": source.path, "digest": source.digest}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


def loggable(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings as flat text parameters, without secrets.

    >>> loggable({"lr": 0.1, "judge": {"api_key": "s3cret", "max_tokens": 5}, "url": "http://me:pw@host/v1"})
    {'lr': '0.1', 'judge.max_tokens': '5', 'url': 'http://host/v1'}
    """
    flat: dict[str, str] = {}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if SECRET.search(key):
            continue
        if isinstance(value, Mapping):
            flat.update(loggable(value, f"{key}."))
        else:
            flat[key] = _USER_IN_URL.sub("://", str(value))[:500]
    return flat


def metric_name(name: str) -> str:
    """A name MLflow takes: it refuses `@` and most other signs.

    >>> metric_name("grounding_recall@0.3/event_localisation")
    'grounding_recall at 0.3/event_localisation'
    """
    return _NOT_IN_NAMES.sub("_", name.replace("@", " at "))


def log_metrics(client: MlflowClient, run_id: str, metrics: Mapping[str, float]) -> None:
    """Log numbers of a finished task in one write."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(run_id, metrics=[Metric(metric_name(it), float(value), now, 0) for it, value in metrics.items()])


def _log_params(client: MlflowClient, run_id: str, settings: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    params = [Param(name, value) for name, value in loggable(settings).items()]
    for start in range(0, len(params), 100):  # MLflow's limit of parameters in one batch
        client.log_batch(run_id, params=params[start : start + 100])


def _upstream(inputs: Mapping[str, Path | Sequence[Path]]) -> Iterator[Upstream]:
    for name, given in inputs.items():
        for path in [given] if isinstance(given, Path) else given:
            if (path / MANIFEST_NAME).is_file():
                yield Upstream(name=name, path=str(path), digest=read_manifest(path).digest)
