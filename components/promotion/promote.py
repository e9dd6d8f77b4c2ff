"""The promotion stage, the task that names its rival beforehand, and the commands a person may give.

The champion is asked in the same evaluation as the model that stands for promotion, so `find_rival` names it before
that evaluation starts. A refusal is a decision, not an error: the task succeeds and says why the champion stays.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.core import lineage
from components.core.champion import ChampionReference
from components.core.data.manifest import Manifest, read_manifest, write_atomically
from components.core.data.rows import canonical_json
from components.core.engine.context import Context
from components.core.engine.run import run_task
from components.core.engine.stage import Stage, Task
from components.promotion.decision import AnsweredQuestion, Decision, Rival, answers_of, decide
from components.promotion.registry import Champion, Registry
from components.promotion.settings import PromotionSettings

DECISION_NAME = "decision.json"
RIVAL_NAME = "champion.txt"
MODEL_ID = "mlflow_model"
"""Key of a model's manifest under which its trainer left the LoggedModel's id."""

UNTRAINED = "untrained"


def promote(task: Task[PromotionSettings]) -> None:
    """Register the model, compare it with its rival, and move the alias if it is better.

    Raises:
        InputError: no MLflow is named.
    """
    settings = task.settings
    evaluation = task.dataset("evaluation")
    folder = task.paths("grpo_model")[0]
    model = read_manifest(folder)
    registry = Registry(settings.registered_model)
    champion = registry.champion()
    predictions = list(evaluation.rows("predictions"))
    challenger = answers_of(predictions, settings.system)
    run_id = lineage.task_run(registry.client, task.name)
    version = _register(registry, settings, model, folder, challenger, run_id) if challenger else ""
    if champion is not None and champion.digest == model.digest:
        text = f"This model is the champion already (version {champion.version})."
        decision = Decision(verdict="kept", text=text, n=len(challenger))
    else:
        system = settings.system.replace("grpo", "champion") if champion else UNTRAINED
        answers = answers_of(predictions, system)
        if champion is not None:
            fault = _champion_fault(champion, evaluation.manifest.info, task.context, version, settings)
            rival = Rival(f"the champion (version {champion.version})", answers, settings.min_gain, fault)
        else:
            rival = Rival("the untrained model", answers, settings.min_lead)
        decision = decide(challenger, rival, settings)
    decision = decision.model_copy(
        update={"version": version, "champion_version": champion.version if champion else ""}
    )
    if decision.verdict == "promoted":
        registry.crown(version, compared=evaluation.manifest.info.get("champion", ""))
    _note(registry, run_id, decision, evaluation.manifest.info.get("held_out", ""))
    task.info.update({"verdict": decision.verdict, "decision": decision.text, "version": decision.version})
    task.log.info("%s", decision.text)
    task.output.mkdir(parents=True, exist_ok=True)
    write_atomically(task.output / DECISION_NAME, decision.model_dump_json(indent=1).encode())


def find_rival(settings: str, grpo_model: str) -> str:
    """The champion that the evaluation must ask beside this model, as a `ChampionReference`; "" where there is none.

    Raises:
        SystemExit: no MLflow is named; the reason is on stderr and in the task record.
    """
    with tempfile.TemporaryDirectory() as output:
        run_task(FIND, settings=settings, inputs={"grpo_model": grpo_model}, output=output, name="find-champion")
        return Path(output, RIVAL_NAME).read_text()


def find(task: Task[PromotionSettings]) -> None:
    """Ask the registry, and write the reference."""
    settings = task.settings
    model = read_manifest(task.paths("grpo_model")[0])
    rival = Registry(settings.registered_model).rival_of(model.digest)
    task.info["champion"] = rival
    task.log.info("%s", f"to be asked beside the new model: {rival}" if rival else "no champion to ask")
    write_atomically(task.output / RIVAL_NAME, rival.encode())


def task_settings(settings: str, location: str) -> str:
    """The promotion section with the model's place filled in."""
    return canonical_json({**json.loads(settings or "{}"), "location": location})


def promote_version(version: str, name: str) -> str:
    """Make a registered version the champion by hand; returns what was done, in words."""
    registry = Registry(name)
    registry.crown(version)
    return f"Version {version} of '{name}' is the champion."


def rollback(name: str) -> str:
    """Return to the version the champion replaced; returns what was done, in words."""
    current, before = Registry(name).rollback()
    return f"Version {before} of '{name}' is the champion again, in place of version {current}."


def _champion_fault(
    champion: Champion, info: Mapping[str, str], context: Context, version: str, settings: PromotionSettings
) -> str:
    """Why the evaluation holds no answers of the champion, and what to do; "" when it holds them."""
    name = f"The champion (version {champion.version})"
    asked = ChampionReference.parse(info["champion"]).version if info.get("champion") else ""
    by_hand = f"or make this model the champion: `{_command('promote', version, context, settings)}`"
    if asked != champion.version:
        whom = f"asked version {asked}" if asked else "asked no champion"
        return f"{name} is not in this evaluation, which {whom}. Run the pipeline again, {by_hand}."
    if info.get("champion_fault"):
        return f"{name} could not be asked: {info['champion_fault']} Put it back and run again, {by_hand}."
    if info.get("champion_digest") != champion.digest:
        return f"{name} is another model than the one at {champion.location}. Put it back and run again, {by_hand}."
    return ""


def _command(command: str, version: str, context: Context, settings: PromotionSettings) -> str:
    """A command as it can be typed in this checkout."""
    words = ["rewatch", command, version]
    if context.run_root and context.mlflow_uri.startswith(lineage.SQLITE):
        words += ["--runs", str(Path(context.run_root).absolute().parent)]
    return shlex.join([*words, "--model", settings.registered_model])


def _register(
    registry: Registry,
    settings: PromotionSettings,
    model: Manifest,
    folder: Path,
    answers: Sequence[AnsweredQuestion],
    run_id: str,
) -> str:
    location = settings.location or str(folder.absolute())
    accuracy = sum(answer.correct for answer in answers) / len(answers)
    registry.client.log_metric(run_id, "accuracy", accuracy)
    return registry.register(location, model.digest, model.info.get(MODEL_ID, ""), accuracy, run_id)


def _note(registry: Registry, run_id: str, decision: Decision, held_out: str) -> None:
    """Leave the figures of the decision with the run that registered the model."""
    client = registry.client
    if decision.difference is not None:
        client.log_metric(run_id, "difference_to_rival", decision.difference)
    client.set_tag(run_id, "rewatch.decision", decision.text)
    client.set_tag(run_id, "rewatch.held_out", held_out)
    client.set_terminated(run_id, "FINISHED")


STAGE = Stage(name="promotion", settings=PromotionSettings, inputs=("evaluation", "grpo_model"), tables={}, run=promote)
FIND = Stage(name="promotion", settings=PromotionSettings, inputs=("grpo_model",), tables={}, run=find)
