"""What captions are measured by: valid times, coverage, tiling, density, and grids that time was forced onto.

The grid check is about the corpus: a captioner that writes a boundary every five seconds is found by the share of all
inner boundaries that come a multiple of five seconds after the one before them, or after the start of their segment.
Distances, not times, because a long segment is captioned window by window and a captioner sees times from its window's
start. One clip cannot show it, and honest boundaries rounded to whole seconds must pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.core.data.rows import CaptionEvent, Segment, Video
from components.core.judging.intervals import wilson
from components.quality_gates.checks import Figure, RowFigures, worst_labels
from components.quality_gates.settings import CaptionThresholds

ON_GRID_S = 0.05
"""A boundary lies on a grid when it is this close to a multiple; writers round to tenths at the finest."""

TILING_S = 0.05
"""Segments tile when no gap, overlap or remainder exceeds this."""


@dataclass(frozen=True)
class CaptionMeasures:
    """What one video's caption says about the captioner."""

    video_id: str
    duration_s: float
    covered_s: float
    events: int
    tiling_error_s: float
    invalid_s: tuple[float, ...]
    """By event, the seconds by which its times break the rules; 0 for a valid one."""
    lines: tuple[str, ...]
    """By event, the event itself where its times are invalid, for quoting; "" otherwise."""
    left_open: str
    """Why seconds are not covered: the reason of the longest gap that captioning left; "" without one."""
    gaps_s: tuple[float, ...]
    """For each boundary inside its segment, the seconds since the one before it, or since the segment's start."""


def measure_caption(
    video: Video, segments: Sequence[Segment], events: Sequence[CaptionEvent], gaps: Sequence[CaptionEvent] = ()
) -> CaptionMeasures:
    """Measure one video's caption.

    Args:
        events: in order of their rows, since order is part of what is checked.
        gaps: the stretches that captioning left open, with their reasons.
    """
    invalid = tuple(_invalid(events, video.duration_s))
    return CaptionMeasures(
        video_id=video.video_id,
        duration_s=video.duration_s,
        covered_s=_covered(events, video.duration_s),
        events=len(events),
        tiling_error_s=_tiling_error(segments, video.duration_s),
        invalid_s=invalid,
        lines=tuple(_quote(video, event) if wrong else "" for event, wrong in zip(events, invalid, strict=True)),
        left_open=max(gaps, key=lambda gap: gap.end_s - gap.start_s).reason if gaps else "",
        gaps_s=tuple(_gaps(segments, events)),
    )


def caption_checks(
    videos: Sequence[CaptionMeasures], ingested: int, settings: CaptionThresholds
) -> tuple[list[Figure], list[RowFigures]]:
    """The checks of the captions gate.

    Args:
        videos: the captioned videos.
        ingested: how many videos the corpus holds.
    """
    total_s = sum(video.duration_s for video in videos)
    names = [video.video_id[:12] for video in videos]
    coverage = [video.covered_s / video.duration_s for video in videos]
    open_names = [f"{video.video_id[:12]}: {video.left_open[:120]}".rstrip(": ") for video in videos]
    events = sum(video.events for video in videos)
    density = [video.events / video.duration_s * 60 for video in videos]
    figures = [
        Figure(
            "captioned_videos",
            "videos with a caption / videos ingested",
            len(videos) / ingested if ingested else None,
            ingested,
            "videos",
            minimum=settings.min_yield,
        ),
        Figure(
            "coverage",
            "seconds covered by events / seconds of video",
            sum(video.covered_s for video in videos) / total_s if total_s else None,
            round(total_s),
            "seconds",
            minimum=settings.min_coverage,
            worst=worst_labels(coverage, open_names, settings.min_coverage, None),
        ),
        Figure(
            "events_per_minute",
            "density of the captions",
            events / total_s * 60 if total_s else None,
            events,
            "events",
            minimum=settings.min_density,
            maximum=settings.max_density,
            worst=worst_labels(density, names, settings.min_density, settings.max_density),
        ),
        _grid_figure(videos, settings),
    ]
    columns = [
        RowFigures(
            "valid_timestamps",
            "events with 0 ≤ start < end ≤ duration, in order (seconds by which an event breaks this)",
            [value for video in videos for value in video.invalid_s],
            [line for video in videos for line in video.lines],
            "events",
            "events",
            maximum=settings.tolerance_s,
        ),
        RowFigures(
            "covered_videos",
            f"videos of which events cover at least {settings.min_coverage:g}",
            coverage,
            open_names,
            "videos",
            "videos",
            minimum=settings.min_coverage,
            share=settings.covered_videos,
        ),
        RowFigures(
            "segments_tile",
            "videos whose segments tile them exactly (largest gap or overlap in seconds)",
            [video.tiling_error_s for video in videos],
            names,
            "videos",
            "videos",
            maximum=TILING_S,
        ),
    ]
    return figures, columns


