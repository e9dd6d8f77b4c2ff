"""The launcher on a small pipeline: what it prints, writes, resumes and refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from components.core.data.outline import Outline
from components.core.errors import InputError
from components.core.video.settings import VideoSettings
from pipelines.launch.local.cache import forget_failed
from pipelines.launch.local.folders import RunsRoot
from pipelines.launch.local.launcher import LocalRun
from pipelines.launch.local.progress import RunWatcher
from pipelines.launch.settings import LaunchSettings
from pipelines.launch.status import print_runs
from pipelines.pipeline import Pipeline
from pipelines.platform import Platform
from pipelines.profile import Profile
from tests.pipelines import fake_pipeline, nested_loops

OTHER_SETTINGS = (LaunchSettings(), {}, {}, VideoSettings(), Platform(), {})


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"x")
    return folder


def a_run(
    tmp_path: Path, videos: Path, said: list[str], pipeline: Pipeline = fake_pipeline.PIPELINE, until: str = ""
) -> LocalRun:
    profile = Profile("laptop", pipeline, *OTHER_SETTINGS)
    return LocalRun(
        profile,
        str(videos),
        RunsRoot(tmp_path / "runs"),
        until=until,
        say=said.append,
        tracking=False,
    )


def last_record(tmp_path: Path) -> dict:
    latest = RunsRoot(tmp_path / "runs").latest()
    assert latest is not None
    return latest.record.object("run.json")


def last_folder(tmp_path: Path) -> Path:
    latest = RunsRoot(tmp_path / "runs").latest()
    assert latest is not None
    return latest.path


@dataclass(frozen=True)
class Twice:
    """What a run and the same run again said, and left in run.json."""

    said: list[str]
    first: dict
    second: dict


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    folder = tmp_path_factory.mktemp("twice")
    (folder / "videos").mkdir()
    (folder / "videos" / "a.mp4").write_bytes(b"x")
    said: list[str] = []
    assert a_run(folder, folder / "videos", said).start() == 0
    first = last_record(folder)
    assert a_run(folder, folder / "videos", []).start() == 0
    return Twice(said, first, last_record(folder))


def test_a_run_prints_a_line_per_task_and_keeps_run_json(twice: Twice) -> None:
    record, said = twice.first, twice.said
    assert record["status"] == "succeeded"
    statuses = {task["name"]: task["status"] for task in record["tasks"]}
    assert statuses["work-s00001"] == "succeeded"
    assert set(statuses) == {"discover", "work-s00000", "work-s00001", "gate-captions", "report", "finish"}
    assert Path(record["datasets"]["captions"]).is_dir()
    assert any("work s00000" in line and "3 rows, 1 rejected" in line for line in said)
    assert not any("Traceback" in line or "KFP" in line for line in said)


def test_every_task_is_handed_the_budget_of_the_run(tmp_path: Path, videos: Path) -> None:
    run = a_run(tmp_path, videos, [])
    limited = replace(run.profile, launch=LaunchSettings.model_validate({"budget": {"tokens": 5_000_000}}))
    assert replace(run, profile=limited).start() == 0
    handed = [json.loads(path.read_text()) for path in (last_folder(tmp_path) / "tasks").glob("work-*.json")]
    assert [json.loads(record["info"]["budget"]) for record in handed] == [{"cost": 0.0, "tokens": 5_000_000}] * 2


def test_a_second_run_takes_finished_tasks_from_the_cache(twice: Twice) -> None:
    cached = {task["name"] for task in twice.second["tasks"] if task["status"] == "cached"}
    assert cached == {"work-s00000", "work-s00001", "gate-captions"}
    assert twice.second["datasets"] == twice.first["datasets"]
    assert all(task["calls"] == 0 for task in twice.second["tasks"] if task["status"] == "cached")


def test_a_task_that_ended_with_failed_records_is_tried_again_by_the_next_run(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_LOSE", "s00001-bb")
    assert a_run(tmp_path, videos, []).start() == 0
    monkeypatch.delenv("FAKE_LOSE")
    statuses = []
    for _ in range(2):
        assert a_run(tmp_path, videos, []).start() == 0
        statuses.append({task["name"]: task["status"] for task in last_record(tmp_path)["tasks"]})
    assert statuses[0]["work-s00000"] == "cached" and statuses[0]["work-s00001"] == "succeeded"
    assert statuses[1]["work-s00001"] == statuses[1]["gate-captions"] == "cached"


@pytest.mark.parametrize("is_kept", [False, True], ids=["tried again", "final"])
def test_files_that_cannot_be_read_do_not_make_everything_run_again(tmp_path: Path, is_kept: bool) -> None:
    (tmp_path / "runs" / "r1" / "tasks").mkdir(parents=True)
    record = {"status": "succeeded", "records": {"done": 9, "failed": 5}, "output": "/made/by/it"}
    record["failures_are_final"] = is_kept
    (tmp_path / "runs" / "r1" / "tasks" / "task.json").write_text(json.dumps(record))
    (entry := tmp_path / "abc.json").write_text(json.dumps({"made": {"uri": "/made/by/it"}}))
    assert forget_failed(tmp_path / "runs", tmp_path) == (not is_kept)
    assert entry.exists() == is_kept


def test_a_failure_names_task_shard_cause_remedy_log_and_command(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAIL", "s00001-bb")
    said: list[str] = []
    assert a_run(tmp_path, videos, said).start() == 1
    told = "\n".join(said)
    for part in ("work s00001-bb failed: The teacher is down.", "Start it.", "connection refused", "rewatch run"):
        assert part in told
    assert "Traceback" not in told
    record = last_record(tmp_path)
    statuses = {task["name"]: task["status"] for task in record["tasks"]}
    assert statuses["work-s00000"] == "succeeded"
    assert statuses["gate-captions"] == statuses["report"] == "skipped"
    assert statuses["finish"] == "succeeded"
    assert record["error"]["task"] == "work"

    monkeypatch.delenv("FAKE_FAIL")
    assert a_run(tmp_path, videos, said).start() == 0
    tasks = {task["name"]: task["status"] for task in last_record(tmp_path)["tasks"]}
    assert tasks["work-s00000"] == "cached"
    assert tasks["work-s00001"] == "succeeded"


def test_a_task_killed_without_a_word_is_still_named(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DIE", "s00000-aa")
    said: list[str] = []
    assert a_run(tmp_path, videos, said).start() == 1
    assert "work s00000-aa failed: The task work ended without a word" in "\n".join(said)


def test_a_pipeline_that_the_linter_refuses_runs_no_task(tmp_path: Path, videos: Path) -> None:
    said: list[str] = []
    assert a_run(tmp_path, videos, said, pipeline=nested_loops.PIPELINE).start() == 2
    assert "holds another loop" in "\n".join(said)
    assert last_record(tmp_path)["tasks"] == []


def test_until_stops_after_the_named_task(tmp_path: Path, videos: Path) -> None:
    assert a_run(tmp_path, videos, [], until="gate-captions").start() == 0
    names = {task["name"] for task in last_record(tmp_path)["tasks"]}
    assert "report" not in names and "gate-captions" in names


def test_an_unknown_task_in_until_is_wrong_input(tmp_path: Path, videos: Path) -> None:
    said: list[str] = []
    assert a_run(tmp_path, videos, said, until="gate").start() == 2
    assert "No task is called 'gate'" in "\n".join(said)


@pytest.mark.parametrize("broken", ["missing", "empty", "python3-films"])
def test_wrong_videos_end_before_anything_is_written(tmp_path: Path, broken: str) -> None:
    folder = tmp_path / broken
    if broken != "missing":
        folder.mkdir()
    if broken == "python3-films":
        (folder / "a.mp4").write_bytes(b"x")
    with pytest.raises(InputError) as refused:
        a_run(tmp_path, folder, []).start()
    assert refused.value.exit_code == 2
    assert not (tmp_path / "runs").exists()


def test_two_runs_at_once_in_one_folder_are_refused(tmp_path: Path, videos: Path) -> None:
    first = a_run(tmp_path, videos, [])
    first.runs.path.mkdir()
    with first._alone(), pytest.raises(InputError, match="Another run"):
        a_run(tmp_path, videos, []).start()


def test_a_running_task_tells_its_last_log_line(tmp_path: Path) -> None:
    folder = RunsRoot(tmp_path).new_run()
    (folder.path / "tasks" / "sft.json").write_text(json.dumps({"name": "sft", "status": "running"}))
    (folder.logs / "sft.jsonl").write_text(json.dumps({"message": "step 5/10"}) + "\n" + '{"message": "half a li')
    watcher = RunWatcher(folder, {}, print, Outline())
    assert [line.split() for line in watcher.running()] == [["...", "sft", "step", "5/10"]]
    assert watcher.running() == [], "the same words twice"


def test_a_run_that_calls_itself_running_without_a_launcher_was_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = RunsRoot(tmp_path)
    RunWatcher(root.new_run(), {"run_id": "r", "profile": "laptop"}, print, Outline()).write("running")
    print_runs(str(tmp_path))
    assert " killed " in capsys.readouterr().out
