"""Teachers that say something impossible: asked again, halved, and where that does not help a gap with its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.captioning.caption import STAGE
from components.core.data.rows import Video
from components.sandbox.corpus.clips import long_clip
from components.sandbox.teacher.launch import running_teacher
from tests.components.captioning.clips import LAPTOP, events_of, gaps_of, inputs_of, whole
from tests.components.core.teachers.loopback import Answer, loopback, says
from tests.components.writing_stages import RunStage, payload_of, render_clip, scripted


def mended(bad: dict[str, Any], *, after: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A captioner that says something impossible until it has been corrected `after` times."""
    return lambda asked: bad if asked["asked_before"] < after else whole(asked, "a shape")


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"start_s": 0, "end_s": 30, "text": "far too long"}],
        [{"start_s": 3, "end_s": 2, "text": "backwards"}],
        [{"start_s": 0, "end_s": float("nan"), "text": "not a time"}],
        [{"start_s": 0, "end_s": 8, "text": " "}],
        [{"start_s": 0, "end_s": 8, "text": "<answer></answer>"}],
        [{"start_s": 4, "end_s": 8, "text": "late"}, {"start_s": 0, "end_s": 4, "text": "early"}],
        [{"start_s": "soon", "end_s": 8, "text": "no number"}],
    ],
)
def test_an_impossible_reply_is_asked_again_with_the_error_and_then_fails_the_record(
    tmp_path: Path, video: Video, run_stage: RunStage, events: list[dict[str, Any]]
) -> None:
    inputs = inputs_of(tmp_path, video)
    with loopback(scripted({"caption_events": mended({"events": events}, after=1)})) as server:
        found = run_stage(STAGE, server.url, "mended", inputs, **LAPTOP)
        assert [event.text for event in events_of(found)] == ["a shape"]
        assert len(server.requests) == 2
        assert "invalid" in server.requests[1]["messages"][-1]["content"]
    captioner = {"role": "captioner", "revision": "stubborn", "attempts": 2}
    whole_only = {"captioner": captioner, "shortest_window_s": 8, **LAPTOP}
    with loopback(scripted({"caption_events": mended({"events": events}, after=9)})) as server:
        with pytest.raises(SystemExit):
            run_stage(STAGE, server.url, "stubborn", inputs, **whole_only)
        assert len(server.requests) == 2


def test_overlaps_are_clipped_and_gaps_are_recorded_not_filled(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    spans = [(0, 3), (2, 4), (6, 8.2)]
    said = {"events": [{"start_s": start, "end_s": end, "text": f"from {start}"} for start, end in spans]}
    with loopback(scripted({"caption_events": lambda _: said})) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, video), **LAPTOP)
    assert [(event.start_s, event.end_s) for event in events_of(found)] == [(0, 2), (2, 4), (6, 8)]
    metrics = found.manifest.metrics
    assert (metrics["gaps"], metrics["gap_seconds"]) == (1, 2)
    assert [(gap.start_s, gap.end_s, gap.reason) for gap in gaps_of(found)] == [
        (4, 6, "the captioner described nothing here")
    ]
    assert (metrics["repairs_overlap"], metrics["repairs_clipped"]) == (1, 1)


def test_five_percent_of_invalid_windows_leave_97_percent_of_the_seconds_captioned(
    tmp_path: Path, run_stage: RunStage
) -> None:
    videos = [render_clip(long_clip(120.0, number), tmp_path / f"clip{number}") for number in range(4)]
    settings = {**LAPTOP, "rates": [2], "frames_per_request": 16, "captioner": {"role": "captioner", "attempts": 1}}
    with running_teacher(workers=1, faults=["garbage=0.05@captioner"], seed=0) as url:
        found = run_stage(STAGE, url, "captioned", inputs_of(tmp_path, *videos), **settings)
    metrics = found.manifest.metrics
    covered = sum(event.end_s - event.start_s for event in found.rows("events"))
    left_open = sum(gap.end_s - gap.start_s for gap in gaps_of(found))
    assert not list(found.failures())
    assert 0.03 <= metrics["windows_halved"] / 60 <= 0.1
    assert covered >= 0.97 * metrics["seconds"] == pytest.approx(0.97 * 480)
    assert left_open > 0 and covered + left_open == pytest.approx(480, abs=0.01)


def test_what_is_never_described_is_a_gap_that_says_where_and_why(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    """All eight seconds three times, the good half, the bad one three times, then its good and its bad half."""
    good = {3, 7}

    def answer(body: dict[str, Any], number: int) -> Answer:
        return says(whole(payload_of(body), f"look {number}") if number in good else "la la la")

    settings = {**LAPTOP, "rates": [4], "shortest_window_s": 2}
    with loopback(answer) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, video), **settings)
        assert len(server.requests) == 11
        again = run_stage(STAGE, server.url, "again", inputs_of(tmp_path, video), **settings)
        assert len(server.requests) == 11
    assert [(event.start_s, event.end_s, event.text) for event in events_of(found)] == [
        (0, 4, "look 3"),
        (4, 6, "look 7"),
    ]
    (gap,) = gaps_of(found)
    assert (gap.start_s, gap.end_s, gap.text) == (6, 8, "")
    assert "captioner" in gap.reason and "stayed invalid after 3 attempts" in gap.reason
    metrics = found.manifest.metrics
    assert (metrics["windows_halved"], metrics["gaps"], metrics["gap_seconds"]) == (2, 1, 2)
    assert again.manifest.digest == found.manifest.digest


def test_an_invalid_window_does_not_cancel_what_its_siblings_pay_for(
    tmp_path: Path, video: Video, run_stage: RunStage
) -> None:
    first: list[Any] = []

    def answer(body: dict[str, Any], number: int) -> Answer:
        content = body["messages"][1]["content"]
        first.extend([content] if not first else [])
        if content == first[0]:
            return says("la la la")
        return says(whole(payload_of(body), "paid for"), after_s=0.5)

    settings = {**LAPTOP, "rates": [4], "frames_per_request": 16, "shortest_window_s": 4}
    with loopback(answer) as server:
        found = run_stage(STAGE, server.url, "captioned", inputs_of(tmp_path, video), **settings)
        assert len(server.requests) == 3 + 1
    assert [event.text for event in events_of(found)] == ["paid for"]
    assert [gap.end_s - gap.start_s for gap in gaps_of(found)] == [4]