def grid_share(gaps_s: Sequence[float], period_s: float) -> float:
    """Share of the gaps between boundaries that are multiples of `period_s`.

    >>> grid_share([5.0, 10.0, 12.0, 5.0], 5.0)
    0.75
    """
    on = sum(abs(gap - period_s * round(gap / period_s)) <= ON_GRID_S for gap in gaps_s)
    return on / len(gaps_s)


def _grid_figure(videos: Sequence[CaptionMeasures], settings: CaptionThresholds) -> Figure:
    """The most suspicious grid. What is held against the limit is a lower bound, so that few boundaries never convict.

    Captions without inner boundaries (one event per segment) lie on no grid: their share is 0.
    """
    gaps = [gap for video in videos for gap in video.gaps_s]
    shares = {period: grid_share(gaps, period) for period in settings.grids_s} if gaps else {}
    period = max(shares, key=lambda item: (shares[item], -item), default=0.0)
    n = len(gaps)
    found = wilson(round(shares[period] * n), n) if shares else None
    on_grid = [
        video.video_id[:12] for video in videos if period and video.gaps_s and grid_share(video.gaps_s, period) == 1.0
    ]
    return Figure(
        "boundaries_on_a_grid",
        f"inner event boundaries a multiple of {period:g} s apart (lower 95 % bound), the most frequent of the grids "
        f"{', '.join(f'{grid:g}' for grid in settings.grids_s)} s",
        found.low if found else 0.0 if videos else None,
        n,
        "boundaries",
        maximum=settings.max_on_grid,
        low=found.low if found else None,
        high=found.high if found else None,
        worst=tuple(f"{video} (all on {period:g} s)" for video in on_grid[:3]),
    )


def _quote(video: Video, event: CaptionEvent) -> str:
    return f"{video.video_id[:12]} {event.start_s:.1f}-{event.end_s:.1f} s of {video.duration_s:.1f}: {event.text[:60]}"


def _covered(events: Iterable[CaptionEvent], duration_s: float) -> float:
    """Seconds of [0, duration_s) inside at least one event."""
    covered, reached = 0.0, 0.0
    for event in sorted(events, key=lambda event: event.start_s):
        start, end = max(event.start_s, reached), min(event.end_s, duration_s)
        if end > start:
            covered += end - start
            reached = end
    return covered


def _invalid(events: Sequence[CaptionEvent], duration_s: float) -> Iterable[float]:
    """By event, the worst of: starts before 0, ends after the video, overlaps its predecessor, has no length."""
    previous_end = 0.0
    for event in events:
        empty = duration_s + 1.0 if event.end_s <= event.start_s else 0.0  # beyond any tolerance
        yield max(0.0, -event.start_s, event.end_s - duration_s, previous_end - event.start_s, empty)
        previous_end = event.end_s


def _tiling_error(segments: Sequence[Segment], duration_s: float) -> float:
    """The largest gap, overlap or remainder between the segments and [0, duration_s); all of it without segments."""
    error, reached = 0.0, 0.0
    for segment in sorted(segments, key=lambda segment: segment.start_s):
        error = max(error, abs(segment.start_s - reached))
        reached = segment.end_s
    return max(error, abs(duration_s - reached))


def _gaps(segments: Sequence[Segment], events: Sequence[CaptionEvent]) -> Iterable[float]:
    """Seconds from the start of each segment to its first inner boundary, and from each boundary to the next."""
    before = {segment.segment_id: segment.start_s for segment in segments}
    for event in events:
        gap = event.start_s - before.get(event.segment_id, 0.0)
        if gap > ON_GRID_S:
            yield gap
        before[event.segment_id] = event.start_s
