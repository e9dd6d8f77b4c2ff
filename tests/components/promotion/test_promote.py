"""Promotion as a task against a real MLflow with a temporary SQLite store: crown, keep, refuse, roll back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from components.core import lineage
from components.core.datasets import DatasetWriter
from components.core.errors import InputError
from components.core.manifest import Manifest, write_manifest
from components.core.records import Prediction, Protocol, QuestionType, Score
from components.core.tasks import run_task
from components.promotion.decision import Decision
from components.promotion.promote import STAGE, promote_version, rollback
from components.promotion.registry import Registry
from tests.components.mlflow_store import new_store

PROTOCOL = Protocol(
    frames="16",
    fps=2.0,
    pixels="56x56",
    decoding="greedy",
    extractor="option match",
    judge="",
    intervals="bootstrap",
    questions="held out",
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_store(tmp_path_factory.mktemp("mlflow"), "promotion-test")


@pytest.fixture(autouse=True)
def environment(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "promotion-test")
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


def evaluation(path: Path, accuracy: float, seed: int, protocol: Protocol = PROTOCOL) -> Path:
    draw = random.Random(seed)
    with DatasetWriter(path, {"predictions": Prediction, "scores": Score}) as writer:
        for index in range(200):
            writer.write(
                "predictions",
                Prediction(
                    prediction_id=f"p{index}",
                    system="grpo_think",
                    question_id=f"q{index:03d}",
                    video_id=f"v{index // 4}",
                    type=QuestionType.OBJECT_RECOGNITION,
                    single_look=True,
                    text="",
                    answer="red",
                    correct=draw.random() < accuracy,
                    well_formed=True,
                    actions=1,
                ),
            )
        writer.write(
            "scores",
            Score(
                score_id="s",
                system="grpo_think",
                metric="accuracy",
                group="all",
                value=accuracy,
                n=200,
                clusters=50,
                protocol=protocol,
            ),
        )
        writer.close(Manifest(stage="evaluation", digest=""))
    return path


def run_promotion(
    path: Path, accuracy: float, seed: int, name: str, protocol: Protocol = PROTOCOL, info: dict[str, str] | None = None
) -> Decision:
    path.mkdir()
    scores = evaluation(path / "evaluation", accuracy, seed, protocol)
    model = path / "model"
    model.mkdir()
    write_manifest(model, Manifest(stage="grpo", digest=f"{path.name}-{seed}", info=info or {}))
    run_task(
        STAGE,
        settings=f'{{"registered_model": "{name}"}}',
        inputs={"evaluation": str(scores), "grpo_model": str(model)},
        output=str(path / "decision"),
        name="promote",
    )
    return Decision.model_validate_json((path / "decision" / "decision.json").read_bytes())


def test_a_champion_is_crowned_kept_replaced_and_rolled_back(tmp_path: Path) -> None:
    first = run_promotion(tmp_path / "first", 0.6, 1, "student-a")
    worse = run_promotion(tmp_path / "worse", 0.5, 2, "student-a")
    better = run_promotion(tmp_path / "better", 0.9, 3, "student-a")
    assert [first.verdict, worse.verdict, better.verdict] == ["promoted", "kept", "promoted"]
    assert [first.version, worse.version, better.version] == ["1", "2", "3"]
    assert better.champion_version == "1"
    champion = Registry("student-a").champion()
    assert champion is not None and champion.version == "3"
    assert champion.card is not None and len(champion.card.answers) == 200
    assert rollback("student-a") == "Version 1 of 'student-a' is the champion again, in place of version 3."
    with pytest.raises(InputError, match="replaced no other"):
        rollback("student-a")
    assert promote_version("2", "student-a") == "Version 2 of 'student-a' is the champion."


def test_another_protocol_is_refused_and_the_champion_stays(tmp_path: Path) -> None:
    run_promotion(tmp_path / "first", 0.6, 1, "student-b")
    other = PROTOCOL.model_copy(update={"frames": "32"})
    decision = run_promotion(tmp_path / "other", 0.9, 2, "student-b", other)
    assert decision.verdict == "refused"
    champion = Registry("student-b").champion()
    assert champion is not None and champion.version == "1"


def test_a_version_and_its_logged_model_name_each_other(tmp_path: Path, uri: str) -> None:
    with lineage.training_run("grpo", settings={}, inputs={}) as run:
        model_id = run.log_model(tmp_path, "student-grpo")
    run_promotion(tmp_path / "first", 0.6, 1, "student-d", info={"mlflow_model": model_id})
    client = lineage.connect(uri)
    assert client is not None
    assert client.get_model_version("student-d", "1").source == f"models:/{model_id}"
    versions = client.get_logged_model(model_id).tags["mlflow.modelVersions"]
    assert json.loads(versions) == [{"name": "student-d", "version": "1"}]


def test_the_same_model_is_registered_once(tmp_path: Path) -> None:
    run_promotion(tmp_path / "same", 0.6, 1, "student-c")
    (tmp_path / "again").mkdir()
    again = run_promotion(tmp_path / "again" / "same", 0.6, 1, "student-c")
    assert (again.verdict, again.version) == ("kept", "1")


def test_an_unknown_version_or_an_empty_registry_is_told_plainly() -> None:
    with pytest.raises(InputError, match="no champion to roll back"):
        rollback("student-none")
    with pytest.raises(InputError, match="has no version 9"):
        promote_version("9", "student-none")


def test_without_mlflow_there_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InputError, match="No MLflow is named"):
        rollback()
