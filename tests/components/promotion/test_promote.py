"""Promotion as a task against a real MLflow with a temporary SQLite store: crown, keep, refuse, follow remedies."""

from __future__ import annotations

import json
import logging
import random
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.core import lineage
from components.core.champion import ChampionReference
from components.core.data.datasets import DatasetWriter
from components.core.data.manifest import Manifest, read_manifest, write_manifest
from components.core.data.rows import Prediction, QuestionType, canonical_json
from components.core.engine.run import run_task
from components.core.errors import InputError
from components.evaluation.systems import load_champion
from components.promotion.decision import Decision
from components.promotion.promote import STAGE, find_rival, promote_version, rollback
from components.promotion.registry import Registry
from pipelines.cli import main
from tests.components.mlflow_store import new_store


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_store(tmp_path_factory.mktemp("mlflow"), "promotion-test")


@pytest.fixture(autouse=True)
def environment(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "promotion-test")
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "runs" / "now"))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


def prediction(system: str, number: int, *, correct: bool) -> Prediction:
    return Prediction(
        prediction_id=f"{system}-{number}", system=system, question_id=f"q{number:03d}", video_id=f"v{number // 4}",
        type=QuestionType.OBJECT_RECOGNITION, groups=("one_look",), text="", answer="red", correct=correct,
        well_formed=True, actions=1,
    )  # fmt: skip


class World:
    """Runs of one registered model: each trains a model of a known skill, evaluates it and puts it up for promotion."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.settings = {"registered_model": name}
        self.skill: dict[str, float] = {}

    def train(self, name: str, skill: float, info: Mapping[str, str] | None = None) -> Path:
        """A model folder; its manifest's digest stands for its weights."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        write_manifest(folder, Manifest(stage="grpo", digest=f"{self.folder.name}-{name}", info=dict(info or {})))
        self.skill[f"{self.folder.name}-{name}"] = skill
        return folder

    def evaluate(self, model: Path, rival: str, first: int, n: int) -> Path:
        """The evaluation of a model, which asks the rival where the real one could."""
        out = self.folder / f"evaluation-{len(list(self.folder.iterdir()))}"
        skills = {"untrained": 0.1, "grpo_think": self.skill[read_manifest(model).digest]}
        info = {"champion": rival} if rival else {}
        if rival:
            reference = ChampionReference.parse(rival)
            if reference.is_there:
                info["champion_digest"] = read_manifest(Path(reference.location)).digest
                skills["champion_think"] = self.skill[info["champion_digest"]]
            else:
                info["champion_fault"] = load_champion(rival, logging.getLogger("test")).fault
        draw = random.Random(repr(sorted(skills.items())))
        with DatasetWriter(out, {"predictions": Prediction}) as writer:
            for system, skill in skills.items():
                for number in range(first, first + n):
                    writer.write("predictions", prediction(system, number, correct=draw.random() < skill))
            writer.close(Manifest(stage="evaluation", digest="", info=info))
        return out

    def rival(self, model: Path) -> str:
        return find_rival(canonical_json(self.settings), str(model))

    def run(self, model: Path, first: int = 0, n: int = 200) -> Decision:
        """What follows training: find the champion, evaluate, promote."""
        evaluation = self.evaluate(model, self.rival(model), first, n)
        return self.promote(model, evaluation)

    def promote(self, model: Path, evaluation: Path) -> Decision:
        out = self.folder / f"decision-{len(list(self.folder.iterdir()))}"
        inputs = {"evaluation": str(evaluation), "grpo_model": str(model)}
        run_task(STAGE, settings=canonical_json(self.settings), inputs=inputs, output=str(out), name="promote")
        return Decision.model_validate_json((out / "decision.json").read_bytes())

    @property
    def champion(self) -> str:
        champion = Registry(self.settings["registered_model"]).champion()
        return champion.version if champion else ""


def test_a_champion_is_crowned_kept_replaced_and_rolled_back(tmp_path: Path) -> None:
    world = World(tmp_path / "a", "student-a")
    first = world.run(world.train("first", 0.6))
    worse = world.run(world.train("worse", 0.5))
    better = world.run(world.train("better", 0.9))
    assert [first.verdict, worse.verdict, better.verdict] == ["promoted", "kept", "promoted"]
    assert [first.version, worse.version, better.version] == ["1", "2", "3"]
    assert (first.rival, better.rival) == ("the untrained model", "the champion (version 1)")
    assert world.champion == "3"
    assert rollback("student-a") == "Version 1 of 'student-a' is the champion again, in place of version 3."
    with pytest.raises(InputError, match="replaced no other"):
        rollback("student-a")
    assert promote_version("2", "student-a") == "Version 2 of 'student-a' is the champion."


def test_a_model_that_learned_nothing_is_no_first_champion(tmp_path: Path) -> None:
    world = World(tmp_path / "b", "student-b")
    assert world.run(world.train("useless", 0.1)).verdict == "kept"
    assert world.run(world.train("unmeasured", 0.9), n=1).verdict == "refused"
    assert world.champion == ""


def test_after_the_corpus_changed_champion_and_challenger_answer_the_new_questions(tmp_path: Path) -> None:
    world = World(tmp_path / "c", "student-c")
    assert world.run(world.train("old", 0.5)).verdict == "promoted"
    decision = world.run(world.train("new", 0.9), first=1000)  # not one question in common with the first run
    assert (decision.verdict, decision.n, world.champion) == ("promoted", 200, "2")


