"""Lineage against a real MLflow with a temporary SQLite store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.core import lineage
from components.core.data.manifest import Manifest, Upstream, write_manifest
from tests.components.mlflow_store import new_store


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_store(tmp_path_factory.mktemp("mlflow"), "rewatch-test")


@pytest.fixture
def tracked(uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "rewatch-test")
    monkeypatch.setenv("REWATCH_RUN_ID", "r1")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return uri


def dataset(path: Path, digest: str) -> Path:
    path.mkdir()
    write_manifest(path, Manifest(stage="test", digest=digest))
    return path


def test_a_training_run_is_nested_and_names_its_data_and_its_model(
    tmp_path: Path, tracked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = lineage.start_pipeline_run(tracked, "rewatch-test", "r1", {"sft": {"steps": 3}})
    monkeypatch.setenv("REWATCH_MLFLOW_PARENT", parent)
    captions = dataset(tmp_path / "captions", "a" * 64)
    settings = {"steps": 3, "judge": {"api_key": "hunter2"}}
    with lineage.training_run("sft", settings=settings, inputs={"captions": captions}) as run:
        for step in range(3):
            run.log({"loss": 1.0 / (step + 1)}, step)
        model_id = run.log_model(tmp_path / "model", "sft", step=3)
    client = lineage.connect(tracked)
    assert client is not None
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.tags["mlflow.parentRunId"] == parent
    assert stored.data.params == {"steps": "3"}
    assert [metric.value for metric in client.get_metric_history(run.run_id, "loss")] == [1.0, 0.5, 1.0 / 3]
    [given] = stored.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("captions", "a" * 36)
    model = client.get_logged_model(model_id)
    assert model.source_run_id == run.run_id
    assert model.params == {"captions.digest": "a" * 64}
    lineage.end_pipeline_run(tracked, parent, succeeded=True)
    assert client.get_run(parent).info.status == "FINISHED"


def test_a_training_that_raises_ends_as_failed(tracked: str) -> None:
    with (
        pytest.raises(ValueError, match="not finite"),
        lineage.training_run("sft", settings={}, inputs={}) as run,
    ):
        run.log({"loss": 1.0}, 0)
        raise ValueError("loss is not finite")
    client = lineage.connect(tracked)
    assert client is not None
    assert client.get_run(run.run_id).info.status == "FAILED"
    assert client.get_metric_history(run.run_id, "loss")[0].value == 1.0


def test_the_run_that_kfp_opened_is_used(tracked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = lineage.connect(tracked)
    assert client is not None
    opened = client.create_run(lineage.experiment_id(client)).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    with lineage.training_run("grpo", settings={}, inputs={}) as run:
        assert run.run_id == opened


def test_under_kfps_plugin_tasks_nest_right_under_the_pipelines_run(
    tracked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = lineage.connect(tracked)
    assert client is not None
    level = ""
    opened = []
    for node in ("pipeline", "exit-handler-1", "condition-1", "grpo"):  # as the plugin nests them
        tags = {lineage.PARENT_TAG: level} if level else {}
        level = client.create_run(lineage.experiment_id(client), run_name=node, tags=tags).info.run_id
        opened.append(level)
    pipeline, *_, own = opened
    monkeypatch.setenv("MLFLOW_RUN_ID", own)
    with lineage.training_run("grpo", settings={}, inputs={}) as run:
        assert run.run_id == own
    other = lineage.nested_run(client, "captions")
    for run_id, task in ((own, "grpo"), (other, "captions")):
        tags = client.get_run(run_id).data.tags
        assert (tags[lineage.PARENT_TAG], tags["kfp.task"], tags[lineage.RUN_TAG]) == (pipeline, task, "r1")


def test_without_a_tracking_server_training_goes_on_untracked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with lineage.training_run("sft", settings={"steps": 1}, inputs={"captions": tmp_path}) as run:
        run.log({"loss": 1.0}, 0)
        assert run.log_model(tmp_path, "sft") == ""


@pytest.mark.parametrize("path", ['/films/the "big" one', "/films/back\\slash", "/films/a\nb", "s3://b/ü"])
def test_a_datasets_source_is_json_whatever_its_path_is_called(path: str) -> None:
    told = lineage.dataset_input(Upstream(name="captions", path=path, digest="ab" * 32), "training").dataset.source
    assert json.loads(told) == {"path": path, "digest": "ab" * 32}


def test_secrets_and_users_in_addresses_are_not_logged() -> None:
    settings = {
        "judge": {"api_key": "a", "api_key_env": "KEY_NAME", "max_tokens": 10},
        "s3": {"secret": "b", "token": "c", "endpoint": "https://user:pw@s3.example/x"},
    }
    assert lineage.loggable(settings) == {
        "judge.api_key_env": "KEY_NAME",
        "judge.max_tokens": "10",
        "s3.endpoint": "https://s3.example/x",
    }


def test_metrics_are_renamed_where_mlflow_refuses_their_name(tracked: str) -> None:
    client = lineage.connect(tracked)
    assert client is not None
    run_id = lineage.nested_run(client, "evaluate")
    lineage.log_metrics(client, run_id, {"grounding_recall@0.3/all": 0.5, "a + b": 1.0})
    assert client.get_run(run_id).data.metrics == {"grounding_recall at 0.3/all": 0.5, "a _ b": 1.0}


def test_a_kill_during_the_first_initialisation_leaves_nothing_that_the_next_one_trips_over(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    code = f"from components.core.lineage import initialise_database; initialise_database({uri!r})"
    first = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("mlflow.db.*.partial")):
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    first.kill()
    first.wait()
    assert not (tmp_path / "mlflow.db").exists()
    assert lineage.initialise_database(uri)
