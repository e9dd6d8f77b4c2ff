"""The control law of an endpoint, without a clock, a client or a task."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.teachers.admission import TROUBLES_TO_OPEN, Admission, Trouble
from tests.components.core.teachers.shared_server import SharedServer

TROUBLES: list[Trouble] = ["refused", "overloaded", "timed_out", "failed", "unreachable"]
EVENTS = st.lists(st.tuples(st.sampled_from(["success", *TROUBLES]), st.floats(0.0, 3.0)), max_size=300)
HOURS = 3600.0


def happen(admission: Admission, what: str, now: float, took_s: float = 1.0) -> None:
    admission.start(now)
    if what == "success":
        admission.succeeded("judge", took_s, 600.0, now)
    else:
        admission.troubled(what, now, started_at=now)
    admission.end()


def fill(admission: Admission, now: float, took_s: float = 1.0) -> None:
    """One round trip of a window that is kept full, without trouble."""
    for _ in range(int(admission.window)):
        while admission.wait_s(now) == 0.0:
            admission.start(now)
        admission.succeeded("judge", took_s, 600.0, now + took_s)
        admission.end()


@given(EVENTS)
def test_the_window_stays_between_one_and_the_highest(events: list[tuple[str, float]]) -> None:
    admission, now = Admission(start_window=8, highest=12), 0.0
    for what, pause in events:
        now += pause
        happen(admission, what, now)
        assert 1.0 <= admission.window <= 12.0
        assert admission.not_before <= now + 60.0


@given(EVENTS)
def test_an_endpoint_is_given_up_only_after_a_silence_as_long_as_the_patience(events: list[tuple[str, float]]) -> None:
    admission, now, run, since = Admission(patience_s=5.0), 0.0, 0, 0.0
    for what, pause in events:
        now += pause
        was_open = admission.is_open
        since = now if run == 0 else since
        run = 0 if what == "success" else run + 1
        happen(admission, what, now)
        if admission.is_open and not was_open:
            assert run >= TROUBLES_TO_OPEN
            assert now - since >= 5.0


def test_the_window_doubles_with_every_round_trip_until_calls_wait_for_each_other() -> None:
    admission, windows = Admission(start_window=2), []
    for trip in range(5):
        fill(admission, now=10.0 * trip)
        windows.append(int(admission.window))
    assert windows == [4, 8, 16, 32, 64]
    slow = Admission(start_window=2)
    for trip in range(3):
        fill(slow, now=10.0 * trip)
    for trip in range(3, 20):
        fill(slow, now=100.0 * trip, took_s=2.5)
    assert slow.window < 2 * 16 + 1


def test_a_window_that_is_not_used_does_not_grow() -> None:
    admission = Admission(start_window=8)
    for second in range(100):
        happen(admission, "success", float(second))
    assert admission.window == 8


def test_where_calls_mostly_queue_the_window_shrinks_but_not_below_its_start() -> None:
    admission = Admission(start_window=4)
    for trip in range(4):
        fill(admission, now=10.0 * trip)
    assert admission.window > 30
    for trip in range(4, 20):
        fill(admission, now=100.0 * trip, took_s=5.0)
    assert 4 <= admission.window < 16


def test_the_roles_of_an_endpoint_are_not_measured_by_each_other() -> None:
    admission = Admission(start_window=4)
    for second in range(200):
        for role, took_s in (("judge", 0.5), ("captioner", 50.0)):
            for _ in range(int(admission.window) - admission.in_flight):
                admission.start(float(second))
            admission.succeeded(role, took_s, 600.0, float(second))
            admission.end()
    assert admission.window == 64


def test_a_refusal_takes_a_quarter_away_at_most_once_a_second() -> None:
    admission = Admission(start_window=16)
    for _ in range(16):
        admission.start(0.0)
    for _ in range(10):
        admission.troubled("refused", now=100.0, started_at=99.0)
    assert admission.window == 12.0
    admission.troubled("refused", now=101.0, started_at=100.0)
    assert admission.window == 9.0


def test_calls_wait_for_a_free_place_and_for_retry_after() -> None:
    admission = Admission(start_window=3)
    assert admission.wait_s(0.0) == 0.0
    for _ in range(3):
        admission.start(0.0)
    assert admission.wait_s(0.0) is None
    admission.troubled("refused", now=0.0, started_at=0.0, retry_after_s=4.0)
    admission.end()
    admission.end()
    assert admission.wait_s(1.0) == 3.0
    assert admission.wait_s(4.0) == 0.0


@pytest.mark.parametrize("asked_s", [86400.0, float("inf")])
def test_an_absurd_retry_after_is_believed_for_a_minute(asked_s: float) -> None:
    admission = Admission()
    admission.troubled("refused", now=0.0, started_at=0.0, retry_after_s=asked_s)
    assert admission.wait_s(0.0) == 60.0


def test_while_an_endpoint_is_down_one_probe_starts_per_pause() -> None:
    """A ten-minute outage is noticed to be over within half a minute, and is asked for some hundred times."""
    admission, now, probes = Admission(start_window=32), 0.0, 0
    while now < 600.0:
        wait_s = admission.wait_s(now)
        if wait_s == 0.0:
            happen(admission, "unreachable", now)
            probes += now > 3.0
        now += 0.01
    assert admission.is_down(now) and not admission.is_open
    assert probes < 150
    assert admission.wait_s(now) is not None and admission.wait_s(now) < 15.1


def test_trouble_is_forgiven_while_anything_succeeds() -> None:
    admission = Admission(patience_s=60.0)
    for second in range(3600):
        happen(admission, "success" if second % 50 == 49 else TROUBLES[second % 5], float(second))
        assert not admission.is_open


def test_troubles_far_apart_are_no_outage() -> None:
    """Nobody asked in the meantime, so nobody knows whether it would have answered."""
    admission = Admission(patience_s=600.0)
    for hour in range(10):
        happen(admission, "failed", hour * HOURS)
    assert not admission.is_open


def test_deadlines_follow_what_calls_take() -> None:
    quick, slow = Admission(), Admission()
    assert quick.deadline_s("judge", 600.0) == 600.0
    for second in range(20):
        happen(quick, "success", float(second), took_s=0.5)
        happen(slow, "success", 1000.0 * second, took_s=400.0)
    assert quick.deadline_s("judge", 600.0) == 60.0
    assert slow.deadline_s("judge", 600.0) == 1600.0
    unlucky = Admission()
    unlucky.troubled("timed_out", now=120.0, started_at=0.0, role="judge")
    assert unlucky.deadline_s("judge", 120.0) == 240.0
    assert unlucky.deadline_s("captioner", 120.0) == 120.0


@pytest.mark.parametrize("call_s", [2.0, 64.0, 150.0, 400.0])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_twenty_tasks_keep_32_slots_busy_and_none_gives_up(call_s: float, spread: float) -> None:
    server = SharedServer(slots=32, call_s=call_s, spread=spread).run(tasks=20, seconds=60 * call_s)
    assert not server.given_up
    assert server.utilisation > 0.95
    assert server.timeouts < 0.01 * server.answered
    assert server.in_flight < 6 * 32


@pytest.mark.parametrize("call_s", [2.0, 64.0, 150.0])
def test_a_server_that_refuses_what_it_cannot_take_starves_nobody(call_s: float) -> None:
    server = SharedServer(slots=32, call_s=call_s, spread=0.5, queues=False).run(tasks=20, seconds=60 * call_s)
    assert not server.given_up
    assert server.utilisation > 0.95
    assert min(server.answered_by_task) > 0.25 * server.answered / 20


def test_tasks_that_come_and_go_do_not_drive_the_queue_up() -> None:
    """Whoever joins a busy server has never seen it quick; the bound by the time-out holds the queue all the same."""
    server = SharedServer(slots=32, call_s=64.0, spread=0.5).run(tasks=20, seconds=6 * HOURS, joins_every_s=100.0)
    assert not server.given_up
    assert server.utilisation > 0.95
    assert server.timeouts < 0.01 * server.answered
    assert server.longest_mean_s < 700.0


def test_a_hundred_tasks_on_32_slots_end_without_a_collapse() -> None:
    """Not even where the server works on for calls that nobody waits for any more."""
    server = SharedServer(slots=32, call_s=64.0, notices_hang_ups=False).run(tasks=100, seconds=2 * HOURS)
    assert not server.given_up
    assert server.utilisation > 0.95
