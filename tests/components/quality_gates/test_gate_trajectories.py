"""The trajectories gate: its measures on crafted trajectories, and the task with the built-in teacher as judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core.data.datasets import Dataset
from components.core.data.rows import (
    CaptionEvent,
    Outcome,
    ProbeVerdict,
    Question,
    Row,
    Segment,
    Step,
    Summary,
    Trajectory,
    Video,
)
from components.core.engine.run import run_task
from components.quality_gates.checks import Figure, RowFigures
from components.quality_gates.gate_trajectories import STAGE
from components.quality_gates.settings import TrajectoryThresholds
from components.quality_gates.trajectory_quality import judge_trajectory, trajectory_checks
from components.sandbox.teacher.launch import running_teacher
from tests.components.builtin_roles import builtin_role, with_builtin_roles
from tests.components.core.judging.world import asking
from tests.components.core.teachers.loopback import loopback, says
from tests.components.quality_gates.worlds import (
    events_of,
    question,
    trajectory,
    video,
    whole_seconds,
    write_dataset,
)

CLIP = video(1)
EVENTS = events_of(CLIP, 1, whole_seconds)
ASKED = question(CLIP, 0)
ONE_LOOK = with_builtin_roles(STAGE, {"trajectories": {"min_actions": 1.0}})


@pytest.fixture(scope="module")
def teacher() -> Iterator[str]:
    with running_teacher() as base_url:
        yield base_url


def checks(
    trajectories: list[Trajectory], judged: list[tuple[str, bool]] | None = None
) -> dict[str, Figure | RowFigures]:
    figures, columns = trajectory_checks(
        trajectories,
        tried=10,
        events={event.event_id: event.video_id for event in EVENTS},
        questions={ASKED.question_id: ASKED},
        videos={CLIP.video_id: CLIP, video(0).video_id: video(0)},
        judged=judged or [],
        settings=TrajectoryThresholds(),
    )
    return {check.name: check for check in (*figures, *columns)}


def values(trajectories: list[Trajectory], name: str) -> list[float]:
    column = checks(trajectories)[name]
    assert isinstance(column, RowFigures)
    return list(column.values)


def value(trajectories: list[Trajectory], name: str) -> float | None:
    figure = checks(trajectories)[name]
    assert isinstance(figure, Figure)
    return figure.value


def test_a_faithful_trajectory_holds_everywhere() -> None:
    good = trajectory(ASKED, EVENTS[0])
    assert values([good], "cited_events_exist") == [0.0]
    assert values([good], "tags_parse") == values([good], "questions_exist") == [1.0]
    assert value([good], "mean_actions") == 1.0


def test_an_event_of_another_video_or_of_none_is_missing() -> None:
    foreign = events_of(video(2), 2, whole_seconds)[0]
    assert values([trajectory(ASKED, foreign)], "cited_events_exist") == [1.0]


def test_a_text_that_does_not_parse_or_says_another_answer_is_found() -> None:
    open_tag = trajectory(
        ASKED, EVENTS[0], text="<action>look at 00:00<observation>a</observation><answer>red</answer>"
    )
    other = trajectory(ASKED, EVENTS[0], answer="blue")
    assert values([open_tag, other], "tags_parse") == [0.0, 0.0]


def test_answers_without_looking_and_repeated_looks_are_counted() -> None:
    blind = trajectory(ASKED, EVENTS[0], steps=())
    step = Step(thought="", action="segment_retrieval", argument="a Red circle", observation="")
    again = step.model_copy(update={"argument": "red circle"})
    stuck = trajectory(ASKED, EVENTS[0], steps=(step, again))
    assert value([blind, stuck], "zero_action_share") == 0.5
    assert value([blind, stuck], "repeated_action_share") == 0.5


def test_a_trajectory_about_a_held_out_video_is_a_leak() -> None:
    held_out = trajectory(ASKED, EVENTS[0], video_id=video(0).video_id)
    assert value([held_out], "held_out_trajectories") == 1.0


def test_no_trajectory_means_nothing_to_measure() -> None:
    assert value([], "mean_actions") is None and value([], "observation_faithfulness") is None


def test_false_observations_are_quoted() -> None:
    figure = checks([trajectory(ASKED, EVENTS[0])], [("saw a red circle", True), ("saw a ghost", False)])[
        "observation_faithfulness"
    ]
    assert isinstance(figure, Figure)
    assert (figure.value, figure.n, figure.worst) == (0.5, 2, ("saw a ghost",))


async def test_a_judge_that_leaves_a_verdict_out_is_asked_again(tmp_path: Path) -> None:
    made = trajectory(ASKED, EVENTS[0])
    replies = [says({"verdicts": []}), says({"verdicts": [True]})]
    with loopback(lambda body, number: replies[number]) as server:
        async with asking(server.url, tmp_path) as teachers:
            judged = await judge_trajectory(teachers, builtin_role("judge"), made, EVENTS)
    assert [verdict for _, verdict in judged] == [True]
    assert "0 verdicts on 1 pairs" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize("invented", [False, True])
def test_the_task_passes_faithful_observations_and_refuses_invented_ones(
    tmp_path: Path, teacher: str, monkeypatch: pytest.MonkeyPatch, invented: bool
) -> None:
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_STATE_ROOT", str(tmp_path / "state"))
    monkeypatch.setenv("REWATCH_ENDPOINTS", json.dumps({"builtin": {"base_url": teacher, "api_key_env": ""}}))
    videos = [video(index) for index in range(1, 5)]
    tables: dict[str, type[Row]] = {"videos": Video, "segments": Segment, "events": CaptionEvent}
    rows: list[tuple[str, Row]] = [("videos", clip) for clip in videos]
    first = {clip.video_id: events_of(clip, index, whole_seconds) for index, clip in enumerate(videos, start=1)}
    rows += [("events", event) for events in first.values() for event in events]
    captions = write_dataset(tmp_path / "captions", tables, rows)
    asked = [question(clip, 0) for clip in videos]
    kept: dict[str, type[Row]] = {"summaries": Summary, "questions": Question, "verdicts": ProbeVerdict}
    questions = write_dataset(tmp_path / "questions", kept, [("questions", row) for row in asked])
    traces = [trajectory(row, first[row.video_id][0]) for row in asked]
    if invented:
        text = traces[0].text.replace("a red circle", "a purple cross")
        traces = [row.model_copy(update={"text": text}) for row in traces]
    dropped = traces[0].model_copy(
        update={"trajectory_id": "t-wrong", "outcome": Outcome.REJECTED, "reason": "wrong answer"}
    )
    shard = write_dataset(
        tmp_path / "shard",
        {"trajectories": Trajectory},
        [("trajectories", row) for row in (*traces, dropped)],
        shard="s00000-abc",
    )
    inputs = {"captions": str(captions), "questions": str(questions), "shards": str(shard)}
    output = tmp_path / "trajectories"
    if invented:
        with pytest.raises(SystemExit):
            run_task(STAGE, settings=ONE_LOOK, inputs=inputs, output=str(output), name="gate-trajectories")
    else:
        run_task(STAGE, settings=ONE_LOOK, inputs=inputs, output=str(output), name="gate-trajectories")
        assert [row.reason for row in Dataset(output).rejected("trajectories")] == ["wrong answer"]
    result = json.loads((tmp_path / "run" / "gates" / "trajectories.json").read_text())
    refused = [verdict["name"] for verdict in result["verdicts"] if verdict["status"] == "failed"]
    assert refused == (["observation_faithfulness"] if invented else [])
    assert result["counts"] == {"tried": 5, "kept": 4, "rejected": 1, "failed": 0, "judge_lost": 0}
