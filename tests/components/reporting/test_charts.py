"""Charts on small numbers: they stay inside their frame and leave out what cannot be drawn."""

from __future__ import annotations

import re

import pytest

from components.reporting.charts.intervals import Dot, interval_plot
from components.reporting.charts.lineage import Stop, arc_diagram
from components.reporting.charts.lines import line_chart, smoothed
from components.reporting.charts.timeline import Asked, Bar, Look, VideoTimeline, timeline


def numbers(svg: str, attribute: str) -> list[float]:
    return [float(value) for value in re.findall(rf' {attribute}="(-?[\d.]+)"', svg)]


def test_curves_leave_out_what_is_not_finite() -> None:
    svg = line_chart({"loss": [(0, 1.0), (1, float("nan")), (2, float("inf")), (3, 0.5)]}, "loss")
    assert "nan" not in svg and "inf" not in svg
    assert line_chart({"loss": [(0, float("nan"))]}, "loss") == ""


def test_a_single_step_is_a_dot_and_a_constant_a_flat_line() -> None:
    assert "<circle" in line_chart({"loss": [(5, 1.0)]}, "loss")
    assert "nan" not in line_chart({"loss": [(0, 1.0), (1, 1.0)]}, "loss")


def test_smoothing_starts_at_the_first_value() -> None:
    assert [value for _, value in smoothed([(0, 4.0), (1, 4.0), (2, 4.0)])] == pytest.approx([4.0, 4.0, 4.0])


def test_intervals_stay_on_their_axis() -> None:
    svg = interval_plot([Dot("a", 0.5, 0.4, 0.6, 100), Dot("b", 0.98, 0.9, 1.0, 100)], "accuracy", 0.25)
    assert all(0 <= x <= 480 for x in numbers(svg, "cx"))
    assert 'class="reference"' in svg
    assert "a: 50.0%, 95 % 40.0% to 60.0%, n = 100" in svg


def test_differences_may_be_negative() -> None:
    svg = interval_plot([Dot("a − b", -0.1, -0.2, 0.05, 50)], "difference", 0.0, signed=True)
    assert "-10.0%" in svg and "+0%" in svg


def test_no_rows_draw_nothing() -> None:
    assert interval_plot([], "empty") == arc_diagram([], [], "empty") == ""


def test_arcs_name_their_ends() -> None:
    svg = arc_diagram([Stop("corpus", "24 videos"), Stop("captions", "", "gate")], [(0, 1), (0, 1)], "lineage")
    assert svg.count("<path") == 1
    assert "corpus → captions" in svg


def test_a_timeline_of_times_outside_the_video_stays_in_its_frame() -> None:
    shown = VideoTimeline(
        duration_s=10,
        events=[Bar(-1, 4, "early"), Bar(8, 99, "late")],
        asked=[Asked("when?", ((2, 3),), (Look(((1, 2),), "looked"), Look(((50, 60),), "looked far")))],
    )
    svg = timeline(shown, "timeline")
    assert all(0 <= x <= 960 for name in ("x", "cx", "x1", "x2") for x in numbers(svg, name))
    assert svg.count('class="look"') == 2


def test_a_timeline_of_nothing_is_an_axis() -> None:
    assert "00:00" in timeline(VideoTimeline(duration_s=0), "timeline")
