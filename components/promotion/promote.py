"""The promotion stage, and the two commands a person may give: promote a version, or roll back.

A refusal is a decision, not an error: the task succeeds and says why the champion stays.
"""

from __future__ import annotations

from components.core import lineage
from components.core.manifest import Manifest, read_manifest, write_atomically
from components.core.tasks import Stage, Task
from components.promotion.decision import Decision, ScoreCard, decide, score_card
from components.promotion.registry import Registry
from components.promotion.settings import PromotionSettings

DECISION_NAME = "decision.json"
MODEL_ID = "mlflow_model"
"""Key of a model's manifest under which its trainer left the LoggedModel's id."""


def promote(task: Task) -> None:
    """Compare the model with the champion, register it, and move the alias if it is better.

    Raises:
        InputError: no MLflow is named.
    """
    settings: PromotionSettings = task.settings
    evaluation = task.dataset("evaluation")
    model = read_manifest(task.paths("grpo_model")[0])
    registry = Registry(settings.registered_model)
    champion = registry.champion()
    card = score_card(evaluation.rows("predictions"), evaluation.rows("scores"), settings, model.digest)
    decision = decide(card, champion.card if champion else None, champion.version if champion else "", settings)
    if card is not None:
        version = _register(registry, task, model, card, decision)
        if decision.verdict == "promoted":
            registry.crown(version)
        decision = decision.model_copy(update={"version": version})
    task.info.update({"verdict": decision.verdict, "decision": decision.text, "version": decision.version})
    task.log.info("%s", decision.text)
    task.output.mkdir(parents=True, exist_ok=True)
    write_atomically(task.output / DECISION_NAME, decision.model_dump_json(indent=1).encode())


def promote_version(version: str, name: str = PromotionSettings().registered_model) -> str:
    """Make a registered version the champion by hand; returns what was done, in words."""
    registry = Registry(name)
    registry.crown(version)
    return f"Version {version} of '{name}' is the champion."


def rollback(name: str = PromotionSettings().registered_model) -> str:
    """Return to the version the champion replaced; returns what was done, in words."""
    current, before = Registry(name).rollback()
    return f"Version {before} of '{name}' is the champion again, in place of version {current}."


def _register(registry: Registry, task: Task, model: Manifest, card: ScoreCard, decision: Decision) -> str:
    """Register the model from a run that holds its score card and the figures of the decision."""
    client, path = registry.client, str(task.paths("grpo_model")[0])
    run_id = lineage.task_run(client, task.name)
    version = registry.register(path, model.digest, model.info.get(MODEL_ID, ""), card, run_id)
    client.log_metric(run_id, "accuracy", card.accuracy)
    if decision.difference is not None:
        client.log_metric(run_id, "difference_to_champion", decision.difference)
    client.set_tag(run_id, "rewatch.decision", decision.text)
    client.set_terminated(run_id, "FINISHED")
    return version


STAGE = Stage(name="promotion", settings=PromotionSettings, inputs=("evaluation", "grpo_model"), tables={}, run=promote)
