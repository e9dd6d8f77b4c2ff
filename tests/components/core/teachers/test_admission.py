"""The control law of an endpoint, without a clock, a client or a task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.core.teachers.admission import FAILURES_TO_OPEN, SUCCESSES_PER_INCREASE, Admission, Trouble

EVENTS = st.lists(
    st.tuples(st.sampled_from(["success", "overloaded", "failed", "unreachable"]), st.floats(0.0, 3.0)), max_size=300
)


def happen(admission: Admission, what: str, now: float) -> None:
    troubles: dict[str, Trouble] = {"overloaded": "overloaded", "failed": "failed", "unreachable": "unreachable"}
    if what in troubles:
        admission.troubled(troubles[what], now)
    else:
        admission.succeeded()


@given(EVENTS)
def test_the_limit_stays_between_one_and_the_highest(events: list[tuple[str, float]]) -> None:
    admission, now = Admission(limit=8, highest=12), 0.0
    for what, pause in events:
        now += pause
        happen(admission, what, now)
        assert 1.0 <= admission.limit <= 12.0


@given(EVENTS)
def test_a_success_closes_the_count_of_failures(events: list[tuple[str, float]]) -> None:
    """The breaker opens only after an unbroken run of trouble that lasted long enough."""
    admission, now, run, since = Admission(patience_s=5.0), 0.0, 0, 0.0
    for what, pause in events:
        now += pause
        was_open = admission.is_open
        happen(admission, what, now)
        since = now if run == 0 else since
        run = 0 if what == "success" else run + 1
        if admission.is_open and not was_open:
            assert run >= FAILURES_TO_OPEN
            assert now - since >= 3.0


def test_25_successes_admit_one_call_more() -> None:
    admission = Admission(limit=4)
    for _ in range(SUCCESSES_PER_INCREASE):
        admission.succeeded()
    assert admission.limit == 5


def test_a_refusal_takes_a_quarter_away_and_starts_the_count_anew() -> None:
    admission = Admission(limit=8)
    for _ in range(SUCCESSES_PER_INCREASE - 1):
        admission.succeeded()
    admission.troubled("overloaded", now=10.0)
    admission.succeeded()
    assert admission.limit == 6.0


def test_a_burst_of_refusals_counts_once_a_second() -> None:
    admission = Admission(limit=16)
    for _ in range(10):
        admission.troubled("overloaded", now=100.0)
    assert admission.limit == 12.0
    admission.troubled("overloaded", now=101.0)
    assert admission.limit == 9.0


def test_calls_wait_for_a_free_place_and_for_retry_after() -> None:
    admission = Admission(limit=3)
    assert admission.wait_s(0.0) == 0.0
    for _ in range(3):
        admission.start()
    assert admission.wait_s(0.0) is None
    admission.end()
    admission.end()
    admission.troubled("overloaded", now=0.0, retry_after_s=4.0)
    assert admission.wait_s(1.0) == 3.0
    assert admission.wait_s(4.0) == 0.0


def test_an_absurd_retry_after_is_capped_at_a_minute() -> None:
    admission = Admission()
    admission.troubled("overloaded", now=0.0, retry_after_s=86400.0)
    assert admission.wait_s(0.0) == 60.0


def test_refused_connections_open_the_breaker_after_three_seconds() -> None:
    admission = Admission(patience_s=60.0)
    for second in (0.0, 0.5, 1.0, 2.0):
        admission.troubled("unreachable", second)
    assert not admission.is_open
    admission.troubled("unreachable", 3.0)
    assert admission.is_open


def test_overload_is_borne_for_the_whole_patience() -> None:
    admission = Admission(patience_s=60.0)
    for second in range(60):
        admission.troubled("overloaded", float(second))
    assert not admission.is_open
    admission.troubled("overloaded", 60.0)
    assert admission.is_open
