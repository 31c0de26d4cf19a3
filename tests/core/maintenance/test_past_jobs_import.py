"""Jobs that have ended elsewhere are added: with their attempts, in every chart, and nothing runs them again."""

from __future__ import annotations

import time

import pytest

from jobdeck import Outcome, PastAttempt, PastJob, Queue, Settings, Severity, State, doctor, import_past_jobs

SETTINGS = Settings(synchronous="OFF")
_started: list[float] = []


@pytest.fixture(autouse=True)
def _start() -> None:
    """Note when the test starts: the charts show the last minutes."""
    _started[:] = [time.time()]


def now() -> float:
    return _started[0]


def attempt(ago: float, took: float = 0.5, **more: object) -> PastAttempt:
    start = now() - ago
    return PastAttempt(due_at=start - 2, started_at=start, finished_at=start + took, worker="past:1:a", **more)  # type: ignore[arg-type]


def completed(ago: float) -> PastJob:
    return PastJob(
        kind="mail.send",
        args_json='{"to": "a"}',
        queue="mail",
        created_at=now() - ago - 3,
        attempts=(attempt(ago),),
        tags=("vip",),
        result_json="7",
    )


def failed(ago: float) -> PastJob:
    first = attempt(ago, outcome=Outcome.FAILED, error_type="OSError", message="no route")
    last = attempt(ago - 20, outcome=Outcome.TIMED_OUT, error_type="TimedOut", message="took longer than 0.5 s", traceback="…")
    return PastJob(
        kind="img.resize", args_json="{}", queue="img", created_at=now() - ago - 3, attempts=(first, last), max_attempts=2
    )


def test_past_jobs_have_rows_attempts_and_their_place_in_every_chart(address: str) -> None:
    with Queue(address, settings=SETTINGS) as queue:
        before = queue.enqueue("shell", {"command": ["true"]}, delay=3600).id
    assert import_past_jobs(address, [completed(500), failed(400), completed(90)], settings=SETTINGS) == 3
    with Queue(address, settings=SETTINGS) as queue:
        overview = queue.overview(seconds=600, slices=60)
        assert (overview.counts[State.COMPLETED], overview.counts[State.FAILED]) == (2, 1)
        assert overview.run.count == 4
        one = queue.list("state:failed")[0]
        assert (one.id > before, one.attempt, one.error) == (True, 2, "TimedOut: took longer than 0.5 s")
        assert [each.outcome for each in queue.attempts(one.id)] == [Outcome.FAILED, Outcome.TIMED_OUT]
        done = queue.list("state:completed", limit=1)[0]
        assert (done.args, done.result, done.tags, round(now() - (done.started_at or 0))) == ({"to": "a"}, 7, ("vip",), 90)
        assert queue.enqueue("shell", {"command": ["true"]}, delay=3600).id > done.id
        assert queue.retry(one.id).state is State.PENDING


def test_jobs_beyond_those_to_keep_are_counted_as_if_they_had_been_pruned(address: str) -> None:
    jobs = [failed(520), *(completed(500 - n) for n in range(100))]
    assert import_past_jobs(address, jobs, keep=30, settings=SETTINGS) == 31, "of each state"
    with Queue(address, settings=SETTINGS) as queue:
        assert (queue.count("state:completed"), queue.count("state:failed")) == (30, 1)
        assert queue.overview(seconds=600, slices=60).run.count == 102
        assert min(job.started_at or 0 for job in queue.list("state:completed", limit=100)) > now() - 431


def test_the_doctor_finds_nothing_wrong_with_imported_jobs(address: str) -> None:
    import_past_jobs(address, [completed(500), failed(400)], settings=SETTINGS)
    problems = [each.message for each in doctor(address, settings=SETTINGS) if each.severity is Severity.PROBLEM]
    assert [each for each in problems if "power loss" not in each] == []  # the tests' databases are not synchronous
