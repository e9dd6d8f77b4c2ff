"""What is told of a run whose list of nodes stands still, as KFP's does once Argo compresses them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.core.engine.record import LOGS, TaskError, TaskRecord, utc_now
from components.core.engine.run_summary import NOTHING_TO_DO
from pipelines.launch.cluster.api import KfpApi
from pipelines.launch.cluster.follow import follow
from pipelines.launch.cluster.listing import print_standing
from pipelines.launch.cluster.progress import ClusterRun, Standing
from tests.pipelines.launch.cluster.kfp_server import FakeKfp

SHARDS = ("s00000-ab", "s00001-cd")


@pytest.fixture
def films(kfp: FakeKfp, run: ClusterRun) -> ClusterRun:
    """A run of the shape of the project's own: a planner, two loops over its shards with a gate after each, training,
    and an exit task."""
    one, cached = {"componentRef": {"name": "one"}}, {"cachingOptions": {"enableCache": True}}

    def task(*needs: str) -> dict[str, Any]:
        return {**one, **cached, "dependentTasks": list(needs)}

    def loop(name: str, *needs: str) -> dict[str, Any]:
        source = {"taskOutputParameter": {"producerTask": "discover", "outputParameterKey": "Output"}}
        return {
            "componentRef": {"name": name},
            "dependentTasks": ["discover", *needs],
            "parameterIterator": {"items": {"inputParameter": "shards"}},
            "inputs": {"parameters": {"shards": source}},
        }

    body = {
        "discover": one,
        "for-loop-1": loop("loop-1"),
        "gate": task("for-loop-1"),
        "for-loop-2": loop("loop-2", "gate"),
        "train": task("for-loop-2"),
    }
    finish = {**one, "dependentTasks": ["body"], "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}}
    components = {
        "one": {"executorLabel": "one"},
        "loop-1": {"dag": {"tasks": {"segment": task(), "caption": task("segment")}}},
        "loop-2": {"dag": {"tasks": {"ask": task()}}},
        "body": {"dag": {"tasks": body}},
    }
    root = {"dag": {"tasks": {"body": {"componentRef": {"name": "body"}}, "finish": finish}}}
    spec = {"components": components, "root": root}
    made = kfp.add("runs", {"display_name": "films", "pipeline_spec": spec, "state": "RUNNING"})
    return ClusterRun(KfpApi(kfp.address), made["run_id"], run.record)


def write(run: ClusterRun, task: str, status: str = "succeeded", shard: str = "", **more: object) -> None:
    """A task's own record."""
    name = f"{task}-{shard.partition('-')[0]}" if shard else task
    told = {"name": name, "stage": "captioning", "shard": shard, "started": utc_now(), "status": status, **more}
    run.record.write_task(TaskRecord.model_validate(told))


def freeze(kfp: FakeKfp, run: ClusterRun) -> None:
    """The list as it stood when the first loop had begun; it says nothing of what comes after."""
    both, one = ["SUCCEEDED", "SUCCEEDED"], ["SUCCEEDED", "RUNNING"]
    kfp.nodes(run.run_id, root="RUNNING", discover="SUCCEEDED", segment=both, caption=one)
    kfp.frozen.add(run.run_id)


def states(standing: Standing) -> dict[str, str]:
    return {task["name"]: task["status"] for task in standing.tasks}


def test_records_go_on_where_the_list_of_nodes_stands_still(kfp: FakeKfp, films: ClusterRun) -> None:
    write(films, "discover")
    for shard in SHARDS:
        write(films, "segment", shard=shard)
        write(films, "caption", shard=shard, rows={"ok": 3, "rejected": 0, "failed": 0})
    freeze(kfp, films)
    assert states(films.look())["caption"] == "succeeded"
    write(films, "gate")
    write(films, "ask", "running", SHARDS[1])
    told = films.look()
    assert states(told) == {
        **dict.fromkeys(("discover", "segment", "caption", "gate"), "succeeded"),
        "ask": "running",
        "train": "waiting",
        "finish": "waiting",
    }
    caption = told.tasks[2]
    assert (caption["done"], caption["total"], caption["cached"], caption["rows"]["ok"]) == (2, 2, 0, 6)


def test_what_was_passed_without_a_word_came_from_the_cache(kfp: FakeKfp, films: ClusterRun) -> None:
    """A second run with one video more: one shard of each loop ran, and of the first loop nothing else is known."""
    write(films, "discover")
    write(films, "caption", shard=SHARDS[1])
    freeze(kfp, films)
    write(films, "train", "running")
    told = {task["name"]: task for task in films.look().tasks}
    assert (told["segment"]["status"], told["segment"]["total"]) == ("cached", 2)
    assert (told["caption"]["status"], told["caption"]["cached"], told["caption"]["done"]) == ("succeeded", 1, 2)
    assert told["gate"]["status"] == "cached"
    assert (told["ask"]["status"], told["ask"]["done"]) == ("cached", 2)
    assert (told["train"]["status"], told["finish"]["status"]) == ("running", "waiting")