def test_an_unchanged_run_names_the_same_rival_again(tmp_path: Path) -> None:
    world = World(tmp_path / "d", "student-d")
    first, second, third = (world.train(name, skill) for name, skill in (("1", 0.4), ("2", 0.7), ("3", 0.5)))
    for model in (first, second, third):
        before = world.rival(model)
        world.run(model)
        assert world.rival(model) == before, "another parameter would evaluate again"
    assert world.rival(first) != "", "an older model that is run again meets the champion of today"


def test_a_champion_whose_folder_is_gone_is_not_replaced_until_it_is_back(tmp_path: Path) -> None:
    world = World(tmp_path / "e", "student-e")
    champion, challenger = world.train("champion", 0.5), world.train("challenger", 0.9)
    world.run(champion)
    shutil.move(champion, tmp_path / "elsewhere")
    named_while_gone = world.rival(challenger)
    refused = world.run(challenger)
    assert refused.verdict == "refused" and world.champion == "1"
    assert f"there is no whole model at {champion}" in refused.text and "Put it back and run again" in refused.text
    shutil.move(tmp_path / "elsewhere", champion)
    assert world.rival(challenger) != named_while_gone, "the same parameter would take the refusal from the cache"
    assert world.run(challenger).verdict == "promoted"


def test_the_command_that_a_refusal_prints_makes_the_model_champion(tmp_path: Path) -> None:
    world = World(tmp_path / "f", "student-f")
    champion, challenger = world.train("champion", 0.5), world.train("challenger", 0.9)
    world.run(champion)
    shutil.rmtree(champion)
    refused = world.run(challenger)
    assert refused.verdict == "refused" and refused.version == "2"
    program, *arguments = shlex.split(refused.text.split("`")[1])
    assert program == "rewatch" and main(arguments) == 0
    assert world.champion == "2"
    assert world.run(challenger).text == "This model is the champion already (version 2)."


def test_an_evaluation_that_asked_another_champion_is_refused_and_a_new_one_is_not(tmp_path: Path) -> None:
    world = World(tmp_path / "g", "student-g")
    world.run(world.train("first", 0.5))
    challenger = world.train("challenger", 0.9)
    evaluation = world.evaluate(challenger, world.rival(challenger), 0, 200)
    world.run(world.train("meanwhile", 0.8))
    late = world.promote(challenger, evaluation)
    assert late.verdict == "refused"
    assert "The champion (version 2) is not in this evaluation, which asked version 1. Run the pipeline" in late.text
    assert world.run(challenger).n == 200


def test_another_model_at_the_champions_place_does_not_stand_in_for_it(tmp_path: Path) -> None:
    world = World(tmp_path / "h", "student-h")
    champion = world.train("champion", 0.9)
    world.run(champion)
    weak = world.train("weak", 0.1)
    shutil.copy(weak / "manifest.json", champion / "manifest.json")
    decision = world.run(world.train("challenger", 0.5))
    assert decision.verdict == "refused" and "another model than the one at" in decision.text


def test_a_version_and_its_logged_model_name_each_other(tmp_path: Path, uri: str) -> None:
    with lineage.training_run("grpo", settings={}, inputs={}) as run:
        model_id = run.log_model(tmp_path, "student-grpo")
    world = World(tmp_path / "i", "student-i")
    world.run(world.train("first", 0.6, info={"mlflow_model": model_id}))
    client = lineage.connect(uri)
    assert client is not None
    version = client.get_model_version("student-i", "1")
    assert version.source == f"models:/{model_id}"
    assert version.tags["rewatch.path"] == str(tmp_path / "i" / "first")
    versions = client.get_logged_model(model_id).tags["mlflow.modelVersions"]
    assert json.loads(versions) == [{"name": "student-i", "version": "1"}]


def test_the_same_model_is_registered_once_and_known_where_it_lies_now(tmp_path: Path, uri: str) -> None:
    world = World(tmp_path / "j", "student-j")
    model = world.train("same", 0.6)
    world.run(model)
    shutil.copytree(model, tmp_path / "moved")
    again = world.run(tmp_path / "moved")
    assert (again.verdict, again.version) == ("kept", "1")
    client = lineage.connect(uri)
    assert client is not None
    assert client.get_model_version("student-j", "1").tags["rewatch.path"] == str(tmp_path / "moved")


def test_an_unknown_version_or_an_empty_registry_is_told_plainly() -> None:
    with pytest.raises(InputError, match="no champion to roll back"):
        rollback("student-none")
    with pytest.raises(InputError, match=r"has no version 9.*make ui"):
        promote_version("9", "student-none")


def test_without_mlflow_there_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InputError, match="No MLflow is named"):
        rollback("student-none")


def test_a_reference_is_read_back_and_changes_with_what_lies_there(tmp_path: Path) -> None:
    model = tmp_path / "a@b c"
    model.mkdir()
    (model / "weights").write_text("1")
    unfinished = ChampionReference.at("3", str(model))
    write_manifest(model, Manifest(stage="grpo", digest="d"))
    whole = ChampionReference.at("3", str(model))
    assert not unfinished.is_there and whole.is_there
    assert ChampionReference.parse(str(whole)) == whole == ChampionReference.at("3", str(model))
    (model / "weights").write_text("22")
    assert ChampionReference.at("3", str(model)).fingerprint not in (whole.fingerprint, unfinished.fingerprint)
    assert not ChampionReference.at("3", str(tmp_path / "nowhere")).is_there
    with pytest.raises(InputError, match="names no champion"):
        ChampionReference.parse("3")
