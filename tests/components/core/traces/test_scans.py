from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.data.rows import CaptionEvent, Step, Trajectory
from components.core.traces import scans, tags
from components.core.traces.timecodes import render_span

WORDS = st.sampled_from(["red cross", "blue circle", "a green square; a white cross", "a man opens a door."])
LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=8)


def event(number: int, start_s: float, end_s: float, text: str) -> CaptionEvent:
    return CaptionEvent(
        event_id=f"event-{number}", video_id="video", segment_id="", start_s=start_s, end_s=end_s, text=text
    )


@st.composite
def captions(draw: st.DrawFn) -> list[CaptionEvent]:
    """Events without gaps, on whole seconds."""
    events: list[CaptionEvent] = []
    for number, length in enumerate(draw(LENGTHS)):
        start = events[-1].end_s if events else 0.0
        events.append(event(number, start, start + length, draw(WORDS)))
    return events


def seconds(events: list[CaptionEvent]) -> list[float]:
    return [float(second) for second in range(int(events[-1].end_s))]


@given(events=captions(), data=st.data())
def test_a_scan_is_read_back_as_it_was_written_and_says_what_is_true(
    events: list[CaptionEvent], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(events) - 1))
    last = data.draw(st.integers(first, len(events) - 1))
    run = events[first : last + 1]
    found = scans.scan(events, [{event.event_id for event in run}], seconds(events))
    assert found is not None
    assert scans.parse(str(found)) == found
    times = [entry.time_s for entry in found.entries]
    assert times == sorted(set(times)) and times[0] == 0.0
    for entry in found.entries:
        shown = scans.event_at(events, entry.time_s)
        assert shown is not None and entry.text == shown.text and bool(entry.number) == (shown in run)
    assert found.spans == ((run[0].start_s, run[-1].end_s),)
    assert [entry.number for entry in found.entries].count(0) - run[0].start_s in (0, 1)  # one behind the last yes


@given(events=captions(), data=st.data())
def test_a_search_for_several_counts_them_to_the_end(events: list[CaptionEvent], data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(events) - 1), min_size=1)))
    found = scans.scan(events, [[events[place].event_id] for place in chosen], seconds(events), counts=True)
    assert found is not None and scans.parse(str(found)) == found
    assert str(found).endswith(f". {len(chosen)}") and len(found.entries) == events[-1].end_s
    assert found.spans == tuple((events[place].start_s, events[place].end_s) for place in chosen)
    assert found.found == [events[place].text for place in chosen]
    for entry in found.entries:
        shown = scans.event_at(events, entry.time_s)
        assert shown is not None
        number = events.index(shown)
        assert entry.number == (chosen.index(number) + 1 if number in chosen else 0)


@pytest.mark.parametrize(
    "text",
    [
        "00:00 red cross 1 00:01 blue cross no 00:02 red circle 2. 3",
        "00:00 red cross 1 00:01 blue cross yes. 1",
        "00:00 red cross yes 00:01 blue cross no. 1",
        "00:00 red cross 1 00:01 blue cross no. 00:00-00:01",
    ],
)
def test_a_scan_that_contradicts_itself_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a scan"):
        scans.parse(text)


@given(text=st.text(alphabet="0123456789:- .yesno", max_size=60))
def test_what_is_no_scan_is_refused(text: str) -> None:
    try:
        found = scans.parse(text)
    except ValueError:
        return
    assert " ".join(str(found).split()) == " ".join(text.split())


@pytest.mark.parametrize(
    ("sought", "moments", "why"),
    [
        ({"event-1"}, [0.0, 3.0], "no moment shows it"),
        ({"event-0", "event-2"}, [0.0, 1.0, 3.0], "it comes back"),
        ({"event-1"}, [1.0, 1.2, 3.0], "two moments have one timecode"),
    ],
)
def test_what_a_scan_cannot_say_is_none(sought: set[str], moments: list[float], why: str) -> None:
    events = [event(0, 0, 1, "red cross"), event(1, 1, 2, "blue cross"), event(2, 2, 4, "red cross")]
    assert scans.scan(events, [sought], moments) is None, why


def trajectory(*steps: Step, answer: str = "red") -> Trajectory:
    pairs = tuple(tags.Pair(f"find {step.argument}", step.observation) for step in steps)
    return Trajectory(
        trajectory_id="trace",
        question_id="question",
        video_id="video",
        steps=steps,
        answer=answer,
        text=f"Let me look. {tags.render(pairs, answer)}",
    )


def test_a_search_is_rewritten_and_the_rest_of_the_trace_stays() -> None:
    events = [event(0, 0, 1, "a red cross"), event(1, 1, 3, "a blue cross"), event(2, 3, 4, "a red circle")]
    told = f"{render_span(1, 3)} a blue cross"
    search = Step(
        thought="", action="segment_retrieval", argument="a blue cross", observation=told, event_ids=("event-1",)
    )
    look = Step(thought="", action="segment_query", argument="00:03", observation="00:03 a red circle")
    text = scans.scanned(trajectory(search, look), events, seconds(events))
    first, second = tags.parse(text).pairs
    assert tags.parse(text).well_formed and text.startswith("Let me look. ")
    assert first.observation == (
        "00:00 a red cross no 00:01 a blue cross yes 00:02 a blue cross yes 00:03 a red circle no. 00:01-00:03"
    )
    assert second.observation == look.observation


def test_a_search_for_several_things_numbers_them() -> None:
    events = [event(0, 0, 1, "a red cross"), event(1, 1, 3, "a blue cross"), event(2, 3, 4, "a red circle")]
    told = "00:00-00:01 a red cross; 00:03-00:04 a red circle"
    both = ("event-0", "event-2")
    search = Step(thought="", action="segment_retrieval", argument="red shapes", observation=told, event_ids=both)
    (pair,) = tags.parse(scans.scanned(trajectory(search), events, seconds(events))).pairs
    assert pair.observation == (
        "00:00 a red cross 1 00:01 a blue cross no 00:02 a blue cross no 00:03 a red circle 2. 2"
    )


@pytest.mark.parametrize("observation", ["nothing found", "at 00:00 a red cross", "two of them"])
def test_what_tells_no_spans_stays_as_it_was_told(observation: str) -> None:
    events = [event(0, 0, 1, "a red cross"), event(1, 1, 3, "a blue cross")]
    search = Step(thought="", action="segment_retrieval", argument="x", observation=observation, event_ids=("event-0",))
    assert observation in scans.scanned(trajectory(search), events, seconds(events))
