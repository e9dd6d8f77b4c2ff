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
class Told:
    """What a run said and left."""

    code: int
    said: list[str]
    record: dict
    folder: Path

    @property
    def statuses(self) -> dict[str, str]:
        """How each of its tasks ended."""
        return {task["name"]: task["status"] for task in self.record["tasks"]}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Four runs in one folder: one task fails, it loses a record, it does well, and once more. All have a budget."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "videos").mkdir()
    (folder / "videos" / "a.mp4").write_bytes(b"x")
    budget = LaunchSettings.model_validate({"budget": {"tokens": 5_000_000}})

    def told(**environment: str) -> Told:
        said: list[str] = []
        run = a_run(folder, folder / "videos", said)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = replace(run, profile=replace(run.profile, launch=budget)).start()
        return Told(code, said, last_record(folder), last_folder(folder))

    failed, lossy = told(FAKE_FAIL="s00001-bb"), told(FAKE_LOSE="s00001-bb")
    return {"failed": failed, "lossy": lossy, "good": told(), "same": told()}


def test_a_run_prints_a_line_per_task_and_keeps_run_json(story: dict[str, Told]) -> None:
    good = story["good"]
    assert good.code == 0 and good.record["status"] == "succeeded"
    assert good.statuses["work-s00001"] == "succeeded"
    assert set(good.statuses) == {"discover", "work-s00000", "work-s00001", "gate-captions", "report", "finish"}
    assert Path(good.record["datasets"]["captions"]).is_dir()
    assert any("work s00001" in line and "3 rows, 1 rejected" in line for line in good.said)
    assert not any("Traceback" in line or "KFP" in line for line in good.said)


def test_every_task_is_handed_the_budget_of_the_run(story: dict[str, Told]) -> None:
    handed = [json.loads(path.read_text()) for path in (story["failed"].folder / "tasks").glob("work-*.json")]
    assert [json.loads(record["info"]["budget"]) for record in handed] == [{"cost": 0.0, "tokens": 5_000_000}] * 2


def test_a_second_run_takes_finished_tasks_from_the_cache(story: dict[str, Told]) -> None:
    same = story["same"]
    cached = {name for name, status in same.statuses.items() if status == "cached"}
    assert same.code == 0 and cached == {"work-s00000", "work-s00001", "gate-captions"}
    assert same.record["datasets"] == story["good"].record["datasets"]
    assert all(task["calls"] == 0 for task in same.record["tasks"] if task["status"] == "cached")


def test_a_task_that_ended_with_failed_records_is_tried_again_by_the_next_run(story: dict[str, Told]) -> None:
    assert story["lossy"].code == 0 and story["lossy"].statuses["work-s00001"] == "succeeded"
    assert story["good"].statuses["work-s00000"] == "cached" and story["good"].statuses["work-s00001"] == "succeeded"
    assert story["same"].statuses["work-s00001"] == story["same"].statuses["gate-captions"] == "cached"


@pytest.mark.parametrize("is_kept", [False, True], ids=["tried again", "final"])
def test_files_that_cannot_be_read_do_not_make_everything_run_again(tmp_path: Path, is_kept: bool) -> None:
    (tmp_path / "runs" / "r1" / "tasks").mkdir(parents=True)
    record = {"status": "succeeded", "records": {"done": 9, "failed": 5}, "output": "/made/by/it"}
    record["failures_are_final"] = is_kept
    (tmp_path / "runs" / "r1" / "tasks" / "task.json").write_text(json.dumps(record))
    (entry := tmp_path / "abc.json").write_text(json.dumps({"made": {"uri": "/made/by/it"}}))
    assert forget_failed(tmp_path / "runs", tmp_path) == (not is_kept)
    assert entry.exists() == is_kept


def test_a_failure_names_task_shard_cause_remedy_log_and_command(story: dict[str, Told]) -> None:
    failed = story["failed"]
    assert failed.code == 1
    told = "\n".join(failed.said)
    for part in ("work s00001-bb failed: The teacher is down.", "Start it.", "connection refused", "rewatch run"):
        assert part in told
    assert "Traceback" not in told
    assert failed.statuses["work-s00000"] == "succeeded"
    assert failed.statuses["gate-captions"] == failed.statuses["report"] == "skipped"
    assert failed.statuses["finish"] == "succeeded"
    assert failed.record["error"]["task"] == "work"
    assert story["lossy"].statuses["work-s00000"] == "cached", "what was done before is not done again"


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