def test_a_run_that_succeeded_has_done_every_task_though_the_list_says_otherwise(
    kfp: FakeKfp, films: ClusterRun, capsys: pytest.CaptureFixture[str]
) -> None:
    write(films, "discover")
    for shard in SHARDS:
        write(films, "caption", shard=shard)
    freeze(kfp, films)
    write(films, "gate")
    kfp.end(films.run_id)
    assert states(films.look()) == {
        "discover": "succeeded",
        "segment": "cached",
        "caption": "succeeded",
        "gate": "succeeded",
        "ask": "cached",
        "train": "cached",
        "finish": "succeeded",
    }
    assert follow(films, live=False) == 0
    assert "7 of 7 tasks, 3 of them from the cache" in capsys.readouterr().out


def test_a_run_with_nothing_to_do_has_not_done_what_it_left_out(kfp: FakeKfp, films: ClusterRun) -> None:
    write(films, "discover", info={NOTHING_TO_DO: "No video is new."})
    kfp.nodes(films.run_id, discover="SUCCEEDED", root="RUNNING")
    kfp.end(films.run_id)
    told = films.look()
    assert told.nothing_to_do == "No video is new."
    assert states(told)["discover"] == "succeeded" and states(told)["train"] == "skipped"


def test_a_failure_is_told_from_its_record_where_the_list_stands_still(kfp: FakeKfp, films: ClusterRun) -> None:
    write(films, "discover")
    for shard in SHARDS:
        write(films, "caption", shard=shard)
    freeze(kfp, films)
    write(films, "gate", "failed", error=TaskError(type="GateFailed", what="Coverage is 0.4."))
    assert states(films.look())["gate"] == "failed"
    kfp.end(films.run_id, "FAILED")
    told = films.look()
    assert states(told)["gate"] == "failed" and states(told)["train"] == "skipped"
    assert told.error["task"] == "gate" and told.error["what"] == "Coverage is 0.4."


def test_a_task_that_died_before_it_could_write_is_told_by_what_had_to_come_next(
    kfp: FakeKfp, films: ClusterRun, capsys: pytest.CaptureFixture[str]
) -> None:
    write(films, "discover")
    freeze(kfp, films)
    write(films, "gate")
    for shard in SHARDS:
        write(films, "ask", shard=shard)
    kfp.end(films.run_id, "FAILED")
    told = films.look()
    assert states(told)["train"] == "failed" and states(told)["ask"] == "succeeded"
    print_standing(films)
    said = capsys.readouterr().out
    assert "train failed: The task train ended without a word" in said
    assert f"pipeline/runid={films.run_id}" in said and "executor-logs" in said


def test_a_run_whose_record_lies_elsewhere_is_not_called_cached(kfp: FakeKfp, films: ClusterRun) -> None:
    """The planner is never cached, so it must have written something where this run writes."""
    kfp.nodes(films.run_id, discover="SUCCEEDED", segment=["SUCCEEDED", "RUNNING"], root="RUNNING")
    told = films.look()
    assert films.record.root in told.note and "launch.state" in told.note
    assert told.tasks[1]["cached"] == 0


def test_a_record_of_a_failure_that_is_tried_again_is_not_the_end(kfp: FakeKfp, films: ClusterRun) -> None:
    """The list is up to date: it says that the task is at work, as Argo waits before the next attempt."""
    write(films, "discover", "failed", error=TaskError(type="OSError", what="The network is away."))
    kfp.nodes(films.run_id, discover="RUNNING", root="RUNNING")
    assert states(films.look())["discover"] == "running"


def test_a_pod_that_cannot_start_is_told_of(kfp: FakeKfp, films: ClusterRun) -> None:
    write(films, "discover")
    kfp.nodes(films.run_id, discover="SUCCEEDED", segment=["SUCCEEDED", "RUNNING"], **{"executor(0)": "PENDING"})
    write(films, "segment", shard=SHARDS[0])
    pod = kfp["runs"][-1]["run_details"]["task_details"][-1]
    pod["start_time"] = datetime.now(UTC).isoformat()
    assert not films.look().waiting
    pod["start_time"] = (datetime.now(UTC) - timedelta(minutes=7)).isoformat()
    assert films.look().waiting.startswith("a pod of segment has waited 7 minutes for its node, image or volume")
    assert f"pipeline/runid={films.run_id}" in films.look().waiting


def test_a_run_in_which_nothing_changes_is_said_to_go_on(
    kfp: FakeKfp, films: ClusterRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(films, "discover")
    write(films, "segment", "running", SHARDS[0])
    films.record.write(f"{LOGS}/segment-s00000.jsonl", b'{"message": "4 of 9 videos"}\n')
    freeze(kfp, films)
    said = threading.Event()
    look = films.look

    def watched() -> Standing:
        """Ends the run once it was said that it goes on."""
        if capsys.readouterr().out.count("4 of 9 videos"):
            said.set()
            kfp.end(films.run_id)
        return look()

    monkeypatch.setattr(films, "look", watched)
    assert follow(films, live=False, poll_s=0.0, quiet_s=0.0) == 0
    assert said.is_set()
