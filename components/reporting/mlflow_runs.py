"""The nested MLflow runs of the data tasks, written once at the end: data tasks themselves need not import MLflow.

Trainers log their own runs while they train; what a cached trainer logged belongs to the run that trained. The scores
are tied to the model and to the held-out questions they were measured on, and stand in the pipeline's own run, so that
pipeline runs can be compared side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.core import lineage
from components.core.data.datasets import Dataset
from components.core.data.manifest import Upstream
from components.core.data.outline import Outline
from components.core.data.rows import Score
from components.core.engine.context import Context
from components.reporting.ancestry import Ancestry, Artifact
from components.reporting.run_folder import RunFolderFacts, TaskCost

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_ID = "mlflow_model"
"""Key of a model's manifest under which its trainer left the LoggedModel's id."""


def track_data_tasks(run: RunFolderFacts, ancestry: Ancestry, outline: Outline) -> int:
    """Write one nested run per task that tells MLflow nothing itself, where there is a server; returns how many."""
    client = lineage.connect()
    if client is None:
        return 0
    live = {output.task for output in outline.of_kind("model", "decision")}
    costs = [cost for cost in run.costs() if cost.name not in live]
    for cost in costs:
        _write(client, cost, [artifact for artifact in ancestry.artifacts if str(artifact.path) in cost.outputs])
    evaluation = ancestry.last("scores")
    fresh = {path for cost in costs if cost.status == "succeeded" for path in cost.outputs}
    if evaluation is not None and str(evaluation.path) in fresh:  # cached scores are tied already
        _tie_scores(client, ancestry, list(Dataset(evaluation.path).rows("scores")))
    results = [ancestry.labelled(output.name) for output in outline.of_kind("scores", "decision")]
    _tell_the_pipelines_run(client, [result for result in results if result is not None])
    return len(costs)


def _tell_the_pipelines_run(client: MlflowClient, results: Sequence[Artifact]) -> None:
    """Log what the pipeline came to, scores and decision, in the run that its tasks nest under."""
    context = Context.read()
    parent = lineage.pipeline_run(client, context)
    if not parent:
        return
    client.set_tag(parent, lineage.RUN_TAG, context.run_id)
    for result in results:
        lineage.log_metrics(client, parent, result.manifest.metrics)
        if decision := result.manifest.info.get("decision"):
            client.set_tag(parent, "rewatch.decision", decision)


def _write(client: MlflowClient, cost: TaskCost, made: Sequence[Artifact]) -> None:
    """Write one task's run: its figures, what it read, and what it made (an output of each shard)."""
    run_id = lineage.nested_run(client, cost.name, {"rewatch.status": cost.status})
    numbers = ("seconds", "cpu_seconds", "ok", "rejected", "failed", "calls", "cached_calls", "tokens", "cost")
    metrics = {name: float(getattr(cost, name)) for name in numbers}
    if len(made) == 1:
        metrics |= made[0].manifest.metrics
    sources = {source.digest: source for artifact in made for source in artifact.manifest.upstream}
    outputs = [Upstream(name=a.label, path=str(a.path), digest=a.manifest.digest) for a in made]
    datasets = [lineage.dataset_input(source, "input") for source in sources.values()]
    datasets += [lineage.dataset_input(output, "output") for output in outputs]
    if datasets:
        client.log_inputs(run_id, datasets=datasets)
    lineage.log_metrics(client, run_id, metrics)
    client.set_terminated(run_id, "FAILED" if cost.status == "failed" else "FINISHED")


def _tie_scores(client: MlflowClient, ancestry: Ancestry, scores: Sequence[Score]) -> None:
    """Log each trained model's scores as metrics of its LoggedModel, on the questions they were measured on."""
    questions = ancestry.last("questions")
    asked = (questions.label, questions.manifest.digest[: lineage.DIGEST_LENGTH]) if questions else (None, None)
    for artifact in ancestry.artifacts:
        model_id = artifact.manifest.info.get(MODEL_ID, "")
        source_run = client.get_logged_model(model_id).source_run_id if model_id else None
        if not source_run:
            continue
        client.set_logged_model_tags(model_id, {"rewatch.digest": artifact.manifest.digest})
        for score in scores:
            own = score.system.startswith(f"{artifact.manifest.stage}_") and " - " not in score.system
            if own and score.value is not None:
                name = lineage.metric_name(f"{score.metric}.{score.system}.{score.group}")
                client.log_metric(
                    source_run,
                    name,
                    score.value,
                    model_id=model_id,
                    dataset_name=asked[0],
                    dataset_digest=asked[1],
                )
