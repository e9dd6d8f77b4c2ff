"""Captioning end to end: real decoding and the built-in teacher over HTTP."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from components.captioning.caption import STAGE
from components.core.data.rows import Video
from components.sandbox.corpus.clips import showcase_clip
from components.sandbox.corpus.scene import Clip
from tests.components.captioning.clips import CLIP, LAPTOP, events_of, inputs_of
from tests.components.writing_stages import RunStage, render_clip


def truth_of(clip: Clip) -> list[tuple[float, float, str]]:
    return [
        (event.start_s, event.end_s, "; ".join(sorted(f"a {t.colour} {t.shape}" for t in event.things)))
        for event in clip.events
    ]


def test_events_of_a_clip_are_those_that_were_drawn(
    tmp_path: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    found = run_stage(STAGE, teacher, "captioned", inputs_of(tmp_path, video), **LAPTOP)
    events = events_of(found)
    assert [(event.start_s, event.end_s, event.text) for event in events] == truth_of(CLIP)
    segment = next(iter(found.rows("segments")))
    assert all(event.lineage.parents == (segment.segment_id,) and event.lineage.request_keys for event in events)
    assert found.manifest.metrics["gaps"] == 0
    assert found.manifest.reader.startswith("pyav")


def test_windows_and_segments_are_joined_into_the_same_caption_in_absolute_time(
    tmp_path: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    settings = {**LAPTOP, "rates": [4], "frames_per_request": 10}
    found = run_stage(STAGE, teacher, "captioned", inputs_of(tmp_path, video, cuts=[4.0]), **settings)
    assert found.manifest.metrics["windows"] == 4
    assert len(list(found.rows("segments"))) == 2
    events = events_of(found)
    assert events[0].start_s == 0 and events[-1].end_s == video.duration_s
    assert all(before.end_s == after.start_s for before, after in pairwise(events))
    shown = {event.text for event in events}
    assert shown == {text for _, _, text in truth_of(CLIP)}
    # Only the segments' border may cut an event in two.
    assert len(events) <= len(CLIP.events) + 1


def test_a_lively_clip_is_looked_at_more_often_than_a_still_one(
    tmp_path: Path, folder: Path, video: Video, teacher: str, run_stage: RunStage
) -> None:
    clips = [showcase_clip(index, 0) for index in range(12)]
    lively = max(clips, key=lambda clip: sum(thing.motion != "" for e in clip.events for thing in e.things))
    moving = render_clip(lively, folder)
    rates = []
    for name, one in {"still": video, "moving": moving}.items():
        metrics = run_stage(STAGE, teacher, name, inputs_of(tmp_path / name, one), **LAPTOP).manifest.metrics
        rates.append(metrics["frames"] / metrics["seconds"])
    assert rates == [pytest.approx(2, abs=0.1), pytest.approx(4, abs=0.1)]
