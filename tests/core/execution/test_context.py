"""The context of a handler, used by its code and by the worker on different threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.core.helpers import NOON, FakeClock

from jobdeck import Interrupted, Job, JobContext, State, Stopped, SystemClock, TimedOut


def given(**more: Any) -> JobContext:
    job = Job(
        id=7, kind="work", args_json="{}", queue="default", priority=0, state=State.RUNNING, attempt=2, max_attempts=3,
        created_at=1.0, scheduled_at=1.0, **more,
    )  # fmt: skip
    made = JobContext(job, SystemClock())
    made.start_timeout()
    return made


@pytest.mark.parametrize(
    ("asked", "raised"), [({"cancelled": True}, Stopped), ({"lost": True}, Stopped), ({"interrupted": True}, Interrupted)]
)
def test_a_sleep_is_interrupted_by_a_stop_request_whichever_comes_first(asked: dict[str, Any], raised: type[Exception]) -> None:
    early, late = given(), given()
    early.request_stop(**asked)
    begin = time.monotonic()
    with pytest.raises(raised):
        early.sleep(60)
    threading.Timer(0.05, lambda: late.request_stop(**asked)).start()
    with pytest.raises(raised):
        late.sleep(60)
    assert time.monotonic() - begin < 10


def test_a_sleep_ends_at_the_timeout_of_the_attempt() -> None:
    with pytest.raises(TimedOut):
        given(timeout=0.02).sleep(60)


def test_an_attempt_without_a_timeout_never_times_out() -> None:
    assert given().time_left() is None
    clock = FakeClock()
    made = JobContext(given(timeout=10.0)._job, clock)
    made.start_timeout()
    clock.advance(4)
    assert made.time_left() == pytest.approx(6)
    clock.advance(7)
    assert (made.time_left(), made.timed_out, made.stopping, made.cancelled) == (0.0, True, True, False)


def test_the_shortest_grace_applies() -> None:
    made = given()
    made.request_stop(cancelled=True)
    made.request_stop(interrupted=True, grace=0.5)
    made.request_stop(cancelled=True, grace=3.0)
    assert made.grace == 0.5


def test_a_stop_callback_is_called_even_if_the_stop_was_requested_before() -> None:
    calls: list[str] = []
    early, late = given(), given()
    early.request_stop(cancelled=True)
    early.on_stop(lambda: calls.append("early"))
    late.on_stop(lambda: calls.append("late"))
    late.request_stop(cancelled=True)
    late.on_stop(None)
    late.request_stop(interrupted=True)
    assert calls == ["early", "late"]


def test_all_first_log_lines_of_concurrent_threads_are_kept() -> None:
    for _ in range(100):
        made = given()
        begin = threading.Barrier(4)

        def write(n: int, made: JobContext = made, begin: threading.Barrier = begin) -> None:
            begin.wait()
            made.write("info", str(n))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(text for _, _, text in made.drain_log()) == ["0", "1", "2", "3"]
    assert given().drain_log() == []


def test_a_message_on_progress_is_one_short_line_that_can_be_stored_and_the_next_report_replaces_it() -> None:
    made = given()
    for message, stored in (
        ("frame 3 of 8", "frame 3 of 8"),
        (" two\nlines\tand more ", "two lines and more"),
        ("\udc80\0", "\\udc80\ufffd"),
        ("x" * 1000, "x" * 199 + "…"),
        ("", None),
        (None, None),
    ):
        made.progress(0.4, message)
        assert made.take_progress() == (0.4, stored)
    assert made.take_progress() is None


def test_the_time_left_is_estimated_from_the_progress_of_a_running_job() -> None:
    job = replace(given().job, state=State.RUNNING, started_at=NOON, progress=0.4)
    assert job.time_left(NOON + 20) == pytest.approx(30)
    assert job.time_left(NOON + 0.5) is None, "too early"
    assert replace(job, progress=1.0).time_left(NOON + 20) == 0
    assert replace(job, progress=0.0).time_left(NOON + 20) is None
    assert replace(job, progress=None).time_left(NOON + 20) is None
    assert replace(job, state=State.FAILED).time_left(NOON + 20) is None
