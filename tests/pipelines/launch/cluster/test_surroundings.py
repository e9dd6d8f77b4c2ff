"""The profile is the one truth for an address: what the tasks of the compiled cluster pipeline are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.core.engine.context import VARIABLES, Context
from components.core.errors import SettingsError
from pipelines.ir.compilation import compile_pipeline
from pipelines.ir.lint import Compiled
from pipelines.launch.cluster.surroundings import context_of, platform_of
from pipelines.profile import load_profile

OF_THE_POD = {"run_id"}
"""What the pod's label says."""
FOLLOWS = {"run_root", "mlflow_parent"}
"""What a task finds out from its run's id."""
OF_TRAININGS = {"trainjob"}
"""What a task is told that trains on several nodes (tests/pipelines/test_training_nodes.py)."""
OF_THE_PLUGIN = {"mlflow_run"}
"""What KFP's MLflow plugin adds by itself."""


FILMS = (
    "launch.buckets={rewatch-videos: {endpoint: https://s3.eu-central-1.amazonaws.com, region: eu-central-1, "
    "access_key_env: FILMS_ID, secret_key_env: FILMS_KEY}}"
)
"""The videos of somebody else, in Amazon's store."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    keys = "platform.secret_keys=[TEACHER_API_KEY, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, FILMS_ID, FILMS_KEY]"
    profile = load_profile("cluster", ["launch.budget={tokens: 5}", "endpoints.text.max_concurrency=9", FILMS, keys])
    path = compile_pipeline(profile.pipeline, platform_of(profile), tmp_path_factory.mktemp("cluster") / "rewatch.yaml")
    return Compiled.read(path)


def test_every_field_of_the_context_arrives_on_every_task(compiled: Compiled) -> None:
    platform = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors = list(compiled.executors())
    assert len(executors) == 18
    for label, container in executors:
        told = {item["name"]: item["value"] for item in container["env"]}
        own = {item["name"]: item["fieldPath"] for item in platform[label]["fieldPathAsEnv"]}
        assert own == {"REWATCH_RUN_ID": "metadata.labels['pipeline/runid']"}
        written = {field for field, variable in VARIABLES.items() if variable in {*told, *own}}
        assert written == set(VARIABLES) - FOLLOWS - OF_THE_PLUGIN - OF_TRAININGS, label
        assert set(told) <= set(VARIABLES.values())
        assert "configMapAsEnv" not in platform[label]
        needed, optional = platform[label]["secretAsEnv"]
        keys = [key["secretKey"] for key in needed["keyToEnv"]]
        assert keys == ["TEACHER_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "FILMS_ID", "FILMS_KEY"]
        assert optional["optional"] and optional["keyToEnv"][0] == {"secretKey": "HF_TOKEN", "envVar": "HF_TOKEN"}
        context = Context.read({**told, "REWATCH_RUN_ID": "7f3a"})
        assert context.run_root == "s3://rewatch-state/runs/7f3a"
        assert context.endpoints["text"].max_concurrency == 9
        assert context.endpoints["vision"].base_url == "http://teacher-vision.rewatch:8000/v1"
        assert context.budget.tokens == 5
        assert context.buckets["rewatch-videos"].endpoint == "https://s3.eu-central-1.amazonaws.com"
        assert context.mlflow_uri == "http://mlflow.rewatch:5000"


def test_a_laptop_compiles_no_address_into_its_pipeline() -> None:
    """kfp.local makes variables part of its cache's keys, and the tasks inherit the launcher's."""
    assert platform_of(load_profile("laptop")).environment == {}


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("launch.state=runs/state", "do not share"),
        ("launch.state=gs://bucket/state", "neither a folder nor s3"),
        ("launch.mlflow=mlflow:5000", "no address"),
        ("launch.s3_endpoint=http://me:pw@s3", "platform.secret_keys"),
        ("platform.environment={REWATCH_STATE_ROOT: x}", "set those"),
        ("platform.environment={HF_TOKEN: x}", "secret_keys"),
        ("platform.environment={HF_HOME: /models}", "where no pool mounts a volume"),
        ("launch.buckets={films: {endpoint: films:9000}}", "no address"),
        ("launch.buckets={films: {endpoint: https://me:pw@films}}", "access_key_env"),
        ("launch.buckets={films: {access_key_env: FILMS_ID}}", "name both, or neither"),
        ("platform.config_map=rewatch-run", "config_map"),
    ],
)
def test_surroundings_that_cannot_be_are_refused_with_the_profile(override: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load_profile("cluster", [override])


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("platform.secret_keys=[AWS_ACCESS_KEY_ID]", "TEACHER_API_KEY, which no pod is given"),
        ("teachers.judge={endpoint: builtin}", "'builtin', which has no address"),
        (FILMS, "'rewatch-videos' takes a key from FILMS_ID, which no pod is given"),
    ],
)
def test_what_no_pod_could_ask_is_told_before_the_run(override: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        context_of(load_profile("cluster", [override]))


def test_a_variable_of_a_library_joins_the_context() -> None:
    claim = "platform.pools.training.claims={models: /models}"
    profile = load_profile("cluster", ["platform.environment={HF_HOME: /models}", claim])
    told = platform_of(profile).environment
    assert told["HF_HOME"] == "/models"
    (training,) = json.loads(profile.platform.needs())
    assert (training["pool"], training["amount"], training["claims"]) == ("training", 1, ["models"])
    assert told["REWATCH_STATE_ROOT"] == "s3://rewatch-state"


def test_the_shipped_profile_names_no_place_of_this_machine(tmp_path: Path) -> None:
    assert str(Path.home()) not in str(platform_of(load_profile("cluster")).environment)
