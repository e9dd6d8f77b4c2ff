"""The captions gate's measures on crafted captions."""

from __future__ import annotations

from itertools import pairwise

from components.core.data.rows import CaptionEvent, Segment, Video
from components.quality_gates.caption_quality import CaptionMeasures, caption_checks, measure_caption
from components.quality_gates.checks import Figure, RowFigures
from components.quality_gates.settings import CaptionThresholds
from tests.components.quality_gates.worlds import Times, events_of, every_five_seconds, video, whole_seconds


def measured(times: Times, clips: int = 40, duration_s: float = 8.0) -> list[CaptionMeasures]:
    videos = [video(index, duration_s) for index in range(clips)]
    return [measure_caption(clip, [whole(clip)], events_of(clip, index, times)) for index, clip in enumerate(videos)]


def whole(clip: Video) -> Segment:
    name = f"g-{clip.video_id[:8]}"
    return Segment(segment_id=name, video_id=clip.video_id, start_s=0, end_s=clip.duration_s)


def figure(measures: list[CaptionMeasures], name: str) -> Figure:
    figures, _ = caption_checks(measures, len(measures), CaptionThresholds())
    return next(figure for figure in figures if figure.name == name)


def column(measures: list[CaptionMeasures], name: str) -> RowFigures:
    _, columns = caption_checks(measures, len(measures), CaptionThresholds())
    return next(column for column in columns if column.name == name)


def test_honest_whole_second_boundaries_are_no_grid() -> None:
    found = figure(measured(whole_seconds), "boundaries_on_a_grid")
    assert found.n > 100
    assert found.value is not None and found.maximum is not None and found.value < found.maximum


def test_a_boundary_every_five_seconds_is_a_grid_even_in_eight_second_clips() -> None:
    found = figure(measured(every_five_seconds), "boundaries_on_a_grid")
    assert found.value is not None and found.maximum is not None and found.value > found.maximum
    assert found.explains.startswith("inner event boundaries a multiple of 5 s apart")
    assert len(found.worst) == 3


def test_a_grid_counts_from_the_start_of_the_segment() -> None:
    clip = video(1, duration_s=40)
    segments = [
        Segment(segment_id=f"g{start}", video_id=clip.video_id, start_s=start, end_s=end)
        for start, end in ((0.0, 17.3), (17.3, 40.0))
    ]
    events = [
        CaptionEvent(event_id=f"e{at}", video_id=clip.video_id, segment_id=name, start_s=at, end_s=end, text="a")
        for name, at, end in (("g0.0", 0, 5), ("g0.0", 5, 17.3), ("g17.3", 17.3, 22.3), ("g17.3", 22.3, 40))
    ]
    assert measure_caption(clip, segments, events).gaps_s == (5.0, 5.0)


def test_a_grid_is_found_through_windows_that_begin_off_it() -> None:
    clip = video(1, duration_s=100)
    starts = [*range(0, 33, 5), *range(33, 66, 5), *range(66, 100, 5)]
    spans = [(float(one), float(other)) for one, other in pairwise([*starts, 100])]
    found = figure([measure_caption(clip, [whole(clip)], events_of(clip, 1, lambda *_: spans))], "boundaries_on_a_grid")
    assert found.value is not None and found.maximum is not None and found.value > found.maximum


def test_few_boundaries_never_convict() -> None:
    found = figure(measured(every_five_seconds, clips=3), "boundaries_on_a_grid")
    assert found.value is not None and found.maximum is not None and found.value <= found.maximum


def test_overlapping_events_are_covered_once_and_invalid() -> None:
    clip = video(1)
    events = events_of(clip, 1, lambda *_: [(0.0, 6.0), (3.0, 8.0)])
    caption = measure_caption(clip, [whole(clip)], events)
    assert caption.covered_s == 8.0
    assert caption.invalid_s == (0.0, 3.0)


def test_an_event_after_the_end_or_without_length_is_invalid() -> None:
    late = measured(lambda *_: [(0.0, 4.0), (4.0, 9.5)], clips=1)[0]
    empty = measured(lambda *_: [(0.0, 4.0), (4.0, 4.0)], clips=1)[0]
    assert late.invalid_s == (0.0, 1.5)
    assert empty.invalid_s[1] > 8.0
    assert "4.0-9.5 s of 8.0" in column([late], "valid_timestamps").labels[1]


def test_segments_that_leave_a_gap_do_not_tile() -> None:
    clip = video(1)
    halves = [
        Segment(segment_id=str(start), video_id=clip.video_id, start_s=start, end_s=end)
        for start, end in ((0.0, 3.0), (3.5, 8.0))
    ]
    assert measure_caption(clip, halves, []).tiling_error_s == 0.5
    assert measure_caption(clip, [], []).tiling_error_s == 8.0


def test_an_empty_corpus_has_nothing_to_measure() -> None:
    figures, _ = caption_checks([], 0, CaptionThresholds())
    assert {figure.value for figure in figures} == {None}
