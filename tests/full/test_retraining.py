"""The story of retraining, before a real MLflow server: nothing new, new videos without a gain, with one, the way back.

The server keeps the database of the runs' folder, as `make ui` serves it, so the notebook tells the same story.

What a challenger learned is not left to luck, nor to a machine's last digits: a gain must be a twentieth at least. Two
steps of training teach a student nothing: hardly one answer in a hundred can be read, as of the untrained one. Sixty
teach it to answer at once; what it then says is right one time in four, since correct options are spread evenly, and
its rival has answered next to nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.core.lineage import PARENT_TAG
from tests.full.conftest import TINY, latest, rewatch, run
from tests.test_notebook import executed
from tests.tracking_server import tracking_server

pytestmark = pytest.mark.full

MODEL = "rewatch-student"
LEAST = 0.05
"""What the lower bound of a difference must exceed."""
SETTINGS = (
    "ingestion.end_without_new=true",
    "promotion.system=grpo_direct",
    "promotion.min_questions=20",
    f"promotion.min_lead={LEAST}",
    f"promotion.min_gain={LEAST}",
    "evaluation.single_look_questions=0",  # all
    "evaluation.two_look_questions=0",
    "evaluation.judged_questions=1",
    "evaluation.captioned_videos=0",
)
ENOUGH = "sft.phases=[{steps: 60, videos: 8, direct: 3}]"


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "runs").mkdir()
    with tracking_server(tmp_path / "runs") as address:
        yield address


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def decision(record: dict[str, Any]) -> dict[str, Any]:
    """What the promotion of a run decided."""
    (task,) = [task for task in record["tasks"] if task["name"] == "promote"]
    found: dict[str, Any] = json.loads((Path(task["output"]) / "decision.json").read_text())
    return found


def test_nothing_new_new_without_gain_new_with_gain_and_back(
    corpus: Path, tmp_path: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    videos, runs, spare = tmp_path / "videos", tmp_path / "runs", tmp_path / "spare"
    shutil.copytree(corpus, videos)
    spare.mkdir()
    for film in sorted(videos.glob("learning-*.mp4"))[-2:]:  # the first has a twin, which would not be new
        shutil.move(film, spare)
    client = MlflowClient(tracking_uri=tracking)
    here = sets(f"launch.mlflow={tracking}")

    def champion() -> str:
        return str(client.get_registered_model(MODEL).aliases.get("champion", ""))

    def done(*settings: str) -> tuple[dict[str, Any], str]:
        """run.json of a run, and what it said."""
        ended = run(runs, videos, *here, *sets(*SETTINGS, *settings))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return latest(runs), ended.stdout

    def by_hand(*words: str) -> None:
        ended = rewatch(*words, "--profile", str(TINY), *here)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    # The first model: nobody is champion, and it is not better than an untrained one. A person decides.
    record, _ = done()
    first = decision(record)
    assert first["verdict"] == "kept" and first["low"] <= LEAST, first["text"]
    assert champion() == ""
    by_hand("promote", "1")
    assert champion() == "1"

    # Nothing new: the run ends, succeeded, and says so; no teacher is asked, nothing is trained.
    record, said = done()
    assert record["status"] == "succeeded" and "No video" in record["note"] and record["note"] in said
    assert [it["name"] for it in record["tasks"] if it["status"] != "skipped"] == ["prerequisites", "finish"]
    assert champion() == "1"

    # A new video, and a student that learned nothing from it either: it is registered and kept out.
    one, other = sorted(spare.iterdir())
    shutil.move(one, videos)
    record, _ = done()
    kept = decision(record)
    assert (kept["verdict"], kept["champion_version"], kept["version"]) == ("kept", "1", "2"), kept["text"]
    assert "the champion (version 1)" in kept["text"] and kept["low"] <= LEAST
    assert champion() == "1"

    # Another, and a student that learned to answer: it takes over, and remembers whom it replaced.
    shutil.move(other, videos)
    record, _ = done(ENOUGH)
    promoted = decision(record)
    assert (promoted["verdict"], promoted["version"]) == ("promoted", "3"), promoted["text"]
    assert promoted["low"] > LEAST and promoted["rival_accuracy"] < LEAST
    assert champion() == "3"

    # All of it stands in MLflow: versions, who replaced whom, decisions, and tasks nested under their pipeline's run.
    versions = {str(it.version): it.tags for it in client.search_model_versions(f"name = '{MODEL}'")}
    assert set(versions) == {"1", "2", "3"} and versions["3"]["rewatch.replaced"] == "1"
    (experiment,) = [it for it in client.search_experiments() if it.name == "rewatch"]
    told = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    decided = [it.data.tags["rewatch.decision"] for it in told if it.data.tags.get("kfp.task") == "promote"]
    assert decided == [first["text"], kept["text"], promoted["text"]]
    parents = {it.info.run_id: it.data.tags.get("rewatch.decision") for it in told if PARENT_TAG not in it.data.tags}
    assert list(parents.values()) == [first["text"], None, kept["text"], promoted["text"]]
    assert {it.data.tags[PARENT_TAG] for it in told if it.info.run_id not in parents} <= set(parents)
    assert {it.info.status for it in told} == {"FINISHED"}

    # And back; the notebook reads it all.
    by_hand("rollback")
    assert champion() == "1"
    monkeypatch.chdir(tmp_path)
    names = executed("retraining")
    assert names["versions"]["champion"].tolist() == [True, False, False]
    assert names["versions"]["replaced"].tolist() == ["", "", "1"]
    assert names["decisions"]["decision"].tolist() == decided
    assert len(names["runs"]) == 4
