"""Retry policies: which errors are retried, after which delay, and why a job finally failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from jobdeck import (
    GiveUp,
    InvalidOption,
    Job,
    Outcome,
    Queue,
    Reason,
    Registry,
    Settings,
    Snooze,
    State,
    TimedOut,
    context,
    job,
)
from jobdeck.model.backoff import FLOOR
from jobdeck.testing import FrozenClock, drain, run_inline


@pytest.fixture
def kinds() -> Registry:
    return Registry()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def queue(tmp_path: Path, kinds: Registry, clock: FrozenClock) -> Iterator[Queue]:
    settings = Settings(synchronous="OFF")
    with Queue(tmp_path / "jobs.db", settings=settings, registry=kinds, clock=clock, random=Random(7)) as opened:
        yield opened


class NoRoute(ConnectionError):
    pass


RAISED: list[tuple[dict[str, Any], BaseException, bool]] = [
    ({}, ValueError(), True),
    ({}, SystemExit(3), True),
    ({"retry_on": (ConnectionError,)}, NoRoute(), True),
    ({"retry_on": ConnectionError}, ValueError(), False),
    ({"retry_on": (ConnectionError,)}, TimedOut(), False),
    ({"retry_on": (ConnectionError, TimedOut)}, TimedOut(), True),
    ({"give_up_on": (ConnectionError,)}, NoRoute(), False),
    ({"give_up_on": (ConnectionError,)}, ValueError(), True),
    ({"retry_on": (OSError,), "give_up_on": (ConnectionError,)}, FileNotFoundError(), True),
    ({"retry_on": (NoRoute,), "give_up_on": (ConnectionError,)}, NoRoute(), False),
    ({"retry_on": (OSError,)}, ExceptionGroup("two", [NoRoute(), FileNotFoundError()]), True),
    ({"retry_on": (OSError,)}, ExceptionGroup("two", [NoRoute(), ValueError()]), False),
    ({"retry_on": (ExceptionGroup,)}, ExceptionGroup("one", [ValueError()]), True),
    ({"give_up_on": (ValueError,)}, ExceptionGroup("two", [NoRoute(), ValueError()]), False),
    ({"retry_on": (GiveUp,)}, GiveUp("stolen"), False),
]


@pytest.mark.parametrize(("policy", "error", "again"), RAISED)
def test_a_policy_decides_which_errors_are_retried(
    kinds: Registry, policy: dict[str, Any], error: BaseException, again: bool
) -> None:
    @job(name="call", max_attempts=5, registry=kinds, **policy)
    def call() -> None:
        raise error

    ran = run_inline(call, registry=kinds, raise_errors=False)
    assert ran.error is error
    assert (ran.retry_in is not None) is again
    final = Reason.TIMED_OUT if isinstance(error, TimedOut) else Reason.GIVEN_UP
    assert ran.reason == (None if again else final)


def test_the_last_attempt_is_final_and_gives_the_reason(kinds: Registry) -> None:
    @job(name="slow", timeout=10, registry=kinds)
    def slow(nap: float) -> None:
        context().sleep(nap)
        raise ValueError("awake")

    exhausted = run_inline(
        slow, {"nap": 1.0}, attempt=3, max_attempts=3, clock=FrozenClock(), registry=kinds, raise_errors=False
    )
    timed_out = run_inline(
        slow, {"nap": 60.0}, attempt=3, max_attempts=3, clock=FrozenClock(), registry=kinds, raise_errors=False
    )
    assert (exhausted.outcome, exhausted.reason) == (Outcome.FAILED, Reason.EXHAUSTED)
    assert (timed_out.outcome, timed_out.reason) == (Outcome.TIMED_OUT, Reason.TIMED_OUT)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(ValueError("no"), Reason.EXHAUSTED), (GiveUp("no"), Reason.GIVEN_UP), (TimedOut(), Reason.TIMED_OUT)],
)
def test_a_failed_job_keeps_its_reason_until_it_is_retried(
    queue: Queue, kinds: Registry, raised: BaseException, reason: Reason
) -> None:
    @job(name="doomed", max_attempts=1, registry=kinds)
    def doomed() -> None:
        raise raised

    made = queue.enqueue("doomed")
    (failed,) = drain(queue, raise_errors=False)
    assert (failed.state, failed.reason) == (State.FAILED, reason)
    again = queue.retry(made.id)
    assert (again.state, again.reason) == (State.PENDING, None)


def waits(queue: Queue, made: Job) -> list[float]:
    """Return the seconds between the end of each attempt and the start of the next."""
    attempts = queue.attempts(made.id)
    return [later.started_at - (sooner.finished_at or 0) for sooner, later in pairwise(attempts)]


def test_delays_grow_up_to_the_cap_of_the_kind(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    @job(name="doomed", max_attempts=40, backoff=(8, 60), registry=kinds)
    def doomed() -> None:
        raise ValueError("no")

    made = queue.enqueue("doomed")
    drain(queue, until=clock.now() + 86400, raise_errors=False)
    paused = waits(queue, made)
    assert len(paused) == 39
    assert all(FLOOR <= pause <= min(60, 8 * 2**n) + 1e-6 for n, pause in enumerate(paused))
    assert max(paused[3:]) > 45
    assert min(paused[3:]) < 15


def test_a_job_can_have_its_own_backoff(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    @job(name="doomed", max_attempts=4, backoff=lambda attempt, error: 1000.0, registry=kinds)
    def doomed() -> None:
        raise ValueError("no")

    made = queue.enqueue("doomed", backoff=(0.05, 0.05))
    assert made.backoff == queue.get(made.id).backoff == (0.05, 0.05)
    drain(queue, until=clock.now() + 10, raise_errors=False)
    assert waits(queue, made) == pytest.approx([0.05] * 3, abs=1e-5)
    with pytest.raises(InvalidOption, match="seconds"):
        queue.enqueue("doomed", backoff=(-1, 5))


def test_a_backoff_function_receives_the_attempt_and_the_error(queue: Queue, kinds: Registry, clock: FrozenClock) -> None:
    told: list[tuple[int, str]] = []

    def backoff(attempt: int, error: BaseException) -> float:
        told.append((attempt, str(error)))
        return 100.0 * attempt

    @job(name="doomed", max_attempts=3, backoff=backoff, registry=kinds)
    def doomed() -> None:
        raise ValueError(f"no {context().attempt}")

    made = queue.enqueue("doomed")
    drain(queue, until=clock.now() + 1000, raise_errors=False)
    assert told == [(1, "no 1"), (2, "no 2")]
    assert waits(queue, made) == pytest.approx([100, 200])


def broken(attempt: int, error: BaseException) -> float:
    raise KeyError("in the policy itself")


@pytest.mark.parametrize(
    "backoff",
    [broken, lambda *_: -1.0, lambda *_: float("nan"), lambda *_: 1e300, lambda *_: None, lambda: 3.0, lambda *_: exit(1)],
)
def test_a_failing_backoff_function_is_logged_and_loses_no_job(
    queue: Queue, kinds: Registry, clock: FrozenClock, backoff: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @job(name="doomed", max_attempts=2, backoff=backoff, registry=kinds)
    def doomed() -> None:
        raise ValueError("no")

    made = queue.enqueue("doomed")
    with caplog.at_level(logging.ERROR):
        drain(queue, raise_errors=False)
    waiting = queue.get(made.id)
    assert (waiting.state, waiting.error) == (State.RETRYING, "ValueError: no")
    assert 0 < waiting.scheduled_at - clock.now() <= 2
    assert "backoff function of doomed failed" in caplog.text
    assert any("backoff function of doomed failed" in line.text for line in queue.logs(made.id))


def test_an_invalid_stored_backoff_does_not_block_the_job(queue: Queue, kinds: Registry, tmp_path: Path) -> None:
    import apsw

    @job(name="doomed", max_attempts=2, registry=kinds)
    def doomed() -> None:
        raise ValueError("no")

    made = queue.enqueue("doomed", backoff=(1, 2))
    connection = apsw.Connection(str(tmp_path / "jobs.db"))
    connection.execute("UPDATE jobdeck_jobs SET backoff = 'soon'")
    connection.close()
    drain(queue, raise_errors=False)
    assert queue.get(made.id).state is State.RETRYING


def test_a_snooze_in_an_exception_group_is_a_snooze(kinds: Registry) -> None:
    @job(name="sleepy", registry=kinds)
    def sleepy() -> None:
        raise ExceptionGroup("tasks", [Snooze(30), Snooze(60)])

    ran = run_inline(sleepy, registry=kinds)
    assert (ran.outcome, ran.retry_in) == (Outcome.SNOOZED, pytest.approx(30))
